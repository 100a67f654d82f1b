"""Arize Phoenix: spans as a data frame or an answer of its API has them; annotations on spans, traces and sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import codec
from rlhf_otel.importers import making as m
from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import dialects

SOURCE = "phoenix"
_ATTRIBUTES, _COUNTED = "attributes.", ".token_count."
_ANNOTATOR_SOURCES = {"APP": "annotator", "API": "end_user"}
_RESULTS = ("score", "label", "explanation")


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is Phoenix's."""
    names = row.keys()
    is_span = "start_time" in names and bool(names & {"context", "context.span_id", "span_kind", "status_code"})
    return "annotator_kind" in names or is_span


def read(row: Mapping[str, Any]) -> Iterator[Interaction | SpanRecord | Feedback]:
    """The records of one span, with the annotations that stand on it, or of one annotation."""
    if "annotator_kind" in row:
        yield from _annotation(row)
    elif "start_time" in row:
        yield from _span(row)
    else:
        raise m.Unusable("neither a span nor an annotation of Phoenix")


def _span(row: Mapping[str, Any]) -> Iterator[Interaction | SpanRecord | Feedback]:
    context = m.mapping(row, "context")
    span = context.get("span_id") or m.first(row, "context.span_id", "span_id", "index")
    trace = context.get("trace_id") or m.first(row, "context.trace_id", "trace_id")
    if not span or not trace:
        raise m.Unusable("the span has no span id or no trace id")
    start, parent = m.moment(row["start_time"]), m.first(row, "parent_id")
    failed = str(row.get("status_code")).upper() == "ERROR"
    known: dict[str, Any] = {
        "trace_id": m.trace_id_of(trace),
        "span_id": m.span_id_of(span),
        "parent_span_id": m.span_id_of(parent) if isinstance(parent, str) else None,
        "name": m.text(row.get("name")) or "",
        "start_ns": start,
        "end_ns": m.moment(row.get("end_time")) or start,
    }
    attributes = dict(_attributes(row))
    events = [_event(each) for each in m.items(row, "events") if isinstance(each, Mapping)]
    speech = dialects.Speech(dict(attributes), list(events), SOURCE, start, known["end_ns"])
    dialects.translate(speech)
    message = m.text(row.get("status_message"))
    record = SpanRecord(**known, scope=SOURCE, status="error" if failed else "unset", status_message=message or "",
                        attributes=attributes, events=events)  # fmt: skip
    if speech.is_call and codec.is_interaction(speech.attributes):
        dialects.keep_rest(speech, None)
        yield m.call(speech.attributes, SOURCE, **known, status=record.status, error_message=message)
    else:
        yield record
    if dialects.may_carry_feedback(attributes, events):
        yield from dialects.feedback_in(record)


def _attributes(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """As they are on a span: flat, in a data frame as in an answer of the API."""
    for name in row:
        if name.startswith(_ATTRIBUTES):
            value = m.inner(row, name)
            is_count = isinstance(value, str) and _COUNTED in name
            yield from _flat(name.removeprefix(_ATTRIBUTES), m.number(value) if is_count else value)
    for name, value in m.mapping(row, "attributes").items():
        yield from _flat(name, value)
    if "openinference.span.kind" not in row and isinstance(kind := row.get("span_kind"), str):
        yield "openinference.span.kind", kind


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """An attribute that a data frame has as a list of objects is many on a span."""
    value = m.listed(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(f"{name}.{key}", item)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value):
            yield from _flat(f"{name}.{place}", item)
    elif value is not None and not m.is_nan(value):
        yield name, value


def _event(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": str(told.get("name", "")),
        "time_ns": m.moment(told.get("timestamp")),
        "attributes": dict(m.mapping(told, "attributes")),
    }


def _annotation(row: Mapping[str, Any]) -> Iterator[Feedback]:
    metadata = dict(m.mapping(row, "metadata"))
    nested = m.mapping(row, "result") or {name: m.first(row, f"result.{name}", name) for name in _RESULTS}
    score, label, explanation = (nested.get(name) for name in _RESULTS)
    span, trace = m.first(row, "span_id", "index"), row.get("trace_id")
    session, name = m.text(row.get("session_id")), m.first(row, "name", "annotation_name")
    if not (span or trace or session):
        raise m.Unusable("the annotation is about no span, no trace and no session")
    by_person = ("user_id", "identifier") if row.get("source") == "APP" else ("identifier", "user_id")
    rater = metadata.pop("rater", None) or m.first(row, *by_person)
    yield from m.opinions(
        m.identity(SOURCE, row.get("id"), span, trace, session, name, row.get("identifier")),
        name=m.text(name),
        value=m.verdict(score),
        label=m.text(label),
        comment=m.text(explanation),
        correction=m.text(metadata.pop("correction", None)),
        time_ns=m.moment(row.get("created_at")) or m.moment(metadata.get("time")),
        changed_ns=m.changed(row.get("created_at"), row.get("updated_at")),
        rater=m.text(rater),
        source=_ANNOTATOR_SOURCES.get(str(row.get("source")), "end_user"),
        annotator_kind=str(row["annotator_kind"]),
        span_id=m.span_id_of(span) if span else None,
        trace_id=m.trace_id_of(trace) if trace else None,
        session=session,
        metadata={**metadata, "document_position": row.get("document_position")},
    )
