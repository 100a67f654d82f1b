"""There and back again: records as attributes, and attributes of other emitters as records."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf_otel import codec, views
from rlhf_otel.records import FEEDBACK_KINDS, Feedback, Interaction

from .strategies import feedbacks, interactions, plain, text

relaxed = settings(deadline=None, max_examples=60)


def envelope(i: Interaction) -> dict:
    """What the span itself carries, beside its attributes."""
    names = (
        "trace_id",
        "span_id",
        "start_ns",
        "end_ns",
        "parent_span_id",
        "name",
        "status",
        "error_message",
        "resource",
    )
    return {name: getattr(i, name) for name in names}


@relaxed
@given(interactions)
def test_an_interaction_comes_back_as_it_was(i):
    """Every field, message, context value and foreign attribute survives the attributes of a span."""
    attributes = codec.interaction_attributes(i)
    assert codec.interaction_from_attributes(attributes, **envelope(i)) == i
    assert all(isinstance(value, str | bool | int | float | list) for value in attributes.values())


@pytest.mark.parametrize("kind", FEEDBACK_KINDS)
@relaxed
@given(data=st.data())
def test_a_feedback_comes_back_as_it_was(kind, data):
    """Every kind with every field survives the attributes of an event, types of values included."""
    f = data.draw(feedbacks(kind))
    attributes = codec.feedback_attributes(f)
    back = codec.feedback_from_attributes(attributes, trace_id=f.trace_id, span_id=f.span_id, time_ns=f.time_ns)
    assert back == f
    assert type(back.value) is type(f.value)
    assert all(isinstance(value, str | bool | int | float | list) for value in attributes.values())


MESSAGES = [{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]


@pytest.mark.parametrize("written", [MESSAGES, json.dumps(MESSAGES), tuple(MESSAGES)])
def test_messages_of_other_emitters(written):
    """A JSON string and the structure itself are the same messages."""
    i = codec.interaction_from_attributes(
        {"gen_ai.operation.name": "chat", "gen_ai.input.messages": written},
        trace_id="", span_id="", start_ns=0, end_ns=0,
    )  # fmt: skip
    assert list(i.input) == MESSAGES
    assert codec.prompt_text(i) == "hello"


@pytest.mark.parametrize(
    ("written", "read"),
    [("no json", [{"type": "text", "content": "no json"}]), ("", []), ("3", []), ("null", []), ('{"a": 1}', [])],
)
def test_content_that_is_none(written, read):
    """What is no list of parts becomes a text, or nothing; it never fails."""
    i = codec.interaction_from_attributes(
        {"gen_ai.system_instructions": written}, trace_id="", span_id="", start_ns=0, end_ns=0
    )
    assert i.system == read


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.8},
         {"name": "relevance", "kind": "score", "value": 0.8}),
        ({"gen_ai.evaluation.score.value": 1, "gen_ai.evaluation.score.label": "pass"},
         {"name": "user_feedback", "kind": "binary", "value": True, "label": None}),
        ({"gen_ai.evaluation.score.label": "relevant"}, {"kind": "categorical", "label": "relevant"}),
        ({"gen_ai.evaluation.explanation": "because"}, {"kind": "comment", "comment": "because", "value": None}),
    ],
)  # fmt: skip
def test_evaluations_of_other_emitters(attributes, expected):
    """An evaluation event without a word of ours has a kind, an id that is the same each time, and its values."""
    read = [codec.feedback_from_attributes(attributes, trace_id="t", span_id="s", time_ns=5) for _ in range(2)]
    assert {name: getattr(read[0], name) for name in expected} == expected
    assert read[0] == read[1]
    assert read[0].id


@relaxed
@given(st.recursive(plain | st.none(), lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=10))
def test_any_value_fits_into_an_attribute(value):
    """`flat` gives what OpenTelemetry takes, and JSON for the rest."""
    flat = codec.flat(value)
    assert isinstance(flat, str | bool | int | float | list)
    if isinstance(flat, str) and not isinstance(value, str):
        assert json.loads(flat) == value


def test_text_with_lone_surrogates_can_be_encoded():
    """Half a character, as broken clients send it, makes valid JSON all the same."""
    encoded = codec.dumps([{"content": "broken \ud83d end"}])
    encoded.encode()
    assert json.loads(encoded) == [{"content": "broken \ud83d end"}]


@pytest.mark.parametrize(
    ("broken", "mended"), [("a \ud83d b", "a \ufffd b"), ("\ud83d\ude00", "😀"), ("fine ü", "fine ü")]
)
def test_halves_of_characters_are_mended(broken, mended):
    """Two halves are the character that they are of; one alone is the sign for what cannot be read."""
    assert codec.flat(broken) == codec.whole(broken) == mended


@relaxed
@given(interactions)
def test_the_json_for_people(i):
    """What `show --json` prints is JSON with the documented names."""
    shown = json.loads(json.dumps(views.interaction_json(i)))
    assert {
        "span_id", "trace_id", "start", "duration_s", "operation", "provider", "request_model", "response_model",
        "response_id", "session", "stream", "stream_end", "ttft_s", "tokens_per_second", "input_tokens",
        "output_tokens", "cached_tokens", "reasoning_tokens", "retries", "status", "error_type", "error_message",
        "variant", "context", "implicit_score", "explicit_score", "consent", "messages", "output", "prompt_text",
        "response_text", "feedback",
    } <= shown.keys()  # fmt: skip


def test_scores_are_averaged_by_their_kind():
    """What people said and what their behaviour says are kept apart; words have no score."""
    made = {"id": "x", "name": "n", "time_ns": 1}
    given_ = [
        Feedback(kind="binary", value=True, **made), Feedback(kind="rating", value=3, scale=(1, 5), **made),
        Feedback(kind="signal", value=0.2, **made), Feedback(kind="categorical", value="good", label="good", **made),
    ]  # fmt: skip
    i = Interaction(trace_id="", span_id="", start_ns=0, end_ns=0)
    shown = views.interaction_json(i, given_)
    assert (shown["explicit_score"], shown["implicit_score"]) == (0.75, 0.2)
