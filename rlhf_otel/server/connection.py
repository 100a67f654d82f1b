"""One HTTP connection: uvicorn's, with an end to its patience and to its memory.

A client that sends its head or its body a byte at a time, or nothing at all, would otherwise hold a connection for
ever; one that sends a head without an end would fill the memory.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from rlhf_otel.server.answers import BAD_DATA, HEAD_TOO_LARGE, TOO_SLOW, Refusal, refused_over_http

SLOWEST = 4096
"""How many bytes a second of a body must come on average after that."""
LONGEST_HEAD = 65_536


class Connection(HttpToolsProtocol):
    """Hangs up on a client that is too slow, or whose head is too large.

    Args:
        patience_s: how long a client may take for a head, and to begin with a body.
    """

    def __init__(self, *args: Any, patience_s: float, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self._patience_s = patience_s
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there, and should say something."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came, of a head or a body."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                self._hang_up(Refusal(HEAD_TOO_LARGE, f"the head is longer than {LONGEST_HEAD} bytes"))

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._expect()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of its body is there."""
        self._deadline += len(body) / SLOWEST
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._expect_nothing()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._hang_up(Refusal(BAD_DATA, msg))

    def _expect(self) -> None:
        """The timer is moved only when it goes off: to set one for each request would take as long as reading it."""
        self._deadline = self.loop.time() + self._patience_s
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._look)

    def _expect_nothing(self) -> None:
        self._deadline = math.inf

    def _look(self) -> None:
        """The deadline has passed, unless it has been moved, or it is we who do not read."""
        self._timer = None
        if self._deadline == math.inf:
            return
        if self.flow.read_paused:
            self._expect()
        elif self._deadline > self.loop.time():
            self._timer = self.loop.call_at(self._deadline, self._look)
        elif self._in_head or self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self._hang_up(Refusal(TOO_SLOW, "the body came too slowly"))

    def _hang_up(self, refusal: Refusal) -> None:
        """Answers, where nothing has been answered yet, and closes."""
        self._expect_nothing()
        if self.cycle is None or self._in_head or not self.cycle.response_started:
            status, headers, body = refused_over_http(refusal, b"")
            lines = [b"%s: %s\r\n" % header for header in (*headers, (b"connection", b"close"))]
            self.transport.write(b"".join((STATUS_LINE[status], *lines, b"\r\n", body)))
        self.transport.close()
