"""Sends one scripted reply: with its delays, in its pieces, and with the faults that were asked for."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from rlhf_otel.testing.wire import Body, Dialect, Endpoint, Event, dump, error_body, response_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rlhf_otel.testing.loopback import Exchange
    from rlhf_otel.testing.reply import Reply, Request

_EVENT_STREAM = "text/event-stream; charset=utf-8"


def deliver(exchange: Exchange, endpoint: Endpoint, reply: Reply, request: Request, *, stream: bool) -> None:
    """Answers `exchange` as `reply` says.

    Raises:
        Cut: the script, or the end of the server, closed the connection.
        OSError: the client closed it.
    """
    exchange.pause(reply.headers_delay)
    headers = response_headers(endpoint.dialect, reply, request)
    if reply.malformed == "no_response":
        exchange.cut()
    elif reply.raw is not None:
        _send_raw(exchange, reply, headers, stream=stream)
    elif reply.status >= 400 or reply.malformed == "error_body":
        _send_body(exchange, reply, headers, dump(error_body(endpoint.dialect, reply, request)))
    elif stream and endpoint.stream is not None:
        typed = {"content-type": endpoint.stream_type, **headers}
        _send_events(exchange, reply, typed, _with_fault(endpoint, reply, request))
    elif reply.malformed == "error_event":
        _send_body(exchange, reply, headers, dump(error_body(endpoint.dialect, reply, request)))
    else:
        made = endpoint.plain(reply, request)
        if isinstance(made, Body):
            _send_body(exchange, reply, {"content-type": made.content_type, **headers}, made.data)
        else:
            _send_body(exchange, reply, headers, _damaged(dump(made), reply))


def refuse(exchange: Exchange, dialect: Dialect, reply: Reply, request: Request) -> None:
    """Answers with the error of `reply`, for what no endpoint answers."""
    headers = response_headers(dialect, reply, request)
    _send_body(exchange, reply, headers, dump(error_body(dialect, reply, request)))


def _damaged(body: bytes, reply: Reply) -> bytes:
    if reply.malformed == "truncated":
        return body[: len(body) // 2]
    return body[:-1] + b",,}" if reply.malformed == "invalid_json" else body


def _send_body(exchange: Exchange, reply: Reply, headers: dict[str, str], body: bytes) -> None:
    headers = {"content-type": "application/json", **headers}
    if reply.gzip:
        headers["content-encoding"] = "gzip"
        body = gzip.compress(body)
    half = None if reply.disconnect_after is None else len(body) // 2
    exchange.respond(reply.status, headers, body, send_only=half)
    if half is not None:
        exchange.cut()


def _send_raw(exchange: Exchange, reply: Reply, headers: dict[str, str], *, stream: bool) -> None:
    raw = reply.raw or b""
    if isinstance(raw, bytes | str) and not stream:
        _send_body(exchange, reply, headers, _as_bytes(raw))
        return
    pieces: Sequence[bytes | str] = [raw] if isinstance(raw, bytes | str) else raw
    _send_events(exchange, reply, headers, [Event(_as_bytes(piece), content=True) for piece in pieces])


def _as_bytes(piece: bytes | str) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


def _with_fault(endpoint: Endpoint, reply: Reply, request: Request) -> list[Event]:
    """The events of the stream, broken off halfway through its content where the reply is malformed."""
    assert endpoint.stream is not None
    assert endpoint.error_event is not None
    events = list(endpoint.stream(reply, request))
    if reply.malformed is None:
        return events
    places = [place for place, event in enumerate(events) if event.content]
    middle = places[len(places) // 2] if places else len(events) - 1
    broken = events[middle].data
    last = {
        "truncated": Event(broken[: len(broken) // 2]),
        "invalid_json": Event(broken.rstrip(b"}\n") + b"\n\n"),
        "error_event": endpoint.error_event(reply, request, middle),
    }[reply.malformed]
    return [*events[:middle], last]


def _send_events(exchange: Exchange, reply: Reply, headers: dict[str, str], events: Iterable[Event]) -> None:
    """Writes every event by itself, as far as the reply lets the connection live."""
    compress = zlib.compressobj(wbits=31) if reply.gzip else None
    encoding = {"content-encoding": "gzip"} if compress else {}
    exchange.start(reply.status, {"content-type": _EVENT_STREAM, "cache-control": "no-cache", **headers, **encoding})
    sent = 0
    for event in events:
        if event.content:
            if sent == reply.disconnect_after:
                exchange.cut()
            exchange.pause(reply.chunk_delay if sent else reply.first_delay)
            sent += 1
        piece = event.data
        if compress is not None:
            piece = compress.compress(piece) + compress.flush(zlib.Z_SYNC_FLUSH)
        exchange.write(piece)
    if reply.disconnect_after is not None:
        exchange.cut()
    if compress is not None:
        exchange.write(compress.flush())
    exchange.finish()
