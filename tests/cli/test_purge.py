"""`rlhf-otel purge`: what it says, what it asks, and what it refuses."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from rlhf_otel.cli.main import main
from rlhf_otel.store import Store

from .conftest import FAILED, GOOD, MINUTE, interaction, opinion


@pytest.fixture
def pairs(store, run) -> Path:
    """A dataset with a row for each call of the store."""
    assert (
        run("export", "--format", "jsonl", "--unset-consent", "train", "--out", "calls", "--store", store).exit_code
        == 0
    )
    return Path("calls")


def calls(store: str) -> list[str]:
    with Store.open(store, read_only=True) as opened:
        return [each.span_id for each in opened.interactions(newest_first=False)]


def purge(run, store, *words):
    """Erases without being asked; what it says as JSON."""
    ended = run("purge", *words, "--yes", "--json", "--store", store)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_a_person_is_erased(run, store) -> None:
    """Calls, feedback on them and feedback by the person; the rest stays."""
    told = purge(run, store, "--user", "u1")
    assert told["removed"] == {"calls": 1, "spans": 0, "logs": 0, "points": 0, "feedback": 4, "messages": 1}
    assert GOOD not in calls(store)
    assert len(calls(store)) == 2
    assert len(told["tombstone"]) == 32


def test_it_says_what_it_did(run, store) -> None:
    """In words, and what the one who erases should know besides."""
    ended = run("purge", "--user", "u1", "--yes", "--store", store)
    assert ended.stdout == "store: 1 calls, 0 spans, 0 logs, 0 points, 4 feedback, 1 messages\n"
    assert "from now on it is refused" in ended.stderr


def test_a_look_before(run, store, pairs) -> None:
    """--dry-run says what would go, datasets included, and changes nothing."""
    before = calls(store)
    ended = run("purge", "--user", "u1", "--dry-run", "--store", store)
    assert ended.stdout == ("store: 1 calls, 0 spans, 0 logs, 0 points, 4 feedback\ncalls: 1 rows rest on it; stale\n")
    assert "nothing was erased" in ended.stderr
    assert calls(store) == before
    assert json.loads(run("purge", "--list", "--json", "--store", store).stdout) == []


def test_nobody_is_there_to_be_asked(run, store) -> None:
    """Then it takes --yes, and nothing is erased without."""
    ended = run("purge", "--user", "u1", "--store", store)
    assert ended.exit_code == 2
    assert "--yes" in ended.stderr
    assert GOOD in calls(store)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--user", "nobody"], 1, "nothing is known of the user 'nobody'"),
        (["--user", "u*"], 1, "without wildcards"),
        (["--user", "*"], 2, "wildcards are not understood"),
        (["--user", "%"], 2, "wildcards are not understood"),
        (["--user", ""], 2, "--user is empty"),
        (["--user", "  "], 2, "--user is empty"),
        ([], 2, "name one person"),
        (["--user", "u1", "--session", "conv-42"], 2, "name one person"),
        (["--trace", "xyz"], 2, "32 hex digits"),
        (["--span", "0" * 16], 2, "16 hex digits"),
        (["--user", "u1", "--exports", "burn"], 2, "burn"),
        (["--lift", "ffff"], 1, "the start of no hash"),
        (["--lift", ""], 1, "the start of no hash"),
    ],
)
def test_what_it_refuses(run, store, words, code, says) -> None:
    """Each with a word on what is wrong; nothing is erased."""
    ended = run("purge", *words, "--yes", "--store", store)
    assert (ended.exit_code, says in ended.stderr) == (code, True), ended.output
    assert len(calls(store)) == 3


def test_without_a_store(run) -> None:
    """There is nothing to erase from."""
    ended = run("purge", "--user", "u1", "--yes")
    assert ended.exit_code == 1
    assert "there is no store" in ended.stderr


def test_what_is_not_there_yet_can_be_refused(run, store) -> None:
    """As where a store was lost and a queue is to be read again."""
    purge(run, store, "--user", "carl", "--in-advance")
    with Store.open(store) as opened:
        opened.add([interaction("00f067aa0ba902c0", MINUTE, user="carl")])
    assert len(calls(store)) == 3


def test_a_tombstone_is_listed_and_lifted(run, store) -> None:
    """By the start of its hash; no id is shown."""
    told = purge(run, store, "--session", "conv-42")
    listed = run("purge", "--list", "--store", store).stdout
    assert listed.startswith(told["tombstone"])
    assert "a session" in listed
    assert "conv-42" not in listed
    assert run("purge", "--lift", told["tombstone"][:8], "--store", store).exit_code == 0
    assert run("purge", "--list", "--store", store).stdout == ""
    with Store.open(store) as opened:
        opened.add([interaction(GOOD, MINUTE, session="conv-42")])
    assert GOOD in calls(store)


def test_once_more_is_no_mistake(run, store) -> None:
    """What was erased is known by its tombstone, and the date of that moves on."""
    purge(run, store, "--user", "u1")
    assert purge(run, store, "--user", "u1")["removed"]["calls"] == 0
    assert len(json.loads(run("purge", "--list", "--json", "--store", store).stdout)) == 1


@pytest.mark.parametrize(("exports", "left"), [("list", 3), ("rewrite", 2), ("delete", None)])
def test_what_becomes_of_datasets(run, store, pairs, exports, left) -> None:
    """They are listed; rewritten without the rows, or deleted, if that is asked for."""
    told = purge(run, store, "--span", GOOD, "--exports", exports)
    word = {"list": "stale", "rewrite": "rewritten", "delete": "deleted"}[exports]
    assert told["datasets"] == [{"path": "calls", "rows": 1, "is": word}]
    assert pairs.exists() == (left is not None)
    if left is not None:
        lines = (pairs / "train.jsonl").read_text().splitlines()
        assert len(lines) == left
        assert any(GOOD in line for line in lines) == (exports == "list")
        state = json.loads(run("datasets", "list", "--json", "--store", store).stdout)
        assert [each["stale"] for each in state] == [exports == "list"]


def test_models_that_were_trained_on_such_rows_are_listed(run, store, pairs) -> None:
    """As far as a file beside them says what they were trained on; not what was trained on what is left."""
    for name in ("before", "after"):
        Path(name).mkdir()
    files = json.loads((pairs / "manifest.json").read_text())["files"]
    told = {"datasets": [{"path": "../calls", "files": files}]}
    Path("before/trained_on.json").write_text(json.dumps(told))
    assert [each["path"] for each in purge(run, store, "--span", GOOD, "--exports", "rewrite")["models"]] == ["before"]
    told["datasets"][0]["files"] = json.loads((pairs / "manifest.json").read_text())["files"]
    Path("after/trained_on.json").write_text(json.dumps(told))
    assert [each["path"] for each in purge(run, store, "--span", FAILED)["models"]] == ["after", "before"]


def test_an_erasure_is_in_the_audit_log_and_the_id_is_not(run, store) -> None:
    """Who erased how much, and what kind of thing."""
    purge(run, store, "--session", "conv-42")
    with Store.open(store, read_only=True) as opened:
        (entry,) = opened.audited(action="erase")
    assert entry.who.startswith("cli:")
    assert (entry.what["kind"], entry.what["calls"], entry.what["feedback"]) == ("session", 1, 4)
    assert "conv-42" not in json.dumps(entry.what)


def test_ids_of_every_kind(run, store) -> None:
    """With characters that JSON or SQL would have to escape, and half of one that is no character."""
    odd = ['a"b\\c', "ä%_*' OR 1=1", "\U0001f600 smile", "\x00nul", "tab\tline\n"]
    with Store.open(store) as opened:
        opened.add([interaction(f"00f067aa0ba90{n:03x}", MINUTE, user=name) for n, name in enumerate(odd)],
                   [opinion(f"g{n}", value=True, rater=name) for n, name in enumerate(odd)])  # fmt: skip
    for name in odd:
        told = purge(run, store, "--user", name)
        assert (told["removed"]["calls"], told["removed"]["feedback"]) == (1, 1)
    assert len(calls(store)) == 3


def test_a_store_that_is_locked(run, store, monkeypatch) -> None:
    """Nothing is half done, and it says what to do."""
    import sqlite3

    monkeypatch.setattr("rlhf_otel.store.connection.BUSY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("rlhf_otel.store.erasing.PATIENCE_S", 0.2)
    held = sqlite3.connect(store, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    ended = run("purge", "--user", "u1", "--yes", "--store", store)
    held.close()
    assert ended.exit_code == 1
    assert "locked" in ended.stderr
    assert GOOD in calls(store)
    purge(run, store, "--user", "u1")
    assert GOOD not in calls(store)


def test_the_command_is_in_the_table(capsys) -> None:
    """And says what it is for."""
    assert main(["purge", "--help"]) == 0
    assert "Erase a person" in capsys.readouterr().out


def test_feedback_alone_is_erased(run, store) -> None:
    """The call stays, and may be rated again."""
    assert purge(run, store, "--span", GOOD, "--feedback-only")["removed"]["feedback"] == 4
    assert GOOD in calls(store)
    with Store.open(store) as opened:
        opened.add(feedback=[opinion("new", value=True, time_ns=time.time_ns())])
        call = opened.interaction(GOOD)
        assert call is not None
        assert [each.id for each in opened.feedback_on([call])[GOOD]] == ["new"]
