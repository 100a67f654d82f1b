"""Requests as emitters make them, and as they should not."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Mapping
from typing import Any, Literal

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Signal = Literal["traces", "logs", "metrics"]
SIGNALS: tuple[Signal, ...] = ("traces", "logs", "metrics")
REQUESTS: Mapping[Signal, Any] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
_IDS = ("traceId", "spanId", "parentSpanId")


def pair(key: str, value: Any) -> KeyValue:
    """An attribute of a text or a number."""
    if isinstance(value, bool):
        return KeyValue(key=key, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=key, value=AnyValue(int_value=value))
    if isinstance(value, AnyValue):
        return KeyValue(key=key, value=value)
    return KeyValue(key=key, value=AnyValue(string_value=value))


def span(span_id: bytes | None = None, trace_id: bytes | None = None, **attributes: Any) -> Span:
    """A call to a model."""
    now = time.time_ns()
    given = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m"}
    return Span(
        trace_id=os.urandom(16) if trace_id is None else trace_id,
        span_id=os.urandom(8) if span_id is None else span_id,
        name="chat m",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=now - 10**9,
        end_time_unix_nano=now,
        attributes=[pair(key.replace("__", "."), value) for key, value in {**given, **attributes}.items()],
    )


def traces(*spans: Span) -> ExportTraceServiceRequest:
    """A request with these spans."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(pair("service.name", "conformance"))
    resource.scope_spans.add(spans=spans).scope.name = "conformance"
    return request


def logs(count: int = 1, trace_id: bytes = b"\x01" * 16, span_id: bytes = b"\x02" * 8) -> ExportLogsServiceRequest:
    """A request with feedback events on one span."""
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for _ in range(count):
        record = scope.log_records.add(
            time_unix_nano=time.time_ns(),
            trace_id=trace_id,
            span_id=span_id,
            event_name="gen_ai.evaluation.result",
        )
        record.attributes.extend(
            [pair("gen_ai.evaluation.name", "user_feedback"), pair("rlhf.feedback.id", os.urandom(8).hex())]
        )
    return request


def metrics(count: int = 1) -> ExportMetricsServiceRequest:
    """A request with points of a sum."""
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="rlhf.feedback.count", unit="1")
    metric.sum.is_monotonic = True
    metric.sum.aggregation_temporality = 2
    for _ in range(count):
        metric.sum.data_points.add(time_unix_nano=time.time_ns(), as_int=1)
    return request


def full(signal: Signal) -> Any:
    """A usual request of a signal."""
    return {"traces": lambda: traces(span(), span()), "logs": logs, "metrics": metrics}[signal]()


def as_json(request: Any) -> bytes:
    """`request` as OTLP/JSON: protobuf's, but ids in hexadecimal and enums as numbers."""
    return json.dumps(_with_hex_ids(MessageToDict(request, use_integers_for_enums=True))).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in _IDS and isinstance(item, str) else _with_hex_ids(item)
            for key, item in value.items()
        }
    return value
