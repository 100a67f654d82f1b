"""Which calls and which feedback become rows: consent first."""

from __future__ import annotations

import json
import random

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.store import Store
from tests.datasets.conftest import SECOND, START, finding


def rated_pair(sessions, question="Q", **fields):
    """Two answers to a question of which one is preferred."""
    sides = [sessions.call(question, answer, **fields) for answer in ("good", "bad")]
    sessions.prefer(*sides)
    return sides


@pytest.mark.parametrize(
    ("consent", "choices", "reason"),
    [
        ("train", {}, None),
        (None, {}, "no consent is known"),
        ("none", {}, "consent was refused"),
        ("eval", {}, "consent is for evaluation alone"),
        ("eval", {"purpose": "eval"}, None),
        ("train", {"purpose": "eval"}, None),
        (None, {"unset_consent": "train"}, None),
        (None, {"unset_consent": "eval"}, "consent is for evaluation alone"),
        ("none", {"unset_consent": "train"}, "consent was refused"),
    ],
)
@pytest.mark.parametrize("format", ["dpo", "jsonl"])
def test_consent(sessions, consent, choices, reason, format):
    """Nothing is exported without consent to its purpose, in no format; what is held back is counted by its reason."""
    rated_pair(sessions, consent=consent)
    outcome = sessions.dry(format=format, **choices)
    rows = {"dpo": 1, "jsonl": 2}[format] if reason is None else 0
    assert outcome.rows == {"train": rows}
    assert outcome.funnel[0]["dropped"] == ({} if reason is None else {reason: 2})


def test_both_sides_need_consent(sessions):
    """A pair whose worse answer may not be used is no pair."""
    good, bad = sessions.call(answer="good"), sessions.call(answer="bad", consent="none")
    sessions.prefer(good, bad)
    assert sessions.export().rows == []


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ({"model": "m-1"}, "Q1"),
        ({"variant": "B"}, "Q2"),
        ({"session": "s-3"}, "Q3"),
        ({"service": "chat"}, "Q4"),
        ({"since_ns": START + 9 * SECOND}, "Q5"),
        ({"until_ns": START + 3 * SECOND}, "Q1"),
        ({"names": ("style",)}, "Q5"),
        ({"raters": ("ann",)}, "Q4"),
    ],
)
def test_filters(sessions, choices, wanted):
    """Each filter leaves what it names."""
    rated_pair(sessions, "Q1", request_model="m-1")
    rated_pair(sessions, "Q2", variant="B")
    rated_pair(sessions, "Q3", session="s-3")
    sides = [sessions.call("Q4", answer, resource={"service.name": "chat"}) for answer in ("good", "bad")]
    sessions.prefer(*sides, rater="ann")
    sides = [sessions.call("Q5", answer) for answer in ("good", "bad")]
    sessions.prefer(*sides, name="style")
    assert sessions.export(**choices).pairs == [(wanted, "good", "bad")]


def test_programs_are_not_people(sessions):
    """What a program says becomes a row only where predictors are asked for."""
    sides = [sessions.call(answer=answer) for answer in ("good", "bad")]
    sessions.prefer(*sides, annotator_kind="LLM", source="agent")
    assert sessions.export().rows == []
    assert sessions.export(sources=("predictor",)).pairs == [("Q", "good", "bad")]


def test_retracted_and_superseded_feedback_makes_no_rows(sessions):
    """What a person took back, or said otherwise later, is not what they think."""
    first, second = rated_pair(sessions)
    sessions.say(kind="retraction", retracts="f1")
    assert sessions.export().rows == []
    sessions.prefer(second, first)
    assert sessions.export().pairs == [("Q", "bad", "good")]


def test_everything_is_counted(sessions):
    """At every stage what came in is what went on and what was left out."""
    rated_pair(sessions)
    sessions.say(sessions.call("Q2"), True)
    sessions.call("Q3")
    sessions.say(sessions.call("Q4", consent=None), True)
    for stage in sessions.dry().funnel:
        assert stage["in"] == stage["out"] + sum(stage["dropped"].values())
    calls = sessions.dry(format="jsonl").funnel[0]
    assert (calls["in"], calls["out"]) == (5, 4)


KEPT = {"rlhf.sampled.rate": 0.25, "rlhf.sampled.hold": 600.0}
LATE = START + 10**6 * SECOND


@pytest.mark.parametrize(
    ("attributes", "said_ns", "weight"),
    [
        ({}, LATE, 1.0),
        (KEPT, LATE, 16.0),
        (KEPT, START + 60 * SECOND, 1.0),
        ({**KEPT, "rlhf.sampled.reason": "feedback"}, START + 60 * SECOND, 1.0),
    ],
)
def test_rows_of_sampled_calls_weigh_what_they_stand_for(sessions, attributes, said_ns, weight):
    """Of calls that were kept by chance, one over the chance of both sides; what was rated in time is there anyway."""
    sides = [sessions.call(answer=answer, attributes=attributes) for answer in ("good", "bad")]
    sessions.prefer(*sides, time_ns=said_ns)
    assert [each["weight"] for each in sessions.export().lineage] == [weight]


def test_the_calls_of_one_trace_are_kept_together(sessions):
    """Two answers in one trace are there by one draw."""
    sides = [sessions.call(answer=answer, attributes=KEPT, trace_id="a" * 32) for answer in ("good", "bad")]
    sessions.prefer(*sides)
    assert sessions.export().lineage[0]["weight"] == 4.0


def test_calls_as_they_are_weigh_what_they_stand_for(sessions):
    """A call that nobody rated, of which one in four is kept, stands for four; so does a label that came late."""
    sessions.call("Q1", attributes=KEPT)
    sessions.say(sessions.call("Q2", attributes=KEPT), True)
    assert [each["weight"] for each in sessions.export(format="jsonl").lineage] == [4.0, 4.0]
    assert sessions.export(format="kto").lineage[0]["weight"] == 4.0


def test_weights_tell_what_the_rows_are_worth(sessions):
    """Where some rows weigh more than others, all of them tell less than as many that weigh the same."""
    for number in range(10):
        asked = {"propensity": 0.1} if number == 0 else {}
        sessions.say(sessions.call(f"Q{number}"), number % 2 == 0, metadata=asked)
    found = finding(sessions.dry(format="kto"), "size")
    assert found.facts["worth"] == 3
    assert found.says.startswith("10 rows to train on, weighted, worth 3 that weigh the same; from about 200 on")


def test_calls_that_made_room_are_said_to_be_missing(sessions):
    """Where retention let go of calls that nobody had rated, the card of all calls says up to when."""
    for number in range(300):
        span = sessions.call(f"Q{number}", random.Random(number).randbytes(2000).hex())
        if number % 10 == 0:
            sessions.say(span, True)
    path = sessions.store()
    with Store.open(path) as opened:
        opened.retain(max_bytes=int(path.stat().st_size * 0.7))
        assert START < opened.thinned_ns() < sessions.calls[-1].start_ns
    run = CliRunner()
    out = sessions.folder / "calls"
    ended = run.invoke(cli, ["export", "--format", "jsonl", "--store", str(path), "--out", str(out)])
    assert "only those are left that somebody rated" in ended.stderr
    assert "only those are left that somebody rated" in (out / "README.md").read_text(encoding="utf-8")
    since = run.invoke(cli, ["export", "--format", "kto", "--store", str(path), "--dry-run", "--json"])
    assert json.loads(since.stdout)["notes"] == []


def test_exports_are_noted(sessions):
    """Who exported how much in which format is in the store's list of what was done; what was tried alone is not."""
    rated_pair(sessions)
    path = sessions.store()
    for words in (["--dry-run"], ["--out", str(sessions.folder / "out")]):
        assert CliRunner().invoke(cli, ["export", "--store", str(path), *words]).exit_code == 0
    with Store.open(path, read_only=True) as opened:
        (entry,) = opened.audited(action="export")
    assert entry.what == {"format": "dpo", "rows": {"train": 1}, "out": str(sessions.folder / "out")}
    assert entry.who.startswith("cli:")
