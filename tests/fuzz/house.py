"""All of `rlhf-otel serve` behind its HTTP, in this process: hundreds of requests a second, and every fault is seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rlhf_otel.config import load
from rlhf_otel.redact import redactor_for
from rlhf_otel.server.access.keyring import Keyring
from rlhf_otel.server.cleaning import cleaner
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.room import Room
from rlhf_otel.server.run import Options, Stores, assembled
from rlhf_otel.server.tidying import Retention
from rlhf_otel.server.writer import Writer
from rlhf_otel.store import Store

TOKEN = "the token of the server's owner"
OWNER = {"authorization": f"Bearer {TOKEN}".encode()}


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class House:
    """The server without its sockets. Close it in the end.

    Args:
        path: its store.
    """

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.new_event_loop()
        redactor = redactor_for(load({}))
        options = Options(
            host="127.0.0.1", port=0, grpc_port=None, token=TOKEN, session_s=60, most_asked=10**9, max_bytes=1 << 20,
            waiting_bytes=1 << 24, inbox_bytes=1 << 24, patience_s=1, redactor=redactor, feedback_per_token=0,
            feedback_per_address=0, retention=Retention(),
        )  # fmt: skip
        self.store = Store.open(path)
        receiver = Receiver(Writer(self.store, 1 << 24), 1 << 20, Room(1 << 24), cleaner(redactor))  # type: ignore[arg-type]
        self._receiver = receiver
        self._reading = Store.open(path)
        stores = Stores(self.store, self._reading, Keyring(self.store, TOKEN))
        self.application, _ = assembled(receiver, stores, options, 4318)
        self.faults = Faults()
        logging.getLogger("rlhf_otel").addHandler(self.faults)

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, bytes] | None = None, query: bytes = b""
    ) -> Reply:
        """One request."""
        named = {"host": b"127.0.0.1", **(headers or {})}
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode("utf-8", "replace"),
            "query_string": query, "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 4318),
            "headers": [(name.encode(), value) for name, value in named.items()], "http_version": "1.1",
            "root_path": "",
        }  # fmt: skip
        return self.loop.run_until_complete(self._asked(scope, body))

    async def _asked(self, scope: dict[str, Any], body: bytes) -> Reply:
        told: list[Any] = []
        pieces = iter([body])

        async def receive() -> Any:
            for piece in pieces:
                return {"type": "http.request", "body": piece, "more_body": False}
            return await asyncio.get_running_loop().create_future()  # the client stays

        async def send(message: Any) -> None:
            told.append(message)

        await asyncio.wait_for(self.application(scope, receive, send), 60)
        body = b"".join(message.get("body", b"") for message in told[1:])
        return Reply(told[0]["status"], dict(told[0]["headers"]), body)

    def close(self) -> None:
        """Writes what waits, and closes."""
        logging.getLogger("rlhf_otel").removeHandler(self.faults)
        self._receiver.close()
        self._reading.close()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class Faults(logging.Handler):
    """Keeps what the server logs as its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self.said.append(record.getMessage())
