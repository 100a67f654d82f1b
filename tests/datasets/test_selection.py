"""Which calls and which feedback become rows: consent first."""

from __future__ import annotations

import pytest

from tests.datasets.conftest import SECOND, START


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
