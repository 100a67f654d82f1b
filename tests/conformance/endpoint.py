"""The three ways to speak OTLP, behind one face, so that one suite asks the same of each.

A target may be any OTLP receiver: ours, or the OpenTelemetry Collector. See `conftest.py` for how to name it.
"""

from __future__ import annotations

import gzip
import http.client
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import grpc
import zstandard
from google.protobuf.json_format import Parse
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.conformance.messages import Signal, as_json

Compression = Literal["identity", "gzip", "deflate", "zstd"]
COMPRESS: Mapping[Compression, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}
RESPONSES: Mapping[Signal, Any] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}
SERVICES: Mapping[Signal, str] = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
REJECTED: Mapping[Signal, str] = {
    "traces": "rejected_spans",
    "logs": "rejected_log_records",
    "metrics": "rejected_data_points",
}
RETRYABLE_STATUSES = (429, 502, 503, 504)
RETRYABLE_CODES = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")


@dataclass(frozen=True)
class Target:
    """A receiver under test.

    Attributes:
        http: its base URL.
        grpc: host and port for gRPC.
        max_bytes: its limit for a body.
        stored: which of these span ids, in hexadecimal, it has stored, once for each time; None where nobody can tell.
    """

    http: str
    grpc: str
    max_bytes: int
    stored: Callable[[set[str]], list[str]] | None = None


@dataclass(frozen=True)
class Reply:
    """An answer, whichever way it came.

    Attributes:
        ok: whether it is a success.
        may_retry: whether OTLP lets the client send again.
        code: over gRPC the name of the code, over HTTP the status as a string.
        rejected: how many items were rejected.
        message: the error message, of a success or a refusal.
        is_partial: whether `partial_success` is set.
        retry_after_s: when to come again, where told.
        size: bytes of the answer.
        status: the `google.rpc.Status` of a refusal.
        headers: of HTTP.
    """

    ok: bool
    may_retry: bool
    code: str
    rejected: int = 0
    message: str = ""
    is_partial: bool = False
    retry_after_s: float | None = None
    size: int = 0
    status: Status | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint(ABC):
    """One way to speak to a target."""

    name = ""
    bad_data: tuple[str, ...] = ()
    too_large: tuple[str, ...] = ()

    def __init__(self, target: Target) -> None:
        self.target = target

    @abstractmethod
    def encode(self, request: Any) -> bytes:
        """The body for a request."""

    @abstractmethod
    def send(self, signal: Signal, body: bytes, compression: Compression = "identity") -> Reply:
        """Sends a body, which is compressed on the way."""

    def export(self, signal: Signal, request: Any, compression: Compression = "identity") -> Reply:
        """Sends a request."""
        return self.send(signal, self.encode(request), compression)


class _Http(Endpoint):
    content_type = ""
    bad_data = ("400",)
    too_large = ("413",)

    def send(self, signal: Signal, body: bytes, compression: Compression = "identity") -> Reply:
        headers = {"content-type": self.content_type}
        if compression != "identity":
            headers["content-encoding"] = compression
        return self.request("POST", f"/v1/{signal}", COMPRESS[compression](body), headers, signal)

    def request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], signal: Signal = "traces"
    ) -> Reply:
        """Any request."""
        connection = http.client.HTTPConnection(self.target.http.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return self._reply(
                signal, response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def _reply(self, signal: Signal, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        kind = headers.get("content-type", "")
        shared = {"code": str(status), "headers": headers, "size": len(body), "may_retry": status in RETRYABLE_STATUSES}
        if status == 200:
            partial = _parsed(RESPONSES[signal], kind, body)
            return Reply(ok=True, **shared, **_partial(signal, partial))
        told = _parsed(Status, kind, body)
        retry_after = headers.get("retry-after")
        seconds = None if retry_after is None else float(retry_after)
        return Reply(ok=False, **shared, message=told.message, status=told, retry_after_s=seconds)


def _parsed(message: Any, content_type: str, body: bytes) -> Any:
    """The message in a body, by its content type."""
    if content_type.startswith("application/x-protobuf"):
        return message.FromString(body)
    if content_type.startswith("application/json"):
        return Parse(body, message())
    return Status(code=2, message=f"[{content_type}] {body[:200].decode('latin-1')}")


def _partial(signal: Signal, response: Any) -> dict[str, Any]:
    partial = response.partial_success
    return {
        "is_partial": response.HasField("partial_success"),
        "rejected": getattr(partial, REJECTED[signal]),
        "message": partial.error_message,
    }


class HttpProtobuf(_Http):
    """OTLP/HTTP with protobuf."""

    name = "http-protobuf"
    content_type = "application/x-protobuf"

    def encode(self, request: Any) -> bytes:
        return request.SerializeToString()


class HttpJson(_Http):
    """OTLP/HTTP with JSON."""

    name = "http-json"
    content_type = "application/json"

    def encode(self, request: Any) -> bytes:
        return as_json(request)


class Grpc(Endpoint):
    """OTLP/gRPC."""

    name = "grpc"
    bad_data = ("INVALID_ARGUMENT",)
    too_large = ("RESOURCE_EXHAUSTED",)
    _compressions: Mapping[str, grpc.Compression] = {
        "identity": grpc.Compression.NoCompression,
        "gzip": grpc.Compression.Gzip,
        "deflate": grpc.Compression.Deflate,
    }

    def encode(self, request: Any) -> bytes:
        return request.SerializeToString()

    def send(self, signal: Signal, body: bytes, compression: Compression = "identity") -> Reply:
        options = [("grpc.max_send_message_length", -1)]
        with grpc.insecure_channel(self.target.grpc, options=options) as channel:
            call = channel.unary_unary(f"/{SERVICES[signal]}/Export")
            try:
                answer = call(body, timeout=30, compression=self._compressions[compression])
            except grpc.RpcError as error:
                return _refused(error)
        response = RESPONSES[signal].FromString(answer)
        return Reply(ok=True, may_retry=False, code="OK", size=len(answer), **_partial(signal, response))


def _refused(error: Any) -> Reply:
    trailers = dict(error.trailing_metadata() or ())
    details = trailers.get("grpc-status-details-bin")
    status = None if details is None else Status.FromString(details)
    retry = RetryInfo()
    has_retry = status is not None and any(detail.Unpack(retry) for detail in status.details)
    name = error.code().name
    return Reply(
        ok=False,
        may_retry=name in RETRYABLE_CODES or (name == "RESOURCE_EXHAUSTED" and has_retry),
        code=name,
        message=error.details() or "",
        status=status,
        retry_after_s=retry.retry_delay.ToMilliseconds() / 1000 if has_retry else None,
    )


ENDPOINTS: Mapping[str, type[Endpoint]] = {each.name: each for each in (HttpProtobuf, HttpJson, Grpc)}
