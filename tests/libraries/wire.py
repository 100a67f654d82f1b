"""A server that sends what a case has written down, byte for byte, and keeps what it was asked."""

from __future__ import annotations

import json
import struct
import zlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlhf_otel.testing.loopback import Exchange, LoopbackServer


@dataclass(frozen=True)
class Body:
    """A whole answer of JSON."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Events:
    """Server-sent events: JSON values, each named by its `type` where `named`; `last` is sent at the end as it is."""

    values: Sequence[Any]
    named: bool = False
    last: str = ""

    kind = "text/event-stream"

    def pieces(self) -> list[bytes]:
        made = [f"data: {json.dumps(value)}\n\n" for value in self.values]
        if self.named:
            made = [f"event: {v['type']}\n{piece}" for v, piece in zip(self.values, made, strict=True)]
        return [piece.encode() for piece in [*made, self.last]]


@dataclass(frozen=True)
class Lines:
    """One JSON value a line."""

    values: Sequence[Any]
    kind: str = "application/x-ndjson"

    def pieces(self) -> list[bytes]:
        return [json.dumps(value).encode() + b"\n" for value in self.values]


@dataclass(frozen=True)
class Framed:
    """Messages of Amazon's binary event stream: headers and a JSON value each."""

    messages: Sequence[tuple[Mapping[str, str], Any]]
    headers: Mapping[str, str] = field(default_factory=dict)

    kind = "application/vnd.amazon.eventstream"

    def pieces(self) -> list[bytes]:
        return [
            _framed({":message-type": "event", **told}, json.dumps(value).encode()) for told, value in self.messages
        ]


def _framed(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: lengths and their check sum, headers that are all text (type 7), the payload, a check sum of all."""
    told = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", 7, len(value)) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", len(told) + len(payload) + 16, len(told))
    message = lengths + struct.pack("!I", zlib.crc32(lengths)) + told + payload
    return message + struct.pack("!I", zlib.crc32(message))


Answer = Body | Events | Lines | Framed


class Wire:
    """Answers requests with what it is told to, in that order."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self._answers: deque[Answer] = deque()
        self._server = LoopbackServer(self._answer, 0, "127.0.0.1")
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.port}"

    def tell(self, *answers: Answer) -> None:
        """Sets the next answers, and forgets what there was."""
        self._answers = deque(answers)
        self.requests = []

    def close(self) -> None:
        self._server.stop()

    def _answer(self, exchange: Exchange) -> None:
        self.requests.append((exchange.method, exchange.path, exchange.body))
        answer = self._answers.popleft() if self._answers else Body({"error": "nothing is scripted"}, 404)
        if isinstance(answer, Body):
            headers = {"content-type": "application/json", **answer.headers}
            exchange.respond(answer.status, headers, json.dumps(answer.value).encode())
            return
        exchange.start(200, {"content-type": answer.kind, **getattr(answer, "headers", {})})
        for piece in answer.pieces():
            exchange.write(piece)
        exchange.finish()
