"""The clients of `receiver.py`: sends as fast as it is answered, and prints what was acknowledged. One process.

    python receiver_load.py http URL SPANS CLIENTS SECONDS [HEADERS]
    python receiver_load.py grpc HOST:PORT SPANS CLIENTS SECONDS

Every span is new, its prompt and answer too: the places where a body differs from the last one are written over.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

PROMPT, ANSWER = 2048, 512
_MARK, _SPAN = b"0123456789abcdef", b"\xff\xfeSPAN\xfe\xff"


class Body:
    """An export request of so many spans, as our own exporter makes them.

    Args:
        spans: how many.
    """

    def __init__(self, spans: int) -> None:
        self._bytes = bytearray(encoded(spans))
        found = re.finditer(_MARK + b"|" + _SPAN, bytes(self._bytes))
        self._places = [each.span() for each in found]

    def fresh(self) -> bytes:
        """The next request: ids and texts that nobody has seen."""
        marks = os.urandom(8 * len(self._places)).hex().encode()
        for at, (start, end) in enumerate(self._places):
            self._bytes[start:end] = marks[16 * at : 16 * at + end - start]
        return bytes(self._bytes)


def encoded(spans: int) -> bytes:
    """A request in which everything that must be new has the mark in it."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = resource.scope_spans.add()
    scope.scope.name = "rlhf_otel"
    for _ in range(spans):
        _fill(scope.spans.add())
    encoded: bytes = request.SerializeToString()
    return encoded


def _fill(span) -> None:
    now = time.time_ns()
    span.trace_id, span.span_id, span.name, span.kind = _MARK, _SPAN, "chat gpt-5-mini", 3
    span.start_time_unix_nano, span.end_time_unix_nano = now - 10**9, now
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5-mini",
        "gen_ai.response.model": "gpt-5-mini-2025-08-07",
        "gen_ai.response.id": f"chatcmpl-{_MARK.decode()}",
        "session.id": f"conv-{_MARK.decode()}",
        "server.address": "api.openai.com",
        "gen_ai.input.messages": message("user", PROMPT),
        "gen_ai.output.messages": message("assistant", ANSWER, finish_reason="stop"),
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key, number in {"gen_ai.usage.input_tokens": 512, "gen_ai.usage.output_tokens": 128}.items():
        span.attributes.add(key=key).value.int_value = number
    span.attributes.add(key="rlhf.response.time_to_first_token").value.double_value = 0.42


def message(role: str, length: int, **more: str) -> str:
    """A message of prose, as JSON."""
    words = random.Random(7).choices(_WORDS, k=length // 4)
    content = f"{_MARK.decode()} {' '.join(words)}"[:length]
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": content}], **more}], separators=(",", ":"))


def _vocabulary() -> list[str]:
    """Words of two to ten letters."""
    chance = random.Random(11)
    return ["".join(chance.choices("aaabcdeeeefghiiklmnnooprrssttuvw", k=2 + number % 9)) for number in range(3000)]


_WORDS = _vocabulary()


class HttpSender:
    """Sends one request after the other on a connection; False where one was not taken, and is to come again later.

    A connection that idled until the server closed it, because other clients had to wait long for their first answer,
    is opened again.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._place = urlsplit(url)
        self._head = (
            f"POST {self._place.path or '/v1/traces'} HTTP/1.1\r\nHost: {self._place.netloc}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            + "Content-Type: application/x-protobuf\r\nContent-Length: "
        ).encode()
        self._connect()

    def _connect(self) -> None:
        self._connection = socket.create_connection((self._place.hostname, self._place.port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._connection.makefile("rb")

    def __call__(self, body: bytes) -> bool:
        """Sends one and waits for its answer."""
        request = b"".join((self._head, str(len(body)).encode(), b"\r\n\r\n", body))
        try:
            self._connection.sendall(request)
            line = self._answers.readline()
        except ConnectionError:
            line = b""
        if not line:
            self._connect()
            self._connection.sendall(request)
            line = self._answers.readline()
        return self._is_taken(line.split()[1])

    def _is_taken(self, status: bytes) -> bool:
        length = 0
        while (line := self._answers.readline().lower()) not in (b"\r\n", b""):
            length = int(line.split()[1]) if line.startswith(b"content-length") else length
        self._answers.read(length)
        if status not in (b"200", b"429", b"503"):
            raise RuntimeError(f"answered {status.decode()}")
        return status == b"200"


def grpc_sender(target: str, _headers: Mapping[str, str]) -> Callable[[bytes], bool]:
    """The same over gRPC."""
    import grpc

    channel = grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
    call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")

    def send(body: bytes) -> bool:
        try:
            call(body, wait_for_ready=True)
        except grpc.RpcError as refused:
            if refused.code().name not in ("UNAVAILABLE", "RESOURCE_EXHAUSTED"):
                raise
            return False
        return True

    return send


def main() -> None:
    """Sends until the time is over."""
    protocol, where, spans, clients, seconds, *headers = sys.argv[1:]
    named = json.loads(headers[0]) if headers else {}
    sender = HttpSender if protocol == "http" else grpc_sender
    waits: list[float] = []
    late: list[tuple[float, float]] = []  # when what was under way at the end was taken, and how long that took
    ready = threading.Barrier(int(clients) + 1)
    end = 0.0

    def work() -> None:
        send, body = sender(where, named), Body(int(spans))
        send(body.fresh())
        ready.wait()
        ready.wait()
        while True:
            request, began = body.fresh(), time.perf_counter()
            is_taken = send(request)
            now = time.perf_counter()
            if now > end:
                if is_taken:
                    late.append((now, now - began))
                return
            if is_taken:
                waits.append(now - began)
            else:
                time.sleep(0.05)

    threads = [threading.Thread(target=work) for _ in range(int(clients))]
    for thread in threads:
        thread.start()
    ready.wait()
    end = time.perf_counter() + float(seconds)
    ready.wait()
    for thread in threads:
        thread.join()
    if (
        not waits and late
    ):  # a request takes longer than the whole time: then those that were under way are what there is
        seconds = max(now for now, _ in late) - end + float(seconds)
        waits = [wait for _, wait in late]
    waits.sort()
    p50, p99 = (waits[len(waits) * share // 100] * 1e3 if waits else float("nan") for share in (50, 99))
    print(json.dumps({"requests": len(waits), "seconds": float(seconds), "p50_ms": p50, "p99_ms": p99}))


if __name__ == "__main__":
    main()
