"""The server's end of a WebSocket: as much of RFC 6455 as a client of a model needs."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlhf_otel.testing.loopback import Exchange

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0, 1, 8, 9, 10


def is_wanted(exchange: Exchange) -> bool:
    """Whether the client asks to go on over a WebSocket."""
    return exchange.headers.get("upgrade", "").lower() == "websocket"


class Socket:
    """An exchange that goes on as a WebSocket."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        key = exchange.headers["sec-websocket-key"].encode()
        accepted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        headers = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-accept": accepted}
        exchange.start_other(101, headers)

    def receive(self) -> bytes | None:
        """The next message; None once the client has closed. Pings are answered."""
        message = b""
        while True:
            first, kind, data = self._frame()
            if kind == _CLOSE:
                self._send(_CLOSE, data)
                return None
            if kind == _PING:
                self._send(_PONG, data)
            elif kind in (_TEXT, _CONTINUATION):
                message += data
                if first & 0x80:
                    return message

    def send(self, message: bytes) -> None:
        """Sends a message of text."""
        self._send(_TEXT, message)

    def _frame(self) -> tuple[int, int, bytes]:
        first, second = self._exchange.read(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(self._exchange.read(2 if length == 126 else 8), "big")
        mask = self._exchange.read(4)
        masked = self._exchange.read(length)
        return first, first & 0x0F, bytes(byte ^ mask[place % 4] for place, byte in enumerate(masked))

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = bytes([0x80 | kind, size])
        elif size < 1 << 16:
            head = bytes([0x80 | kind, 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([0x80 | kind, 127]) + size.to_bytes(8, "big")
        self._exchange.send(head + data)
