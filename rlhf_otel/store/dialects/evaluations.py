"""Feedback in the forms of others: OpenInference's annotations, Logfire's spans, events on spans and in logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import codec
from rlhf_otel import semconv as s
from rlhf_otel.otel_records import LogRecord, SpanRecord
from rlhf_otel.records import Feedback
from rlhf_otel.store.dialects import foundry
from rlhf_otel.store.dialects.speech import Speech, as_json

_LISTS = {
    f"{scope}{plural}": single
    for scope in ("", "trace.", "session.")
    for plural, single in (("annotations", "annotation"), ("evaluations", "evaluation"))
}
_FIELDS = {
    "name": s.EVALUATION_NAME, "score": s.EVALUATION_SCORE_VALUE, "label": s.EVALUATION_SCORE_LABEL,
    "explanation": s.EVALUATION_EXPLANATION, "annotator_kind": s.FEEDBACK_ANNOTATOR_KIND,
    "identifier": s.ENDUSER_ID,
}  # fmt: skip
_LOGFIRE_NAME, _LOGFIRE_COMMENT = "logfire.feedback.name", "logfire.feedback.comment"
_LOGFIRE_OWN = ("logfire.", "code.")
_OTHER_NAMES = {"openlit.score.idempotency_key": s.FEEDBACK_ID,
                "gen_ai.evaluation.evaluator.type": s.FEEDBACK_ANNOTATOR_KIND}  # fmt: skip
_KIND_WORDS = {"human": "HUMAN", "llm": "LLM", "code": "CODE"}


def feedback_of(log: LogRecord) -> Feedback | None:
    """The feedback that a log record carries; None for any other log record."""
    if log.event_name != s.EVALUATION_EVENT:
        return None
    attributes = dict(log.attributes)
    if not attributes and isinstance(log.body, Mapping):  # events had their data in the body once
        attributes.update(log.body)
    return _feedback(attributes, log.trace_id, log.span_id, log.time_ns or log.observed_ns)


def feedback_in(span: SpanRecord) -> list[Feedback]:
    """The feedback that comes with `span`: on itself, on what it links to, or on what it is a child of."""
    target = _linked(span) or (span.trace_id, span.span_id)
    found = [
        _feedback({s.FEEDBACK_ID: f"{span.span_id}:{told[s.EVALUATION_NAME]}:{n}", **told}, *about, span.end_ns)
        for n, (about, told) in enumerate(_annotations(span.attributes, target))
    ]
    for n, event in enumerate(event for event in span.events if event["name"] == s.EVALUATION_EVENT):
        told = {s.FEEDBACK_ID: f"{span.span_id}:event:{n}", **event["attributes"]}
        found.append(_feedback(told, *target, event["time_ns"]))
    if (said := _logfires(span)) is not None:
        found.append(_feedback(said, span.trace_id, span.parent_span_id or "", span.end_ns))
    return found


def carried(span: SpanRecord) -> Feedback:
    """The feedback that a span of ours was made to carry; it has all that the event has."""
    attributes = {
        key: value for key, value in span.attributes.items()
        if not key.startswith(s.ANNOTATION) and key != s.OPENINFERENCE_KIND
    }  # fmt: skip
    trace_id, span_id = _linked(span) or ("", "")
    return codec.feedback_from_attributes(attributes, trace_id=trace_id, span_id=span_id, time_ns=span.start_ns)


def may_carry_feedback(attributes: Mapping[str, Any], events: Any) -> bool:
    """Whether it is worth a closer look."""
    return _LOGFIRE_NAME in attributes or bool(events) or any(key.startswith(tuple(_LISTS)) for key in attributes)


def _linked(span: SpanRecord) -> tuple[str, str] | None:
    """What the span points at, if it was made to carry feedback on one other span."""
    if len(span.links) != 1:
        return None
    return span.links[0]["trace_id"], span.links[0]["span_id"]


def _annotations(
    attributes: Mapping[str, Any], target: tuple[str, str]
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """Target and attributes of each annotation, in the words of the conventions: on a span, a trace or a session."""
    for plural, single in _LISTS.items():
        speech = Speech({key: value for key, value in attributes.items() if key.startswith(f"{plural}.")})
        for entry in speech.take_numbered(plural):
            told = entry.get(single) if isinstance(entry, dict) else None
            if not isinstance(told, dict) or not isinstance(told.get("name"), str):
                continue
            given = {_FIELDS[key]: value for key, value in told.items() if key in _FIELDS}
            metadata = as_json(told.get("metadata")) or {}
            given |= {s.FEEDBACK_METADATA + key: value for key, value in metadata.items()}
            if plural.startswith("session."):
                yield ("", ""), {s.SESSION_ID: attributes.get(s.SESSION_ID), **given}
            else:
                yield (target[0], "" if plural.startswith("trace.") else target[1]), given


def _logfires(span: SpanRecord) -> dict[str, Any] | None:
    """What Logfire's `record_feedback` says, whose value stands under the name of what was rated."""
    name = span.attributes.get(_LOGFIRE_NAME)
    if not isinstance(name, str):
        return None
    value = span.attributes.get(name)
    told: dict[str, Any] = {s.EVALUATION_NAME: name, s.FEEDBACK_ID: f"{span.span_id}:{name}"}
    if isinstance(value, bool):
        told |= {s.FEEDBACK_KIND: "binary", s.EVALUATION_SCORE_VALUE: float(value)}
    elif isinstance(value, str):
        told |= {s.EVALUATION_SCORE_LABEL: value}
    elif value is not None:
        told |= {s.EVALUATION_SCORE_VALUE: value}
    if (comment := span.attributes.get(_LOGFIRE_COMMENT)) is not None:
        told[s.EVALUATION_EXPLANATION] = comment
    rest = {key: item for key, item in span.attributes.items() if key != name and not key.startswith(_LOGFIRE_OWN)}
    return {**told, **{s.FEEDBACK_METADATA + key: item for key, item in rest.items()}}


def _feedback(attributes: dict[str, Any], trace_id: str, span_id: str, time_ns: int) -> Feedback:
    for old, new in _OTHER_NAMES.items():
        if old in attributes:
            attributes.setdefault(new, attributes.pop(old))
    kind = attributes.get(s.FEEDBACK_ANNOTATOR_KIND)
    if isinstance(kind, str):
        attributes[s.FEEDBACK_ANNOTATOR_KIND] = _KIND_WORDS.get(kind.lower(), kind)
    label, value = attributes.get(s.EVALUATION_SCORE_LABEL), attributes.get(s.EVALUATION_SCORE_VALUE)
    if label in ("true", "false") and value in (0, 1):  # OpenLIT's yes and no
        del attributes[s.EVALUATION_SCORE_LABEL]
        attributes.setdefault(s.FEEDBACK_KIND, "binary")
    foundry.translate(attributes)
    return codec.feedback_from_attributes(attributes, trace_id=trace_id, span_id=span_id, time_ns=time_ns)
