"""OTLP over gRPC for the fake collector, with generic handlers: no generated service code is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import grpc  # type: ignore[import-untyped, unused-ignore]

from rlhf_otel.testing.otlp import Signal

Take = Callable[[Signal, Literal["grpc"], bytes, Mapping[str, str], int], tuple[int, float | None, bytes]]

_SERVICES: Mapping[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
}
_CODES: Mapping[int, grpc.StatusCode] = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.UNIMPLEMENTED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def serve(take: Take, port: int = 0) -> tuple[grpc.Server, int]:
    """Starts a server on loopback and returns it with its port.

    Raises:
        RuntimeError: the port is taken.
    """
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="fake-collector"), options=options)
    for service, signal in _SERVICES.items():
        export = grpc.unary_unary_rpc_method_handler(_exporter(take, signal))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": export})])
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    if not bound:
        raise RuntimeError(f"port {port} is taken")
    server.start()
    return server, bound


def _exporter(take: Take, signal: Signal) -> Callable[[bytes, grpc.ServicerContext], bytes]:
    def export(payload: bytes, context: grpc.ServicerContext) -> bytes:
        metadata = {key.lower(): _text(value) for key, value in context.invocation_metadata()}
        status, retry_after, body = take(signal, "grpc", payload, metadata, len(payload))
        if status != 200:
            if retry_after is not None:
                context.set_trailing_metadata([("google.rpc.retryinfo-bin", _retry_info(retry_after))])
            told = f"Received message larger than max: {len(payload)}" if status == 413 else f"told to fail: {status}"
            context.abort(_CODES.get(status, grpc.StatusCode.UNKNOWN), told)
        return body

    return export


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _retry_info(seconds: float) -> bytes:
    from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped, unused-ignore]
    from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped, unused-ignore]

    delay = Duration()
    delay.FromNanoseconds(round(seconds * 1e9))
    encoded: bytes = RetryInfo(retry_delay=delay).SerializeToString()
    return encoded
