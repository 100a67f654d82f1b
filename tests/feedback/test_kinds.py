"""Every kind of feedback with everything that it may carry, and which of it counts later."""

from __future__ import annotations

import dataclasses

import pytest

import rlhf_otel as rlhf
from rlhf_otel import Feedback, Interaction, feedback
from rlhf_otel.steps import Step, declared, steps_of

OTHER = "00f067aa0ba902b7"
DAY = 86_400 * 10**9
KINDS = {
    "binary": (lambda call, **k: feedback.record(call, True, **k), {"value": True}),
    "rating": (lambda call, **k: feedback.record(call, 7, scale=(-10, 10), **k), {"value": 7, "scale": (-10.0, 10.0)}),
    "score": (lambda call, **k: feedback.record(call, 0.25, **k), {"value": 0.25}),
    "categorical": (lambda call, **k: feedback.record(call, "off_topic", **k), {"value": "off_topic"}),
    "comment": (lambda call, **k: feedback.record(call, **{"comment": "hm", **k}), {}),
    "correction": (lambda call, **k: feedback.correct(call, "better", **k), {"correction": "better"}),
    "preference": (
        lambda call, **k: feedback.prefer(chosen=call, rejected=OTHER, margin=2, position="rejected", **k),
        {"rejected": OTHER, "margin": 2, "position": "rejected"},
    ),
    "ranking": (lambda call, **k: feedback.rank([call, OTHER], **k), {}),
    "signal": (lambda call, **k: feedback.signal(call, "copy", **k), {"signal": "copy", "value": 0.8}),
    "custom": (lambda call, **k: feedback.record(call, {"a": [1, None, "x"]}, **k), {"value": {"a": [1, None, "x"]}}),
}  # fmt: skip
MORE = {
    "name": "helpfulness", "comment": "because", "rater": "u1", "source": "annotator", "annotator_kind": "LLM",
    "step": 2, "range": (3, 9), "quote": "those words", "metadata": {"page": 2, "nested": '{"a":1}'},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_carries_everything(kind, call, given, strict):
    """Aspect, comment, rater, source, step, range with its words, and metadata, through the event into the store."""
    give, own = KINDS[kind]
    ref = give(call, **MORE)
    (kept,) = given()
    assert (kept.id, kept.kind, kept.span_id) == (ref.id, kind, call.span_id)
    expected = {**MORE, **own}
    assert {name: getattr(kept, name) for name in expected} == expected


def test_a_retraction_with_metadata(call, given, strict):
    """It says why, and whose it is."""
    feedback.record(call, True, id="f1")
    feedback.retract("f1", rater="u1", metadata={"why": "misclick"})
    (retraction,) = [f for f in given() if f.kind == "retraction"]
    assert (retraction.retracts, retraction.rater, retraction.metadata) == ("f1", "u1", {"why": "misclick"})


@pytest.mark.parametrize("value", [None, [], {}, [1, "x"], {"deep": {"er": [True, None]}}, "text", 5, True, 0.5])
def test_a_custom_value_is_any_json(value, call, given, strict):
    """It comes back as it was; None needs a comment beside it."""
    feedback.record(call, value, kind="custom", comment="c")
    assert (given()[0].kind, given()[0].value) == ("custom", value)


def test_an_edit_brings_the_edited_text(call, given, strict):
    """The signal carries what the person made of the answer."""
    feedback.signal(call, "edit", text="What they made of it")
    (kept,) = given()
    assert (kept.kind, kept.signal, kept.value, kept.correction) == ("signal", "edit", 0.3, "What they made of it")


@pytest.mark.parametrize("kind", KINDS)
def test_the_latest_counts_whatever_the_day(kind, call, given, store, strict):
    """One opinion per target, name and rater: the next day's replaces the first, which stays in the history."""
    give, _ = KINDS[kind]
    now = 1_795_748_850 * 10**9
    ids = [give(call, rater="u1", time_ns=now + days * DAY).id for days in (0, 1, 40)]
    give(call, rater="u2", time_ns=now)
    kept = store()
    (interaction,) = kept.interactions()
    counting = kept.feedback_on([interaction])[call.span_id]
    assert [f.id for f in counting if f.rater == "u1"] == ids[-1:]
    assert len(counting) == 2
    assert [f.id for f in kept.history(interaction) if f.rater == "u1"] == ids


def test_one_opinion_for_each_step_aspect_and_place(call, store, strict):
    """Steps, names and ranges are rated side by side; each again replaces itself alone."""
    for value in (True, False):
        feedback.record(call, value, rater="u1")
        feedback.record(call, value, rater="u1", step=0)
        feedback.record(call, value, rater="u1", step=1)
        feedback.record(call, value, rater="u1", name="accuracy")
        feedback.record(call, value, rater="u1", range=(0, 4))
    kept = store()
    (interaction,) = kept.interactions()
    assert [(f.name, f.step, f.range, f.value) for f in kept.feedback_on([interaction])[call.span_id]] == [
        ("user_feedback", None, None, False), ("user_feedback", 0, None, False), ("user_feedback", 1, None, False),
        ("accuracy", None, None, False), ("user_feedback", None, (0, 4), False),
    ]  # fmt: skip


def test_declared_steps_are_stored(recording, store):
    """With their content, order and time, whether said at the capture or by a processor."""
    rlhf.capture(prompt="q", response="a", steps=["one", {"content": "two", "kind": "check", "time_ns": 7}])
    store()
    remove = rlhf.add_processor(lambda interaction: declared(interaction, ["mine"]))
    try:
        rlhf.capture(prompt="q", response="a", steps=["lost"])
        newest, oldest = store().interactions()
    finally:
        remove()
    assert steps_of(oldest) == (Step(0, "step", "one"), Step(1, "check", "two", 7))
    assert steps_of(newest) == (Step(0, "step", "mine"),)


def test_steps_are_content():
    """Where no content is captured there are none."""
    rlhf.instrument(store=":memory:", capture="NO_CONTENT")
    rlhf.capture(prompt="q", response="a", steps=["secret"])
    ((interaction, _),) = rlhf.interactions()
    assert "rlhf.steps" not in interaction.attributes
    assert steps_of(interaction) == ()


def test_secrets_in_steps_and_quotes_are_taken_out(recording, store, strict):
    """As everywhere else."""
    made = rlhf.capture(prompt="q", response="a", steps=["mail jane.doe@example.com"])
    feedback.record(made, True, quote="jane.doe@example.com")
    (interaction,) = store().interactions()
    (kept,) = store().feedback_on([interaction])[made.span_id]
    assert "jane" not in steps_of(interaction)[0].content
    assert "jane" not in kept.quote


def test_no_field_of_feedback_is_lost_on_the_wire():
    """Each one goes through the event's attributes and back."""
    from rlhf_otel import codec

    full = Feedback(
        id="f", name="n", kind="rating", time_ns=5, trace_id="1" * 32, span_id="2" * 16, target_start_ns=3,
        response_id="r", message_id="m", session="s", turn=0, value=3, scale=(1.0, 5.0), label="l", comment="c",
        correction="k", signal="copy", rater="u", source="agent", annotator_kind="CODE", step=0, range=(0, 2),
        quote="q", chosen="2" * 16, rejected="3" * 16, margin=1.5, position="chosen", ranking=("2" * 16,),
        retracts="x", metadata={"a": 1},
    )  # fmt: skip
    plain = Feedback(id="", name="", kind="rating", time_ns=0)
    same = [f.name for f in dataclasses.fields(Feedback) if getattr(full, f.name) == getattr(plain, f.name)]
    assert same == ["kind"]
    envelope = {"trace_id": full.trace_id, "span_id": full.span_id, "time_ns": full.time_ns}
    assert codec.feedback_from_attributes(codec.feedback_attributes(full), **envelope) == full


def test_steps_in_show(recording, call):
    """A rated step is told with its text."""
    from rlhf_otel.cli.show import _step

    output = [{"role": "assistant", "parts": [{"type": "text", "content": "the answer"}]}]
    made = Interaction(trace_id="", span_id=OTHER, start_ns=0, end_ns=0, output=output)
    rated = Feedback(id="f", name="n", kind="binary", time_ns=0, step=0)
    assert _step(rated, made) == "0 (answer) the answer"
    assert _step(dataclasses.replace(rated, step=9), made) == "9"
