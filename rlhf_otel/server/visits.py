"""Everything that is asked for beside OTLP: who asks and how often, how much they send, and what every answer bears."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from rlhf_otel.server.access import PRINCIPAL
from rlhf_otel.server.access.browsers import ALWAYS
from rlhf_otel.server.access.limits import Limits
from rlhf_otel.server.answers import (
    LATER,
    NOT_FOUND,
    NOT_THIS_METHOD,
    UNKNOWN_SENDER,
    Refusal,
    our_fault,
    refused_over_http,
)
from rlhf_otel.server.bodies import too_large
from rlhf_otel.server.guard import Guard, only_once
from rlhf_otel.server.otlp_http import Headers, Message, Receive, Send
from rlhf_otel.store import StoreError

MOST_BYTES = 1 << 20
"""The longest body that a page or the API may be sent; where less will do, they say so themselves."""
FOR_ANYBODY = ("/healthz", "/login", "/feedback.js", "/v1/feedback")
"""What is answered to somebody who has shown nothing; the last two let in what its own token proves."""
FOR_OTHER_SITES = ("/feedback.js", "/v1/feedback")
"""What pages of other servers may load."""
_log = logging.getLogger(__name__)

Words = Callable[[Request, Refusal], "Response | None"]
"""Makes a page of a refusal, for who reads pages; None for who does not."""


class Visits:
    """The routes beside OTLP, for those who may see them.

    Args:
        guard: who is let through.
        limits: how often.
        routes: what there is. Whoever asks for one outside `FOR_ANYBODY` has proved who they are; what they may do
            there is for the route to say.
        words: makes pages of refusals.
    """

    def __init__(self, guard: Guard, limits: Limits, routes: Sequence[BaseRoute], words: Words | None = None) -> None:
        self._guard, self._limits, self._words = guard, limits, words
        handlers: Any = dict.fromkeys((HTTPException, Refusal, StoreError, Exception), self._answer_to)
        self.app = Starlette(routes=routes, exception_handlers=handlers)
        self.app.router.redirect_slashes = False  # the answer would repeat whatever host the request has named

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request; every outcome but a client that is gone is an answer."""
        answer = Answer(send, scope["path"])
        try:
            only_once(scope["headers"], b"host", b"authorization", b"content-length")
            headers: Headers = dict(scope["headers"])
            scope[PRINCIPAL] = await self._let_in(scope, headers)
            await self.app(scope, _limited(headers, receive), answer.send)
        except Exception as error:  # noqa: BLE001 - whatever went wrong is answered, and its message is nobody's business
            if not answer.has_begun:
                response = await self._answer_to(Request(scope), error)
                await response(scope, receive, answer.send)

    async def _let_in(self, scope: Message, headers: Mapping[bytes, bytes]) -> Any:
        """Who asks, once they are found to be permitted to."""
        address = scope["client"][0] if scope.get("client") else ""
        path = scope["path"]
        if path == "/healthz":
            return None
        try:
            principal = await self._guard.visitor(scope["method"], headers, scope.get("scheme", "http"))
        except Refusal as refusal:
            if refusal.kind is UNKNOWN_SENDER:
                self._limits.failed(address)
            raise
        if path == "/login" or not is_for_anybody(path):
            self._limits.asked(principal.name if principal else address)
        if principal is None and not is_for_anybody(path) and self._is_here(scope):
            raise Refusal(UNKNOWN_SENDER, "log in, or send the header authorization: Bearer TOKEN",
                          ((b"www-authenticate", b"Bearer"),))  # fmt: skip
        return principal

    def _is_here(self, scope: Message) -> bool:
        """Whether there is such a route. That there is none, anybody may know: who mistypes a path of OTLP."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self.app.routes)

    async def _answer_to(self, request: Request, error: Exception) -> Response:
        refusal = _as_refusal(error)
        response = self._words(request, refusal) if self._words else None
        if response is None:
            status, headers, body = refused_over_http(
                refusal, request.headers.get("content-type", "").encode("latin-1")
            )
            response = Response(body, status)
            response.raw_headers = headers
        return response


class Answer:
    """Passes an answer on, with the headers that every one has."""

    def __init__(self, send: Send, path: str) -> None:
        self._send, self._path = send, path
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Sends on."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            headers = list(message.get("headers") or ())
            if self._path.startswith("/static/"):
                headers.append((b"cache-control", b"no-cache"))  # kept, and asked for whether it is still the same
            there = {name.lower() for name, _ in headers}
            if _is_under(self._path, FOR_OTHER_SITES):
                there.add(b"cross-origin-resource-policy")
            message = {**message, "headers": [*headers, *(each for each in ALWAYS if each[0] not in there)]}
        await self._send(message)


def is_for_anybody(path: str) -> bool:
    """Whether a path is answered to somebody who has shown nothing."""
    return _is_under(path, FOR_ANYBODY) or path.startswith("/static/")


def _is_under(path: str, places: Sequence[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _limited(headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
    """`receive`, which takes no more than a body may have."""
    told = headers.get(b"content-length", b"0")
    if told.isdigit() and int(told) > MOST_BYTES:
        raise too_large(MOST_BYTES)
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BYTES:
            raise too_large(MOST_BYTES)
        return message

    return limited


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, StoreError):
        _log.warning("%s", error)
        return Refusal(LATER, "the store cannot be read or written at the moment; come again")
    if isinstance(error, HTTPException):
        kind = NOT_THIS_METHOD if error.status_code == NOT_THIS_METHOD.status else NOT_FOUND
        told = tuple((name.encode(), value.encode("latin-1")) for name, value in (error.headers or {}).items())
        return Refusal(kind, str(error.detail).lower(), told)
    return our_fault(error, "a page could not be made")
