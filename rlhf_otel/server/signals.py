"""The three signals of OTLP: where each comes in, what it is made of, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

from rlhf_otel.store import otlp, otlp_json


@dataclass(frozen=True, slots=True)
class Signal:
    """One of traces, logs and metrics.

    Attributes:
        path: where its requests come in over HTTP.
        service: where they come in over gRPC.
        request: the message of a request.
        response: the message that answers it.
        rejected: the field of the answer's partial success that counts what was not kept.
        decode: makes records of a request.
        from_json: makes a request of parsed JSON.
    """

    path: str
    service: str
    request: Any
    response: Any
    rejected: str
    decode: Callable[[Any], otlp.Decoded]
    from_json: Callable[[Any], Any]


_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"

SIGNALS = (
    Signal("/v1/traces", _SERVICE.format("trace", "Trace"), traces.ExportTraceServiceRequest,
           traces.ExportTraceServiceResponse, "rejected_spans", otlp.decode_traces, otlp_json.traces_from_json),
    Signal("/v1/logs", _SERVICE.format("logs", "Logs"), logs.ExportLogsServiceRequest,
           logs.ExportLogsServiceResponse, "rejected_log_records", otlp.decode_logs, otlp_json.logs_from_json),
    Signal("/v1/metrics", _SERVICE.format("metrics", "Metrics"), metrics.ExportMetricsServiceRequest,
           metrics.ExportMetricsServiceResponse, "rejected_data_points", otlp.decode_metrics,
           otlp_json.metrics_from_json),
)  # fmt: skip
