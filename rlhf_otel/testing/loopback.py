"""A small threaded HTTP/1.1 server on loopback that hands every request to one function.

It exists, and `http.server` is not used, because a fake must be able to misbehave: close a socket in the middle of a
body, stop listening and come back on the same port, wait and be interrupted.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from io import BufferedIOBase

Answer = Callable[["Exchange"], None]


class Cut(ConnectionError):  # noqa: N818 - what happened to the connection, not an error of the server
    """Raised to leave the handling of a connection that was closed on purpose."""


class Exchange:
    """One request with the means to answer it.

    Attributes:
        method: GET, POST, ...
        path: without the query.
        query: the query parameters.
        headers: with lower-case names.
        body: as it came.
    """

    def __init__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, connection: Connection
    ) -> None:
        parts = urlsplit(target)
        self.method = method
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers
        self.body = body
        self.answered = False
        self._connection = connection

    def respond(self, status: int, headers: Mapping[str, str], body: bytes, *, send_only: int | None = None) -> None:
        """Sends a whole response; `send_only` bytes of the body where the connection is to be cut within it."""
        head = self._head(status, {**headers, "content-length": str(len(body))})
        self.send(head + body[:send_only])

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the headers of a body that comes in pieces."""
        self.send(self._head(status, {**headers, "transfer-encoding": "chunked"}))

    def write(self, piece: bytes) -> None:
        """Sends one piece of the body at once; an empty one would end it and is left out."""
        if piece:
            self.send(b"%x\r\n%b\r\n" % (len(piece), piece))

    def finish(self) -> None:
        """Ends a body that came in pieces."""
        self.send(b"0\r\n\r\n")

    def start_other(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the headers after which the connection speaks another protocol, by `read` and `send`."""
        self.send(self._head(status, headers))

    def read(self, count: int) -> bytes:
        """So many bytes of another protocol.

        Raises:
            ConnectionError: the client has gone.
        """
        data = self._connection.rfile.read(count)
        if len(data) < count:
            raise ConnectionError("the client has gone")
        return data

    def cut(self) -> None:
        """Closes the connection where it stands.

        Raises:
            Cut: always, to leave the caller as well.
        """
        _close(self._connection.request)
        raise Cut

    def pause(self, seconds: float) -> None:
        """Waits; less where the server is stopped meanwhile, and then cuts."""
        if seconds > 0 and self._connection.server.stopping.wait(seconds):
            self.cut()

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.answered = True
        self._connection.request.sendall(data)

    @staticmethod
    def _head(status: int, headers: Mapping[str, str]) -> bytes:
        phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Status"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Connection(socketserver.StreamRequestHandler):
    """Reads requests off one kept-alive connection until either side has enough."""

    server: LoopbackServer
    request: socket.socket
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answers requests in the order they come."""
        with contextlib.suppress(ConnectionError, OSError, ValueError):
            while (exchange := self._read()) is not None:
                self.server.answer(exchange)
                if exchange.headers.get("connection", "").lower() in ("close", "upgrade"):
                    break

    def _read(self) -> Exchange | None:
        line = self.rfile.readline(65537)
        if not line.strip():
            return None
        method, target, _ = line.decode("latin-1").split()
        headers: dict[str, str] = {}
        while (line := self.rfile.readline(65537)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return Exchange(method, target, headers, _read_body(self.rfile, headers), self)


def _read_body(stream: BufferedIOBase, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return stream.read(int(headers.get("content-length", 0)))
    pieces = []
    while size := int(stream.readline().split(b";")[0], 16):
        pieces.append(stream.read(size))
        stream.readline()
    stream.readline()
    return b"".join(pieces)


class LoopbackServer(socketserver.TCPServer):
    """Listens from construction on; answers from `start` until `stop`, each connection on its own thread.

    Args:
        answer: called for every request, on the thread of its connection.
        port: 0 takes a free one.
        host: the address to listen on.

    Raises:
        OSError: the port is taken.
    """

    allow_reuse_address = True
    request_queue_size = 512

    def __init__(self, answer: Answer, port: int = 0, host: str = "127.0.0.1") -> None:
        self.answer = answer
        self.stopping = threading.Event()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), Connection)
        self._acceptor = threading.Thread(target=self.serve_forever, args=(0.02,), name="loopback", daemon=True)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Begins to answer."""
        self._acceptor.start()

    def stop(self) -> None:
        """Stops listening, closes every connection and waits a moment for their threads."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            still_open = dict(self._open)
        for connection in still_open:
            _close(connection)
        for thread in still_open.values():
            thread.join(timeout=2.0)

    def process_request(self, request: object, client_address: object) -> None:
        """Hands a new connection to a thread of its own."""
        assert isinstance(request, socket.socket)
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), name="loopback-connection", daemon=True
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _serve_connection(self, request: socket.socket, client_address: object) -> None:
        try:
            Connection(request, client_address, self)
        finally:
            with self._lock:
                del self._open[request]
            self.shutdown_request(request)


def _close(connection: socket.socket) -> None:
    """Ends both directions, which wakes the thread that reads from it; closing alone would not."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
