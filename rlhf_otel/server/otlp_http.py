"""OTLP over HTTP: one ASGI application for each signal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from rlhf_otel.server.answers import (
    JSON,
    NOT_THIS_METHOD,
    PROTOBUF,
    Refusal,
    head,
    our_fault,
    refused_over_http,
    taken_as_json,
    taken_as_protobuf,
)
from rlhf_otel.server.bodies import encoding_of, is_json, too_large
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.requests import Body
from rlhf_otel.server.room import Lease
from rlhf_otel.server.signals import Signal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = dict[bytes, bytes]


class GoneError(Exception):
    """The client hung up before its body was whole: there is nobody to answer, and nothing to store."""


class OtlpHttp:
    """Answers `POST` of one signal.

    Args:
        signal: which.
        receiver: takes what comes.
    """

    def __init__(self, signal: Signal, receiver: Receiver) -> None:
        self._signal = signal
        self._receiver = receiver

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request; every outcome but a client that is gone is an answer."""
        headers: Headers = dict(scope["headers"])
        try:
            body = await self._taken(scope["method"], headers, receive)
        except GoneError:
            return
        except Refusal as refusal:
            await send_refusal(send, refusal, headers)
            return
        except Exception as error:  # noqa: BLE001 - the server would answer in plain text
            await send_refusal(send, our_fault(error, "a request could not be taken"), headers)
            return
        kind = JSON if is_json(headers[b"content-type"]) else PROTOBUF
        await send_answer(send, 200, head(kind, body), body)

    async def _taken(self, method: str, headers: Headers, receive: Receive) -> bytes:
        """The body of the answer to a request that is on the disk."""
        if method != "POST":
            raise Refusal(NOT_THIS_METHOD, f"{method}: OTLP is sent with POST", ((b"allow", b"POST"),))
        as_json = is_json(headers.get(b"content-type", b""))
        encoding = encoding_of(headers.get(b"content-encoding", b""))
        with self._receiver.admitted() as lease:
            raw = await self._read(headers, receive, lease)
            taken = await self._receiver.take(self._signal, Body(raw, encoding, as_json), lease)
        return taken_as_json(self._signal, taken) if as_json else taken_as_protobuf(self._signal, taken)

    async def _read(self, headers: Headers, receive: Receive, lease: Lease) -> bytes:
        """The body, as long as it is within the limit. What is too large is refused before it is read."""
        limit = self._receiver.max_bytes
        if (told := headers.get(b"content-length")) is not None and int(told) > limit:
            raise too_large(limit)
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise GoneError
            piece, more = message["body"], message["more_body"]
            size += len(piece)
            if size > limit:
                raise too_large(limit)
            lease.claim(len(piece))
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def send_refusal(send: Send, refusal: Refusal, headers: Headers) -> None:
    """Answers a request, whose headers are given, with a refusal."""
    await send_answer(send, *refused_over_http(refusal, headers.get(b"content-type", b"")))


async def send_answer(send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Sends a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
