"""`rlhf-otel subject`: all that is stored on a person, and nothing that is not."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from rlhf_otel.otel_records import LogRecord, SpanRecord
from rlhf_otel.store import Store
from rlhf_otel.store.adding import Decoded

from .conftest import FAILED, GOOD, opinion


def lines(name: str) -> list:
    """What a file of the folder has."""
    return [json.loads(line) for line in Path("mine", name).read_text().splitlines()]


def test_everything_on_a_person(run, store) -> None:
    """Calls with their content, all feedback on them and by the person, and what was around them."""
    trace = "4bf92f3577b34da6" + GOOD
    span = SpanRecord(trace_id=trace, span_id="1" * 16, start_ns=5, end_ns=6, name="GET /")
    log = LogRecord(time_ns=7, trace_id=trace, span_id=GOOD, body="a word")
    with Store.open(store) as opened:
        opened.add_decoded(Decoded(spans=[span], logs=[log], feedback=[opinion("f9", FAILED, value=True, rater="u1")]))
    ended = run("subject", "--user", "u1", "--out", "mine", "--json", "--store", store)
    counts = {"calls": 1, "feedback": 5, "spans": 1, "logs": 1}
    assert json.loads(ended.stdout) == {"path": "mine", "counts": counts}
    assert json.loads(Path("mine/counts.json").read_text()) == counts
    (call,) = lines("calls.jsonl")
    assert (call["span_id"], call["prompt_text"]) == (GOOD, "How long does an egg take?")
    assert sorted((each["id"], each["role"]) for each in lines("feedback.jsonl")) == [
        ("f1", "by"), ("f2", "by"), ("f3", "on"), ("f4", "on"), ("f9", "by"),
    ]  # fmt: skip
    assert [lines("spans.jsonl")[0]["name"], lines("logs.jsonl")[0]["body"]] == ["GET /", "a word"]
    assert "`calls.jsonl`: 1 lines" in Path("mine/README.md").read_text()


def test_only_its_owner_can_read_it(run, store) -> None:
    """The folder and the files."""
    assert run("subject", "--session", "conv-42", "--out", "mine", "--store", store).exit_code == 0
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (Path("mine"), *Path("mine").iterdir())]
    assert (modes[0], {*modes[1:]}) == (0o700, {0o600})


def test_what_is_not_known(run, store) -> None:
    """Exit code 1, and no folder."""
    ended = run("subject", "--user", "nobody", "--out", "mine", "--store", store)
    assert (ended.exit_code, Path("mine").exists()) == (1, False)
    assert "nothing is stored on the user 'nobody'" in ended.stderr


def test_a_place_that_is_taken(run, store) -> None:
    """Is left as it is."""
    Path("mine").write_text("x")
    ended = run("subject", "--user", "u1", "--out", "mine", "--store", store)
    assert (ended.exit_code, Path("mine").read_text()) == (1, "x")


def test_it_is_in_the_audit_log(run, store) -> None:
    """Who took it, and how much; not whose it was."""
    run("subject", "--user", "u1", "--out", "mine", "--store", store)
    with Store.open(store, read_only=True) as opened:
        (entry,) = opened.audited(action="export")
    assert entry.what == {"subject": "user", "calls": 1, "feedback": 4}
