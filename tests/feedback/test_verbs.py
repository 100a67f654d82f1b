"""Every verb and every kind, as it is found in the store."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from fractions import Fraction

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.feedback import signals


@pytest.mark.parametrize(
    ("value", "more", "kind", "kept", "score"),
    [
        (True, {}, "binary", True, 1.0),
        (False, {}, "binary", False, 0.0),
        (1, {"kind": "binary"}, "binary", True, 1.0),
        (0.25, {}, "score", 0.25, 0.25),
        (1, {}, "score", 1.0, 1.0),
        (4, {"scale": (1, 5)}, "rating", 4, 0.75),
        (4.5, {"scale": [1, 5]}, "rating", 4.5, 0.875),
        (-1, {"scale": (-1, 1)}, "rating", -1, 0.0),
        (Fraction(1, 2), {}, "score", 0.5, 0.5),
        ("too long", {}, "categorical", "too long", None),
        ("good", {"kind": "categorical", "label": "fine"}, "categorical", "good", None),
        (None, {"label": "good"}, "categorical", "good", None),
        ({"tone": 3, "facts": [1, 2]}, {}, "custom", {"tone": 3, "facts": [1, 2]}, None),
        ([1, "two"], {}, "custom", [1, "two"], None),
        (None, {"comment": "hm"}, "comment", None, None),
    ],
)
def test_the_kind_is_told_by_the_value(call, given, value, more, kind, kept, score):
    """What was given is stored as given, with the kind that it tells and a score of 0 to 1 where there is one."""
    ref = feedback.record(call, value, **more)
    (stored,) = given()
    assert (stored.id, stored.kind, stored.value, stored.score) == (ref.id, kind, kept, score)
    assert type(stored.value) is type(kept)
    assert (stored.name, stored.source, stored.annotator_kind) == (
        "comment" if kind == "comment" else "user_feedback", "end_user", "HUMAN",
    )  # fmt: skip
    assert (stored.span_id, stored.trace_id) == (call.span_id, call.trace_id)


def test_all_fields_are_kept(call, given):
    """Everything that `record` takes is found again."""
    when = time.time_ns() - 10**9
    feedback.record(
        call, 4, scale=(1, 5), name="helpfulness", comment="nice", label="good", rater="u1", id="m-7:u1",
        source="annotator", annotator_kind="LLM", step=3, range=(0, 6), metadata={"page": 2, "tags": ["a", "b"]},
        time_ns=when,
    )  # fmt: skip
    (f,) = given()
    assert (f.name, f.comment, f.label, f.rater, f.id) == ("helpfulness", "nice", "good", "u1", "m-7:u1")
    assert (f.source, f.annotator_kind, f.step, f.range) == ("annotator", "LLM", 3, (0, 6))
    assert (f.time_ns, f.scale, f.target_start_ns) == (when, (1.0, 5.0), call.start_ns)
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in f.metadata.items()} == {
        "page": 2,
        "tags": ["a", "b"],
    }


def test_ids_and_raters_may_be_numbers(call, given):
    """An application's own ids are often numbers; they are kept as text."""
    feedback.record(call, True, rater=42, id=7)
    (f,) = given()
    assert (f.rater, f.id) == ("42", "7")


def test_correct(call, given):
    """A correction carries the answer that should have been given."""
    ref = feedback.correct(call, "the ideal answer", comment="see manual", rater="u1")
    (f,) = given()
    assert (f.kind, f.name, f.correction, f.comment, f.rater) == (
        "correction", "correction", "the ideal answer", "see manual", "u1",
    )  # fmt: skip
    assert ref.status == "joined"


@pytest.mark.parametrize("word", sorted(signals.SCORES))
def test_signal(call, given, word):
    """Each signal is kept as it is, with its default score."""
    feedback.signal(call, word)
    (f,) = given()
    assert (f.kind, f.signal, f.name, f.value) == ("signal", word, word, signals.SCORES[word])


def test_the_score_of_a_signal_can_be_given(call, given):
    """A value of one's own replaces the default, for instance of a dwell time."""
    feedback.signal(call, "dwell", value=0.6, metadata={"seconds": 41})
    (f,) = given()
    assert (f.signal, f.value, f.metadata["seconds"]) == ("dwell", 0.6, 41)


def test_prefer(call, given):
    """A preference names both sides, hangs on the better one, and keeps strength and position."""
    other = rlhf.capture(prompt="question", response="worse", model="m")
    feedback.prefer(chosen=call, rejected=other, margin=2, position="rejected", rater="u1")
    (f,) = given()
    assert (f.kind, f.chosen, f.rejected, f.margin) == ("preference", call.span_id, other.span_id, 2)
    assert (f.position, f.span_id, f.name) == ("rejected", call.span_id, "preference")


def test_rank(call, given):
    """A ranking keeps the order and hangs on the best."""
    others = [rlhf.capture(prompt="q", response=str(n)) for n in range(2)]
    feedback.rank([call, *others])
    (f,) = given()
    assert f.kind == "ranking"
    assert list(f.ranking) == [call.span_id, *(h.span_id for h in others)]


def test_retract(call, store):
    """A feedback that is taken back no longer counts, and stays in the history."""
    ref = feedback.record(call, True, id="m-7:u1")
    feedback.retract(id=ref.id, rater="u1")
    kept = store()
    (interaction,) = kept.interactions()
    assert kept.feedback_on([interaction])[call.span_id] == []
    assert [f.kind for f in kept.history(interaction)] == ["binary", "retraction"]


def test_the_latest_of_a_rater_counts(call, store):
    """A changed mind replaces; another rater or another name stands beside it."""
    now = time.time_ns()
    for later, (value, rater, name) in enumerate(
        [(True, "u1", None), (False, "u2", None), (0.9, "u1", "accuracy"), (False, "u1", None)]
    ):
        feedback.record(call, value, rater=rater, name=name, time_ns=now + later * 86_400 * 10**9)
    kept = store()
    (interaction,) = kept.interactions()
    current = {(f.name, f.rater): f.value for f in kept.feedback_on([interaction])[call.span_id]}
    assert current == {
        ("user_feedback", "u1"): False, ("user_feedback", "u2"): False, ("accuracy", "u1"): 0.9,
    }  # fmt: skip
    assert len(kept.history(interaction)) == 4


def test_the_same_id_is_the_same_feedback(call, given):
    """A double click with the same id is stored once, as it was first."""
    assert feedback.record(call, True, id="once").id == "once"
    assert feedback.record(call, True, id="once").id == "once"
    assert len(given()) == 1


def test_feedback_may_come_before_its_call_is_stored(store):
    """It is pending until the call comes, and joined then, by span id or by the application's own id."""
    ref = feedback.record(message="m-1", value=True)
    assert ref.status == "pending"
    assert [f.id for f in store().pending()] == [ref.id]
    with rlhf.context(message="m-1"):
        made = rlhf.capture(prompt="q", response="a")
    kept = store()
    assert kept.pending() == []
    (interaction,) = kept.interactions()
    assert [f.id for f in kept.feedback_on([interaction])[made.span_id]] == [ref.id]


def test_status_of_what_another_process_recorded(store, call):
    """A call that left this process's memory is found in the store."""
    from rlhf_otel import handles

    store()
    handles.forget()
    assert feedback.record(span_id=call.span_id, value=True).status == "joined"
    assert feedback.record(span_id="00f067aa0ba902b7", value=True).status == "pending"


def test_arecord(call, given):
    """The same from a coroutine."""
    ref = asyncio.run(feedback.arecord(call, True, comment="from a coroutine"))
    assert [(f.id, f.comment) for f in given()] == [(ref.id, "from a coroutine")]


def test_before_instrument_feedback_is_refused_with_a_line(lines):
    """Nothing takes feedback yet: None, one clear line that blames nobody's response, and a count."""
    assert feedback.record(span_id="00f067aa0ba902b7", value=True) is None
    assert feedback.record(object(), True) is None
    assert feedback.correct(rlhf.last(), "better") is None
    assert len(lines()) == 3
    for line in lines():
        assert "nothing takes feedback yet: start the application with rlhf-otel-instrument or call" in line
    assert hooks.counters["feedback_refused"] == 3


def test_other_libraries_numbers_are_refused_where_they_are_none(call, given):
    """A Decimal is no real number to Python and is kept as custom text, rather than as a wrong score."""
    feedback.record(call, Decimal("0.5"))
    (f,) = given()
    assert (f.kind, f.score) == ("custom", None)
