"""Requests of OTLP as records: whoever sent them, nothing in them raises, and what cannot be kept is counted.

A span of ours becomes the very interaction that its process would have put into an embedded store. Spans of other
emitters are translated first: see `dialects`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import codec, semconv
from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import dialects
from rlhf_otel.store.adding import Decoded
from rlhf_otel.store.dialects import Speech
from rlhf_otel.store.otlp_points import number_of_points, points_of
from rlhf_otel.store.otlp_values import (
    KINDS,
    STATUSES,
    RefusedError,
    attributes_of,
    events_of,
    identifier,
    links_of,
    maybe_identifier,
    value_of,
    word,
)

if TYPE_CHECKING:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["Decoded", "decode_logs", "decode_metrics", "decode_traces"]

_MOST_REASONS = 5


def decode_traces(request: ExportTraceServiceRequest) -> Decoded:
    """The spans of `request`: interactions, feedback that came as a span, and all the rest."""
    found = _Found("span")
    for group in request.resource_spans:
        resource = attributes_of(group.resource.attributes)
        for scoped in group.scope_spans:
            take = _take_ours if scoped.scope.name == semconv.SCOPE else _take_span
            found.take_each(scoped.spans, take, scoped.scope, resource)
    if len(found.foreign) > 1:
        _leave_out_doubles(found)
    return found.decoded()


def decode_logs(request: ExportLogsServiceRequest) -> Decoded:
    """The log records of `request`: feedback, and all the rest."""
    found = _Found("log record")
    for group in request.resource_logs:
        resource = attributes_of(group.resource.attributes)
        for scoped in group.scope_logs:
            found.take_each(scoped.log_records, _take_log, scoped.scope, resource)
    return found.decoded()


def decode_metrics(request: ExportMetricsServiceRequest) -> Decoded:
    """The data points of `request`."""
    found = _Found("data point")
    for group in request.resource_metrics:
        resource = attributes_of(group.resource.attributes)
        for scoped in group.scope_metrics:
            found.take_each(scoped.metrics, _take_metric, scoped.scope, resource, number_of_points)
    return found.decoded()


_Take = Callable[["_Found", Any, Any, Mapping[str, Any]], None]


class _Found:
    """What has been found in a request so far, and what had to be refused."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.refused: Counter[str] = Counter()
        self.interactions: list[Interaction] = []
        self.spans: list[SpanRecord] = []
        self.feedback: list[Feedback] = []
        self.logs: list[LogRecord] = []
        self.points: list[MetricPoint] = []
        self.foreign: list[tuple[Interaction, Any, Any, Mapping[str, Any]]] = []

    def take_each(
        self,
        items: Iterable[Any],
        take: _Take,
        scope: Any,
        resource: Mapping[str, Any],
        count: Callable[[Any], int] = lambda item: 1,
    ) -> None:
        """Takes each of `items`; one that cannot be read is counted as refused, and does not stop the others."""
        for item in items:
            try:
                take(self, item, scope, resource)
            except RefusedError as why:
                self.refused[str(why)] += count(item)
            except Exception as error:  # noqa: BLE001 - one bad item is no reason to refuse the others
                self.refused[f"what cannot be read ({type(error).__name__})"] += count(item)

    def decoded(self) -> Decoded:
        """All of it."""
        told = [f"{count} with {why}" for why, count in self.refused.most_common(_MOST_REASONS)]
        rejected = sum(self.refused.values())
        message = f"{self.what}s refused: {'; '.join(told)}" if rejected else ""
        return Decoded(
            self.interactions, self.spans, self.feedback, self.logs, self.points, rejected=rejected, message=message
        )


def _take_ours(found: _Found, span: Any, scope: Any, resource: Mapping[str, Any]) -> None:
    attributes = attributes_of(span.attributes)
    if semconv.FEEDBACK_ID in attributes and semconv.OPERATION_NAME not in attributes:
        found.feedback.append(dialects.carried(_span(span, attributes, scope, resource)))
    elif codec.has_no_answer(attributes):
        found.spans.append(_span(span, attributes, scope, resource))
    else:
        found.interactions.append(_interaction(span, attributes, span.start_time_unix_nano, resource))


def _take_span(found: _Found, span: Any, scope: Any, resource: Mapping[str, Any]) -> None:
    """A span of anybody else, which may be a call, carry feedback, or both."""
    attributes = attributes_of(span.attributes)
    speech = Speech(
        dict(attributes), list(events_of(span)), scope.name, span.start_time_unix_nano, span.end_time_unix_nano
    )
    dialects.translate(speech)
    record = None
    if speech.is_call and codec.is_interaction(speech.attributes):
        dialects.keep_rest(speech, links_of(span))
        made = _interaction(span, speech.attributes, speech.start_ns, resource)
        found.interactions.append(made)
        found.foreign.append((made, span, scope, resource))
    else:
        record = _span(span, attributes, scope, resource)
        found.spans.append(record)
    if dialects.may_carry_feedback(attributes, span.events):
        found.feedback.extend(dialects.feedback_in(record or _span(span, attributes, scope, resource)))


def _take_log(found: _Found, record: Any, scope: Any, resource: Mapping[str, Any]) -> None:
    log = _log(record, scope.name, resource)
    feedback = None if scope.name == semconv.PROBE_SCOPE else dialects.feedback_of(log)
    if feedback is None:
        found.logs.append(log)
    else:
        found.feedback.append(feedback)


def _take_metric(found: _Found, metric: Any, scope: Any, resource: Mapping[str, Any]) -> None:
    found.points.extend(list(points_of(metric, {"scope": scope.name, "resource": resource})))


def _leave_out_doubles(found: _Found) -> None:
    """Of spans of one call, as when a client library traces itself beneath an instrumentation, the fullest counts."""
    fullest: dict[Any, Interaction] = {}
    for made, *_ in found.foreign:
        known = fullest.setdefault((made.operation, made.response_id), made)
        if _fullness(made) > _fullness(known):
            fullest[made.operation, made.response_id] = made
    doubles: set[int] = set()
    for made, span, scope, resource in found.foreign:
        other = fullest[made.operation, made.response_id]
        if made is not other and made.response_id and made.start_ns <= other.end_ns and other.start_ns <= made.end_ns:
            doubles.add(id(made))
            found.spans.append(_span(span, attributes_of(span.attributes), scope, resource))
    if doubles:
        found.interactions[:] = [made for made in found.interactions if id(made) not in doubles]


def _fullness(made: Interaction) -> tuple[bool, int]:
    """What says more comes before what says it for longer."""
    return made.input is not None or made.output is not None, made.end_ns - made.start_ns


def _interaction(span: Any, attributes: dict[str, Any], start_ns: int, resource: Mapping[str, Any]) -> Interaction:
    return dialects.sound(codec.interaction_from_attributes(
        dialects.typed(attributes), trace_id=identifier(span.trace_id, 16, "trace id"),
        span_id=identifier(span.span_id, 8, "span id"),
        parent_span_id=maybe_identifier(span.parent_span_id, 8) or None, start_ns=start_ns,
        end_ns=span.end_time_unix_nano, name=span.name, status=word(STATUSES, span.status.code),
        error_message=span.status.message or None, resource=resource,
    ))  # fmt: skip


def _span(span: Any, attributes: Mapping[str, Any], scope: Any, resource: Mapping[str, Any]) -> SpanRecord:
    return SpanRecord(
        trace_id=identifier(span.trace_id, 16, "trace id"), span_id=identifier(span.span_id, 8, "span id"),
        parent_span_id=maybe_identifier(span.parent_span_id, 8) or None, start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano, name=span.name, scope=scope.name, kind=word(KINDS, span.kind),
        status=word(STATUSES, span.status.code),  # type: ignore[arg-type]
        status_message=span.status.message, attributes=attributes, events=events_of(span), links=links_of(span),
        resource=resource,
    )  # fmt: skip


def _log(record: Any, scope: str, resource: Mapping[str, Any]) -> LogRecord:
    return LogRecord(
        time_ns=record.time_unix_nano, observed_ns=record.observed_time_unix_nano,
        trace_id=_id_if_any(record.trace_id, 16, "trace id"), span_id=_id_if_any(record.span_id, 8, "span id"),
        event_name=record.event_name, severity=record.severity_number, severity_text=record.severity_text,
        body=value_of(record.body), attributes=attributes_of(record.attributes), scope=scope, resource=resource,
    )  # fmt: skip


def _id_if_any(raw: bytes, size: int, name: str) -> str:
    """A log record need not belong to a span; what it belongs to must be told rightly."""
    return identifier(raw, size, name) if any(raw) or len(raw) not in (0, size) else ""
