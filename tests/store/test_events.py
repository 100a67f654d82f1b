"""What comes in log events: the content of calls, whichever comes first, and feedback in everybody's form."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from rlhf_otel.records import Feedback
from rlhf_otel.store import Store
from rlhf_otel.store.otlp import Decoded, decode_logs, decode_traces
from rlhf_otel.store.otlp_json import logs_from_json, traces_from_json

from .test_dialects import decoded

TRACE, SPAN = "0102030405060708090a0b0c0d0e0f10", "0102030405060708"
TARGET = "00f067aa0ba902b7"


def value_of(value: Any) -> Any:
    """A value in OTLP's JSON."""
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    names = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}
    return {names[type(value)]: value}


def pairs(attributes: dict[str, Any]) -> list[Any]:
    """Attributes in OTLP's JSON."""
    return [{"key": key, "value": value_of(value)} for key, value in attributes.items()]


def event(name: str, body: Any = None, time: int = 5, span: str = SPAN, **attributes: Any) -> Decoded:
    """A request with one log event."""
    record = {"timeUnixNano": time, "traceId": TRACE, "spanId": span, "eventName": name}
    record |= {"attributes": pairs(attributes)} if attributes else {}
    record |= {"body": value_of(body)} if body is not None else {}
    request = logs_from_json({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]})
    return decode_logs(request)


def span(scope: str = "other", **fields: Any) -> Decoded:
    """A request with one span."""
    made = {"traceId": TRACE, "spanId": SPAN, "name": "chat m", "startTimeUnixNano": 1, "endTimeUnixNano": 9, **fields}
    made["attributes"] = pairs(made.get("attributes", {}))
    for each in made.get("events", []):
        each["attributes"] = pairs(each["attributes"])
    scoped = {"scope": {"name": scope}, "spans": [made]}
    request = traces_from_json({"resourceSpans": [{"scopeSpans": [scoped]}]})
    return decode_traces(request)


CALL = span(attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})
SAID = [{"role": "user", "parts": [{"type": "text", "content": "Hello?"}]}]
ANSWERED = [{"role": "assistant", "parts": [{"type": "text", "content": "Hi."}], "finish_reason": "stop"}]
DETAILS = event(
    "gen_ai.client.inference.operation.details",
    **{"gen_ai.input.messages": SAID, "gen_ai.output.messages": ANSWERED, "gen_ai.request.model": "m"},
)


@pytest.mark.parametrize("requests", list(itertools.permutations([CALL, DETAILS, DETAILS])))
def test_the_details_of_a_call_are_joined_with_it(requests: tuple[Decoded, ...]) -> None:
    """Before it or after it, once or twice; and the event is kept as it was."""
    with Store.open(":memory:") as store:
        for request in requests:
            store.add_decoded(request)
        (call,) = store.interactions()
        assert (call.input, call.output) == (SAID, ANSWERED)
        assert store.logs() == DETAILS.logs


MESSAGES = [
    event("gen_ai.system.message", {"content": "Be brief."}, time=1),
    event("gen_ai.user.message", {"content": "Rain?"}, time=2),
    event("gen_ai.assistant.message", {"tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}]}, time=3),
    event("gen_ai.tool.message", {"content": "yes", "id": "c"}, time=4),
    event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "It rains."}}, time=6),
]  # fmt: skip


@pytest.mark.parametrize("order", [range(6), range(5, -1, -1), (3, 0, 5, 1, 4, 2, 0, 1)])
def test_messages_that_come_one_by_one_are_put_together(order: Any) -> None:
    """In the order of their times, whatever order they come in, and each once."""
    requests = [*MESSAGES, CALL]
    with Store.open(":memory:") as store:
        for number in order:
            store.add_decoded(requests[number])
        (call,) = store.interactions()
    assert [message["role"] for message in call.input or ()] == ["system", "user", "assistant", "tool"]
    assert (call.input or ())[2]["parts"] == [
        {"type": "tool_call", "name": "weather", "id": "c", "arguments": {"city": "Paris"}}
    ]
    assert (call.input or ())[3]["parts"] == [{"type": "tool_call_response", "id": "c", "response": "yes"}]
    assert call.output == [
        {"role": "assistant", "parts": [{"type": "text", "content": "It rains."}], "finish_reason": "stop"}
    ]


def test_what_a_span_says_itself_is_not_overruled() -> None:
    """An event of another call by the same id changes nothing."""
    own = span(attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": "[]"})
    with Store.open(":memory:") as store:
        store.add_decoded(DETAILS, own)
        (call,) = store.interactions()
        assert call.output == ANSWERED
        store.add_decoded(event("gen_ai.choice", {"message": {"content": "No."}}, span=TARGET))
        assert list(store.interactions()) == [call]


@pytest.mark.parametrize(
    "events",
    [
        [{"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": '[{"role": "user", "content": "Hello?"}]'}},
         {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "Hi."}}],
        [{"name": "gen_ai.user.message", "attributes": {"content": "Hello?"}},
         {"name": "gen_ai.choice", "attributes": {"message": '{"content": "Hi."}', "finish_reason": "stop"}}],
        [{"name": "gen_ai.client.inference.operation.details",
          "attributes": {"gen_ai.input.messages": SAID, "gen_ai.output.messages": ANSWERED}}],
    ],
)  # fmt: skip
def test_older_conventions_have_content_in_events_of_the_span(events: list[Any]) -> None:
    """The names of then are those of now: provider, usage and what was said."""
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.system": "vertex_ai", "gen_ai.usage.prompt_tokens": 3,
                  "gen_ai.usage.completion_tokens": "4"}  # fmt: skip
    (call,) = span(attributes=attributes, events=events).interactions
    assert (call.provider, call.input_tokens, call.output_tokens) == ("gcp.vertex_ai", 3, 4)
    assert call.input == SAID
    assert [part["content"] for part in (call.output or ())[0]["parts"]] == ["Hi."]
    assert call.attributes == {"otel.scope.name": "other"}


def test_an_attribute_of_a_wrong_type_harms_nobody() -> None:
    """It becomes what it should be, or is kept under a name of its own; messages that are none become messages."""
    odd = {"gen_ai.operation.name": "chat", "gen_ai.request.model": 5, "gen_ai.usage.input_tokens": "many",
           "gen_ai.usage.output_tokens": 7.0, "gen_ai.response.finish_reasons": "stop", "gen_ai.request.stream": "true",
           "gen_ai.input.messages": '["Hello?", 3]', "gen_ai.tool.definitions": "[1]",
           "gen_ai.output.messages": "[" * 100_000}  # fmt: skip
    for scope in ("other", "rlhf_otel"):
        (call,) = span(scope, attributes=dict(odd)).interactions
        assert (call.request_model, call.input_tokens, call.output_tokens) == ("5", None, 7)
        assert (call.finish_reasons, call.stream) == (("stop",), True)
        assert call.attributes["rlhf.unread.gen_ai.usage.input_tokens"] == "many"
        assert call.input == SAID
        assert call.tools == [{"name": "1"}]
        assert (call.output or ())[0]["parts"][0]["content"].startswith("[[")


def given(feedback: list[Feedback]) -> list[tuple[Any, ...]]:
    """What counts of each feedback."""
    return [(f.name, f.kind, f.value, f.label, f.comment, f.trace_id, f.span_id, dict(f.metadata)) for f in feedback]


ANNOTATIONS = {
    "annotations.0.annotation.name": "tone", "annotations.0.annotation.label": "kind",
    "annotations.0.annotation.explanation": "so polite", "annotations.0.annotation.annotator_kind": "HUMAN",
    "annotations.0.annotation.identifier": "u1", "annotations.0.annotation.metadata": '{"page": 3}',
    "evaluations.0.evaluation.name": "correct", "evaluations.0.evaluation.score": 0.5,
    "evaluations.0.evaluation.annotator_kind": "LLM", "annotations.1.annotation.score": 1,
}  # fmt: skip


@pytest.mark.parametrize("links", [[], [{"traceId": TRACE, "spanId": TARGET}]])
def test_openinference_annotations(links: list[Any]) -> None:
    """On the span that they are about, or on one made for them that links to it; those without a name are none."""
    found = span(attributes=dict(ANNOTATIONS), links=links)
    target = TARGET if links else SPAN
    assert given(found.feedback) == [
        ("tone", "categorical", None, "kind", "so polite", TRACE, target, {"page": 3}),
        ("correct", "score", 0.5, None, None, TRACE, target, {}),
    ]
    assert [(f.rater, f.annotator_kind) for f in found.feedback] == [("u1", "HUMAN"), (None, "LLM")]
    assert [each.name for each in found.spans] == ["chat m"]


def test_openinference_annotations_on_a_trace_or_a_session() -> None:
    """They count on the newest call of it that had begun by then."""
    told = {
        "trace.annotations.0.annotation.name": "solved", "trace.annotations.0.annotation.label": "yes",
        "session.evaluations.0.evaluation.name": "patience", "session.evaluations.0.evaluation.score": 1,
        "session.id": "conv",
    }  # fmt: skip
    found = span(attributes=told).feedback
    assert [(f.name, f.trace_id, f.span_id, f.session) for f in found] == [
        ("solved", TRACE, "", None), ("patience", "", "", "conv"),
    ]  # fmt: skip


def test_annotations_on_a_call_are_about_it() -> None:
    """The call is an interaction all the same."""
    found = span(attributes={"openinference.span.kind": "LLM", "llm.model_name": "m", **ANNOTATIONS})
    assert [each.request_model for each in found.interactions] == ["m"]
    assert [each.span_id for each in found.feedback] == [SPAN, SPAN]


def test_an_evaluation_event_on_a_span() -> None:
    """Its time is that of the event."""
    told = {"gen_ai.evaluation.name": "correct", "gen_ai.evaluation.score.value": 1.0}
    (feedback,) = span(events=[{"name": "gen_ai.evaluation.result", "timeUnixNano": 7, "attributes": told}]).feedback
    assert (feedback.name, feedback.value, feedback.time_ns, feedback.span_id) == ("correct", 1.0, 7, SPAN)


def test_logfires_feedback() -> None:
    """As Logfire wrote it: a child of the rated span for each."""
    found = [feedback for each in decoded("logfire") for feedback in each.feedback]
    rated = next(each for request in decoded("logfire") for each in request.spans if each.name == "asked")
    target = (rated.trace_id, rated.span_id)
    assert given(found) == [
        ("thumbs", "binary", True, None, "good one", *target, {"page": 3}),
        ("stars", "score", 4, None, None, *target, {}),
        ("tone", "categorical", None, "friendly", None, *target, {}),
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"gen_ai.evaluation.score.value": 1.0, "gen_ai.evaluation.score.label": "true", "page": 3,
          "gen_ai.evaluation.explanation": "good one", "openlit.score.idempotency_key": "vote-1"},
         ("thumbs", "binary", True, None, "good one", TRACE, SPAN, {"page": 3})),
        ({"gen_ai.evaluation.score.value": 4.0}, ("thumbs", "score", 4.0, None, None, TRACE, SPAN, {})),
        ({"gen_ai.evaluation.score.label": "kind"}, ("thumbs", "categorical", None, "kind", None, TRACE, SPAN, {})),
    ],
)  # fmt: skip
def test_openlits_scores(told: dict[str, Any], expected: tuple[Any, ...]) -> None:
    """A log event with the words true and false for yes and no, and with metadata under names of its own."""
    found = event("gen_ai.evaluation.result", "", **{"gen_ai.evaluation.name": "thumbs", **told})
    assert given(found.feedback) == [expected]
    assert found.logs == []
    if "openlit.score.idempotency_key" in told:
        assert found.feedback[0].id == "vote-1"


def test_foundrys_ratings_have_their_scale() -> None:
    """It stands in a JSON text beside the score."""
    inner = '{"gen_ai.evaluation.min_value": 1, "gen_ai.evaluation.max_value": 5, "gen_ai.evaluation.type": "ordinal"}'
    told = {"gen_ai.evaluation.name": "likert", "gen_ai.evaluation.score.value": 4.0, "internal_properties": inner}
    (feedback,) = event("gen_ai.evaluation.result", **told).feedback
    assert (feedback.value, feedback.scale, feedback.score) == (4.0, (1.0, 5.0), 0.75)


def test_foundrys_events_as_its_sample_emits_them() -> None:
    """Numbers as text, who said it and tags in attributes of their own; a yes or no, and a place among five."""
    scale = {"gen_ai.evaluation.threshold": "3.0", "gen_ai.evaluation.min_value": "1.0",
             "gen_ai.evaluation.max_value": "5.0", "gen_ai.evaluation.desirable_direction": "increase",
             "gen_ai.evaluation.type": "ordinal"}  # fmt: skip
    told = {
        "microsoft.custom_event.name": "gen_ai.evaluation.result", "gen_ai.evaluation.name": "relevance",
        "gen_ai.evaluation.score.value": 2.0, "gen_ai.evaluation.score.label": "fail",
        "microsoft.gen_ai.human_evaluation.source": "end_user", "microsoft.gen_ai.evaluation.actor.type": "human",
        "internal_properties": json.dumps(scale), "gen_ai.evaluation.explanation": "beside the point",
        "enduser.id": "oid:1", "microsoft.gen_ai.evaluation.tags.department": "marketing",
        "microsoft.gen_ai.human_evaluation.id": "e-1",
    }  # fmt: skip
    (rated,) = event("gen_ai.evaluation.result", **told).feedback
    assert (rated.id, rated.kind, rated.value, rated.scale, rated.score, rated.label) == (
        "e-1", "rating", 2, (1.0, 5.0), 0.25, None,
    )  # fmt: skip
    assert (rated.rater, rated.source, rated.comment, rated.metadata) == (
        "oid:1", "end_user", "beside the point", {"department": "marketing"},
    )  # fmt: skip
    inner = {**scale, "gen_ai.evaluation.type": "boolean", "microsoft.human_evaluation.source": "builder",
             "microsoft.human_evaluation.id": "e-2", "microsoft.human_evaluation.tags.tier": "free"}  # fmt: skip
    earlier = {"gen_ai.evaluation.score.value": 1.0, "gen_ai.evaluation.score.label": "pass"}
    (thumb,) = event("gen_ai.evaluation.result", **earlier, internal_properties=json.dumps(inner)).feedback
    assert (thumb.id, thumb.kind, thumb.value, thumb.scale, thumb.source, thumb.metadata) == (
        "e-2", "binary", True, None, "builder", {"tier": "free"},
    )  # fmt: skip


def test_feedback_that_comes_twice_is_one() -> None:
    """Whatever its form, its id is the same each time."""
    with Store.open(":memory:") as store:
        for _ in range(2):
            store.add_decoded(span(attributes=dict(ANNOTATIONS)), *decoded("logfire"))
        assert store.counts()["feedback"] == 5
