"""An OTLP receiver on loopback that keeps what arrives, and fails when it is told to."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from rlhf_otel.testing.loopback import Exchange, LoopbackServer
from rlhf_otel.testing.otlp import Log, Metric, Signal, Span, decode, partial_success

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

Transport = Literal["http/protobuf", "grpc"]

_SIGNALS: Mapping[str, Signal] = {"/v1/traces": "traces", "/v1/logs": "logs", "/v1/metrics": "metrics"}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One export request, whether it was taken or not.

    Attributes:
        signal: traces, logs or metrics.
        protocol: http/protobuf or grpc.
        size: bytes of the body as it came; over gRPC, of the message after decompression.
        headers: the HTTP headers or the gRPC metadata, with lower-case names.
        time: when it arrived, in seconds since the epoch.
        status: the HTTP status that answered it; over gRPC, the one that stands for its status code.
        items: the spans, logs or metrics in it; empty where it was refused.
    """

    signal: Signal
    protocol: Transport
    size: int
    headers: Mapping[str, str]
    time: float
    status: int
    items: Sequence[Any] = ()


@dataclass
class _Failure:
    status: int
    times: float
    retry_after: float | None
    signal: Signal | None
    rejected: int = 0
    message: str = ""


class Answer(NamedTuple):
    """What one request is answered with: HTTP status, the seconds to wait for a retry, and the body of a success."""

    status: int
    retry_after: float | None = None
    body: bytes = b""


class FakeCollector:
    """A telemetry backend that serves OTLP from the moment it is made until it is closed.

    Args:
        grpc: whether OTLP over gRPC is served too, beside HTTP.
        port: the port for HTTP, 0 for a free one.
        grpc_port: the port for gRPC, 0 for a free one.
        max_bytes: a larger request is refused with 413, over gRPC with RESOURCE_EXHAUSTED; None takes any.

    Raises:
        OSError: the HTTP port is taken.
        RuntimeError: the gRPC port is taken.
    """

    def __init__(self, *, grpc: bool = False, port: int = 0, grpc_port: int = 0, max_bytes: int | None = None) -> None:
        self.max_bytes = max_bytes
        self._with_grpc = grpc
        self._port, self._grpc_port = port, grpc_port
        self._batches: list[Batch] = []
        self._failures: list[_Failure] = []
        self._hang_s = 0.0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._http: LoopbackServer | None = None
        self._grpc: Any = None
        self.up()

    @property
    def http_url(self) -> str:
        """The endpoint for OTLP over HTTP, without the path of a signal."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def grpc_url(self) -> str:
        """The endpoint for OTLP over gRPC.

        Raises:
            RuntimeError: the collector was made without `grpc=True`.
        """
        if not self._with_grpc:
            raise RuntimeError("this collector speaks no gRPC; make it with FakeCollector(grpc=True)")
        return f"http://127.0.0.1:{self._grpc_port}"

    def environment(self, protocol: Transport = "http/protobuf") -> dict[str, str]:
        """The `OTEL_*` variables that point an application at this collector."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.grpc_url if protocol == "grpc" else self.http_url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }

    @property
    def batches(self) -> list[Batch]:
        """Every export request so far, refused ones included, oldest first."""
        with self._changed:
            return list(self._batches)

    @property
    def spans(self) -> list[Span]:
        """The spans that were taken, in the order of arrival; one that was sent twice is here twice."""
        return cast("list[Span]", self._items("traces"))

    @property
    def logs(self) -> list[Log]:
        """The log records and events that were taken, in the order of arrival."""
        return cast("list[Log]", self._items("logs"))

    @property
    def metrics(self) -> list[Metric]:
        """The metrics that were taken, in the order of arrival."""
        return cast("list[Metric]", self._items("metrics"))

    def wait_for(
        self, *, spans: int = 0, logs: int = 0, metrics: int = 0, batches: int = 0, timeout: float = 10.0
    ) -> None:
        """Waits until at least as many have arrived; batches count whether they were taken or refused.

        Raises:
            TimeoutError: fewer came within `timeout` seconds; the message says how many.
        """
        wanted = {"traces": spans, "logs": logs, "metrics": metrics}

        def arrived() -> bool:
            enough = all(len(self._items(cast("Signal", signal))) >= count for signal, count in wanted.items())
            return enough and len(self._batches) >= batches

        with self._changed:
            if not self._changed.wait_for(arrived, timeout):
                counts = {signal: len(self._items(cast("Signal", signal))) for signal in wanted}
                raise TimeoutError(f"within {timeout} s came {counts} in {len(self._batches)} batches")

    def fail(
        self,
        status: int = 503,
        times: int | None = None,
        *,
        retry_after: float | None = None,
        signal: Signal | None = None,
    ) -> None:
        """Refuses the next requests; several calls queue up.

        Args:
            status: an HTTP status; over gRPC the code that stands for it, such as UNAVAILABLE for 503.
            times: how many requests; None for all, until `recover`.
            retry_after: seconds, told in `Retry-After`, or in `RetryInfo` over gRPC.
            signal: traces, logs or metrics; None for all.
        """
        with self._changed:
            self._failures.append(_Failure(status, float("inf") if times is None else times, retry_after, signal))

    def reject(self, rejected: int, message: str = "", times: int | None = 1, *, signal: Signal | None = None) -> None:
        """Takes the next requests with a partial success: so many items in each are said to be rejected.

        All of them are kept here all the same, so that a test sees what came. With 0 the message is a warning.
        """
        with self._changed:
            count = float("inf") if times is None else times
            self._failures.append(_Failure(200, count, None, signal, rejected, message))

    def hang(self, seconds: float) -> None:
        """Waits this long before every later answer; 0 ends it for requests to come."""
        self._hang_s = seconds

    def recover(self) -> None:
        """Ends `fail`, `reject` and `hang`."""
        with self._changed:
            self._failures.clear()
            self._hang_s = 0.0

    def clear(self) -> None:
        """Forgets what has arrived."""
        with self._changed:
            self._batches.clear()

    def down(self) -> None:
        """Closes the listening sockets and every connection, as a backend that is gone."""
        self._stopping.set()
        if self._http is not None:
            self._http.stop()
            self._http = None
        if self._grpc is not None:
            self._grpc.stop(None).wait(5)
            self._grpc = None

    def up(self) -> None:
        """Listens again, on the same ports as before."""
        self._stopping.clear()
        if self._http is None:
            self._http = LoopbackServer(self._answer, self._port)
            self._port = self._http.port
            self._http.start()
        if self._with_grpc and self._grpc is None:
            from rlhf_otel.testing.collector_grpc import serve

            self._grpc, self._grpc_port = serve(self.take, self._grpc_port)

    def close(self) -> None:
        """The same as `down`, for good."""
        self.down()

    def __enter__(self) -> FakeCollector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def take(
        self, signal: Signal, protocol: Transport, payload: bytes, headers: Mapping[str, str], size: int
    ) -> Answer:
        """Keeps or refuses one export request; returns what it is answered with.

        Called by the servers; a test calls it only to leave out the network.

        Raises:
            ConnectionAbortedError: the collector was taken down while the request hung.
            google.protobuf.message.DecodeError: the payload is not OTLP.
        """
        arrived = time.time()
        if self._stopping.wait(self._hang_s):
            raise ConnectionAbortedError("the collector went down before it took the request")
        with self._changed:
            too_large = self.max_bytes is not None and size > self.max_bytes
            failure = _Failure(413, 1, None, signal) if too_large else self._next_failure(signal)
            status = failure.status if failure else 200
            items = decode(signal, payload) if status == 200 else []
            self._batches.append(
                Batch(
                    signal=signal,
                    protocol=protocol,
                    size=size,
                    headers=headers,
                    time=arrived,
                    status=status,
                    items=items,
                )
            )
            self._changed.notify_all()
        if failure is None:
            return Answer(status)
        body = partial_success(signal, failure.rejected, failure.message) if status == 200 else b""
        return Answer(status, failure.retry_after, body)

    def _next_failure(self, signal: Signal) -> _Failure | None:
        for failure in self._failures:
            if failure.times > 0 and failure.signal in (None, signal):
                failure.times -= 1
                return failure
        return None

    def _items(self, signal: Signal) -> list[Any]:
        with self._changed:
            return [item for batch in self._batches if batch.signal == signal for item in batch.items]

    def _answer(self, exchange: Exchange) -> None:
        signal = _SIGNALS.get(exchange.path)
        if signal is None or exchange.method != "POST":
            exchange.respond(404, {}, b"")
        elif "protobuf" not in exchange.headers.get("content-type", ""):
            exchange.respond(415, {}, b"")
        else:
            self._answer_export(exchange, signal)

    def _answer_export(self, exchange: Exchange, signal: Signal) -> None:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

        zipped = exchange.headers.get("content-encoding") == "gzip"
        headers = {"content-type": "application/x-protobuf"}
        try:
            payload = gzip.decompress(exchange.body) if zipped else exchange.body
            answer = self.take(signal, "http/protobuf", payload, exchange.headers, len(exchange.body))
        except (DecodeError, gzip.BadGzipFile, EOFError):
            answer = Answer(400)
        if answer.retry_after is not None:
            headers["retry-after"] = f"{answer.retry_after:g}"
        exchange.respond(answer.status, headers, answer.body)
