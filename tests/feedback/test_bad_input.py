"""What cannot be taken as feedback: refused in words that say what is expected, with nothing written."""

from __future__ import annotations

import asyncio
import math

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.feedback import FeedbackError

NAN = math.nan


def wrong(verb, *args, **kwargs):
    """A call of a verb with `call` put in place of the word."""
    return lambda call: getattr(feedback, verb)(
        *(call if each == "call" else each for each in args),
        **{k: call if v == "call" else v for k, v in kwargs.items()},
    )


WRONG = {
    "nothing said": (wrong("record", "call"), "says nothing"),
    "an empty comment": (wrong("record", "call", comment=""), "says nothing"),
    "a score above 1": (wrong("record", "call", 4), "4 is outside its scale of 0 to 1; pass scale="),
    "a rating above its scale": (wrong("record", "call", 6, scale=(1, 5)), "6 is outside its scale of 1 to 5"),
    "a rating below its scale": (wrong("record", "call", 0, scale=(1, 5)), "0 is outside its scale of 1 to 5"),
    "NaN": (wrong("record", "call", NAN), "a finite number is expected"),
    "infinity": (wrong("record", "call", math.inf, scale=(0, 10)), "a finite number is expected"),
    "more digits than a float has": (wrong("record", "call", 10**400, kind="score"), "a finite number is expected"),
    "a scale of such": (wrong("record", "call", 4, scale=(1, 10**400)), "the highest value are expected"),
    "a bool as a rating": (wrong("record", "call", True, kind="rating", scale=(1, 5)), "a finite number is expected"),
    "a word as a score": (wrong("record", "call", "good", kind="score"), "a finite number is expected"),
    "a number as a thumb": (wrong("record", "call", 5, kind="binary"), "True or False is expected"),
    "a fraction as a thumb": (wrong("record", "call", 1.0, kind="binary"), "True or False is expected"),
    "a number as a category": (wrong("record", "call", 5, kind="categorical"), "a word is expected"),
    "a scale upside down": (wrong("record", "call", 3, scale=(5, 1)), "the lowest and the highest value"),
    "a scale without width": (wrong("record", "call", 3, scale=(3, 3)), "the lowest and the highest value"),
    "a scale of one number": (wrong("record", "call", 3, scale=5), "the lowest and the highest value"),
    "a scale of three": (wrong("record", "call", 3, scale=(1, 3, 5)), "the lowest and the highest value"),
    "a scale without end": (wrong("record", "call", 3, scale=(1, math.inf)), "the lowest and the highest value"),
    "a scale of words": (wrong("record", "call", 3, scale=("bad", "good")), "the lowest and the highest value"),
    "an unknown kind": (wrong("record", "call", True, kind="thumb"), "kind is 'thumb'; it is one of binary, rating"),
    "a kind with a verb": (wrong("record", "call", True, kind="correction"), "a verb of its own: feedback.correct"),
    "a comment with a value": (wrong("record", "call", 1, kind="comment", comment="x"), "a comment has no value"),
    "an unknown source": (wrong("record", "call", True, source="me"), "source is 'me'; it is one of end_user"),
    "an unknown annotator": (wrong("record", "call", True, annotator_kind="human"), "it is one of HUMAN, LLM, CODE"),
    "a comment that is no text": (wrong("record", "call", True, comment=5), "the comment is int; text is expected"),
    "an endless comment": (wrong("record", "call", True, comment="x" * 100_001), "at most 100000 are taken"),
    "a negative step": (wrong("record", "call", True, step=-1), "the index of a step is expected"),
    "a step that is a word": (wrong("record", "call", True, step="first"), "the index of a step is expected"),
    "a range upside down": (wrong("record", "call", True, range=(5, 2)), "range is (5, 2)"),
    "a range of one": (wrong("record", "call", True, range=(5,)), "range is (5,)"),
    "metadata that is text": (wrong("record", "call", True, metadata="x"), "names with values are expected"),
    "a time in seconds": (wrong("record", "call", True, time_ns=1_700_000_000), "nanoseconds since the epoch"),
    "an empty correction": (wrong("correct", "call", "  "), "the correction is empty"),
    "a correction that is no text": (wrong("correct", "call", 5), "the correction is int; text is expected"),
    "a correction with an unknown source": (wrong("correct", "call", "x", source="me"), "source is 'me'"),
    "an unknown signal": (wrong("signal", "call", "yawn"), "signal is 'yawn'; it is one of regenerate, edit"),
    "a signal out of range": (wrong("signal", "call", "copy", value=3), "outside its scale of 0 to 1"),
    "a preference with itself": (wrong("prefer", chosen="call", rejected="call"), "the same answer"),
    "an unknown side": (
        wrong("prefer", chosen="call", rejected="00f067aa0ba902b7", position="left"), "position is 'left'",
    ),
    "a margin that is none": (
        wrong("prefer", chosen="call", rejected="00f067aa0ba902b7", margin=NAN), "a finite number is expected",
    ),
    "a side that nobody knows": (wrong("prefer", chosen="call", rejected="resp-unknown"), "not known in this process"),
    "a ranking of one": (wrong("rank", ["00f067aa0ba902b7"]), "at least two answers, not 1"),
    "a ranking with a tie to itself": (wrong("rank", ["00f067aa0ba902b7"] * 2), "ranked twice"),
    "a ranking that is no list": (wrong("rank", "00f067aa0ba902b7"), "a ranking takes a list of answers"),
    "a retraction of nothing": (wrong("retract", ""), "retract takes the id of the feedback"),
    "an unknown keyword": (wrong("correct", "call", "x", stars=5), "takes no such argument"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_it_is_refused(what, call, given, monkeypatch, lines):
    """None, a count and one line that says what is expected; raised when strict; nothing written either way."""
    attempt, expected = WRONG[what]
    assert attempt(call) is None
    (line,) = lines()
    assert line.startswith("rlhf-otel: feedback was not recorded: ")
    assert expected in line
    assert hooks.counters["feedback_refused"] == 1
    monkeypatch.setattr(hooks, "strict", True)
    with pytest.raises(FeedbackError) as raised:
        attempt(call)
    assert expected in str(raised.value)
    assert given() == []


@pytest.mark.parametrize("verb", [feedback.record, feedback.correct, feedback.signal, feedback.prefer, feedback.rank])
def test_wrong_arguments_do_not_reach_the_host(verb, recording, lines):
    """A keyword that does not exist, or one that is missing, is a refusal like any other."""
    assert verb(no_such_keyword=1) is None
    assert len(lines()) == 1


def test_an_unknown_keyword_of_record(call, given, lines):
    """It is named in the line."""
    assert feedback.record(call, True, stars=5) is None
    assert "stars" in lines()[0]
    assert given() == []


def test_a_coroutine_is_not_failed_either(recording, lines):
    """`arecord` refuses as `record` does."""
    assert asyncio.run(feedback.arecord("nonsense?", 5)) is None
    assert len(lines()) == 1


def test_a_telemetry_that_breaks_fails_no_host(call, monkeypatch, lines):
    """Whatever goes wrong beneath the verb, the host gets None and its log one line."""

    def broken(feedback):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(hooks.telemetry, "emit", broken)
    assert feedback.record(call, True) is None
    assert "RuntimeError" in lines()[0]


def test_the_same_mistake_is_said_once_a_minute(call, lines):
    """A thousand refusals are one line and a thousand counts."""
    for _ in range(1000):
        assert feedback.record(call, 7) is None
    assert len(lines()) == 1
    assert rlhf.stats()["feedback_refused"] == 1000


SAID = "my number is 555 and I hate it"
SECRETIVE = {
    "a value": wrong("record", "call", SAID, kind="score"),
    "a kind": wrong("record", "call", True, kind=SAID),
    "a target": wrong("record", f"00-{SAID}", True, span_id=SAID),
    "a side": wrong("prefer", chosen=SAID, rejected="call"),
    "a scale": wrong("record", "call", 1, scale=(SAID, SAID)),
    "a time": wrong("record", "call", 1, time_ns=SAID),
}


@pytest.mark.parametrize("what", SECRETIVE)
def test_what_people_say_is_not_logged(what, call, lines):
    """The line says what was given in kind and length, never in its words, and is said once for all such mistakes."""
    assert SECRETIVE[what](call) is None
    assert len(lines()) == 1
    assert "555" not in lines()[0]


def test_one_kind_of_mistake_is_one_line(call, lines):
    """Other words of the same mistake do not make another line."""
    for number in range(100):
        assert feedback.record(call, 7 + number) is None
    assert len(lines()) == 1


LONG = "x" * 100_001


@pytest.mark.parametrize(
    "more",
    [
        {"value": LONG},
        {"label": LONG, "value": 1},
        {"value": [LONG[:60_000]] * 2},
        {"value": 1, "metadata": {"a": LONG}},
    ],
)
def test_no_text_is_without_bounds(call, lines, given, more):
    """A value, a label and metadata are limited as a comment is."""
    assert feedback.record(call, **more) is None
    assert "at most 100000 are taken" in lines()[0]
    assert given() == []


def test_objects_as_values_and_metadata(call, given):
    """They are kept as lists, names and text, as they are now."""
    tags = ["a"]
    assert feedback.record(call, {"tags": tags}, metadata={"who": {"b"}}) is not None
    tags.append("later")
    (kept,) = given()
    assert kept.value == {"tags": ["a"]}
    assert "b" in str(kept.metadata["who"])
