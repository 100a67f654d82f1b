"""The three signals of OTLP: where each comes in, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from rlhf_otel.store import otlp_json
from rlhf_otel.store.inbox import SignalName, request_type


@dataclass(frozen=True, slots=True)
class Signal:
    """One of traces, logs and metrics.

    Attributes:
        name: which.
        service: where its requests come in over gRPC.
        request: the message of a request.
        response: the message that answers it.
        rejected: the field of the answer's partial success that counts what was not kept.
        from_json: makes a request of parsed JSON.
    """

    name: SignalName
    service: str
    request: Any
    response: Any
    rejected: str
    from_json: Callable[[Any], Any]

    @property
    def path(self) -> str:
        """Where its requests come in over HTTP."""
        return f"/v1/{self.name}"


_SERVICE = "opentelemetry.proto.collector.{0}.v1.{1}Service"

SIGNALS = (
    Signal("traces", _SERVICE.format("trace", "Trace"), request_type("traces"), ExportTraceServiceResponse,
           "rejected_spans", otlp_json.traces_from_json),
    Signal("logs", _SERVICE.format("logs", "Logs"), request_type("logs"), ExportLogsServiceResponse,
           "rejected_log_records", otlp_json.logs_from_json),
    Signal("metrics", _SERVICE.format("metrics", "Metrics"), request_type("metrics"), ExportMetricsServiceResponse,
           "rejected_data_points", otlp_json.metrics_from_json),
)  # fmt: skip
