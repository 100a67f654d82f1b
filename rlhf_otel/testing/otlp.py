"""OTLP messages as plain values: what a span, a log record or a metric looked like when it left the process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rlhf_otel.store.inbox import request_type

Signal = Literal["traces", "logs", "metrics"]
Attributes = Mapping[str, Any]

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")


@dataclass(frozen=True, kw_only=True)
class SpanEvent:
    """A moment within a span; `time_ns` since the epoch."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a span points at besides its parent."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Span:
    """A span as it arrived. Ids are lower-case hex, `parent_span_id` is empty for a root, times are nanoseconds.

    `kind` is internal, server, client, producer or consumer; `status` is unset, ok or error.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Attributes
    resource: Attributes
    scope: str
    scope_version: str
    events: Sequence[SpanEvent] = ()
    links: Sequence[Link] = ()
    flags: int = 0
    trace_state: str = ""


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log record or event as it arrived; the ids are empty where it belongs to no span."""

    event_name: str
    trace_id: str
    span_id: str
    flags: int
    time_ns: int
    observed_time_ns: int
    severity: int
    severity_text: str
    body: Any
    attributes: Attributes
    resource: Attributes
    scope: str
    scope_version: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """One data point: a number in `value`, or a histogram in `count`, `sum`, `bounds` and `bucket_counts`."""

    attributes: Attributes
    time_ns: int
    start_ns: int
    value: float | int | None = None
    count: int | None = None
    sum: float | None = None
    bounds: Sequence[float] = ()
    bucket_counts: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric as it arrived; `kind` is gauge, sum, histogram, exponential_histogram or summary."""

    name: str
    unit: str
    description: str
    kind: str
    points: Sequence[Point]
    resource: Attributes
    scope: str
    scope_version: str


def partial_success(signal: Signal, rejected: int, message: str) -> bytes:
    """The body of an export response that tells of so many rejected items."""
    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

        partial = traces.ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
        return bytes(traces.ExportTraceServiceResponse(partial_success=partial).SerializeToString())
    if signal == "logs":
        from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs

        of_logs = logs.ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=message)
        return bytes(logs.ExportLogsServiceResponse(partial_success=of_logs).SerializeToString())
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics

    of_metrics = metrics.ExportMetricsPartialSuccess(rejected_data_points=rejected, error_message=message)
    return bytes(metrics.ExportMetricsServiceResponse(partial_success=of_metrics).SerializeToString())


def decode(signal: Signal, payload: bytes) -> list[Any]:
    """The spans, logs or metrics of an export request, in the order of the wire.

    Raises:
        google.protobuf.message.DecodeError: `payload` is no such request.
    """
    request = request_type(signal).FromString(payload)
    reader = {"traces": _spans, "logs": _logs, "metrics": _metrics}[signal]
    return list(reader(request))


def _origin(resource: Any, scope: Any) -> dict[str, Any]:
    return {"resource": attributes(resource.attributes), "scope": scope.name, "scope_version": scope.version}


def _spans(request: Any) -> Iterator[Span]:
    for group in request.resource_spans:
        for scoped in group.scope_spans:
            origin = _origin(group.resource, scoped.scope)
            yield from (_span(span, origin) for span in scoped.spans)


def _span(span: Any, origin: Mapping[str, Any]) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=_KINDS[span.kind],
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=_STATUSES[span.status.code],
        status_message=span.status.message,
        attributes=attributes(span.attributes),
        events=[
            SpanEvent(name=event.name, time_ns=event.time_unix_nano, attributes=attributes(event.attributes))
            for event in span.events
        ],
        links=[
            Link(trace_id=link.trace_id.hex(), span_id=link.span_id.hex(), attributes=attributes(link.attributes))
            for link in span.links
        ],
        flags=span.flags,
        trace_state=span.trace_state,
        **origin,
    )


def _logs(request: Any) -> Iterator[Log]:
    for group in request.resource_logs:
        for scoped in group.scope_logs:
            origin = _origin(group.resource, scoped.scope)
            yield from (_log(record, origin) for record in scoped.log_records)


def _log(record: Any, origin: Mapping[str, Any]) -> Log:
    return Log(
        event_name=record.event_name,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        flags=record.flags,
        time_ns=record.time_unix_nano,
        observed_time_ns=record.observed_time_unix_nano,
        severity=record.severity_number,
        severity_text=record.severity_text,
        body=value_of(record.body),
        attributes=attributes(record.attributes),
        **origin,
    )


def _metrics(request: Any) -> Iterator[Metric]:
    for group in request.resource_metrics:
        for scoped in group.scope_metrics:
            origin = _origin(group.resource, scoped.scope)
            yield from (_metric(metric, origin) for metric in scoped.metrics)


def _metric(metric: Any, origin: Mapping[str, Any]) -> Metric:
    kind = metric.WhichOneof("data") or ""
    points = getattr(metric, kind).data_points if kind else ()
    return Metric(
        name=metric.name,
        unit=metric.unit,
        description=metric.description,
        kind=kind,
        points=[_number(point) if kind in ("gauge", "sum") else _distribution(point) for point in points],
        **origin,
    )


def _number(point: Any) -> Point:
    which = point.WhichOneof("value")
    return Point(**_moment(point), value=getattr(point, which) if which else None)


def _distribution(point: Any) -> Point:
    return Point(
        **_moment(point),
        count=point.count,
        sum=point.sum,
        bounds=list(getattr(point, "explicit_bounds", ())),
        bucket_counts=list(getattr(point, "bucket_counts", ())),
    )


def _moment(point: Any) -> dict[str, Any]:
    return {
        "attributes": attributes(point.attributes),
        "time_ns": point.time_unix_nano,
        "start_ns": point.start_time_unix_nano,
    }


def attributes(pairs: Iterable[Any]) -> dict[str, Any]:
    """OTLP key-value pairs as a dictionary of Python values."""
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: Any) -> Any:
    """An OTLP value as str, bool, int, float, bytes, list or dict; None where it is empty."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)
