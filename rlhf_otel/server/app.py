"""The ASGI application: OTLP, feedback, the health of the server, and whatever routes are given beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from rlhf_otel.server.access import PRINCIPAL
from rlhf_otel.server.answers import NOT_FOUND, NOT_THIS_METHOD, Refusal, refused_over_http
from rlhf_otel.server.guard import Guard
from rlhf_otel.server.otlp_http import OtlpHttp, send_refusal
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.signals import SIGNALS

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.web import FeedbackApp
    from rlhf_otel.web.app import ASGI

HEALTH = "/healthz"


class Application:
    """Everything that the server answers over HTTP.

    OTLP and feedback go past the router: for small requests that is a good part of the work.

    Args:
        receiver: takes OTLP.
        guard: who is let through; the health is told to everybody, and feedback proves itself.
        feedback: takes feedback.
        routes: further routes, such as pages.
    """

    def __init__(
        self, receiver: Receiver, guard: Guard, feedback: FeedbackApp, routes: Sequence[BaseRoute] = ()
    ) -> None:
        self._guard = guard
        self._feedback = feedback
        self._otlp = {signal.path: OtlpHttp(signal, receiver) for signal in SIGNALS}
        handlers: Any = {HTTPException: _not_here}
        health = Route(HEALTH, _health_of(receiver))
        self._rest = Starlette(routes=[health, *routes], exception_handlers=handlers)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        scope[PRINCIPAL] = None
        answer: ASGI = self._feedback if self._feedback.is_for(path) else self._otlp.get(path, self._rest)
        if path != HEALTH:
            headers: dict[bytes, bytes] = dict(scope["headers"])
            authorization, host = headers.get(b"authorization", b""), headers.get(b"host", b"")
            try:
                scope[PRINCIPAL] = self._guard.check(authorization.decode("latin-1"), host.decode("latin-1"))
            except Refusal as refusal:
                if answer is not self._feedback:
                    await send_refusal(send, refusal, headers)
                    return
        await answer(scope, receive, send)


def _health_of(receiver: Receiver) -> Any:
    async def health(_request: Request) -> Response:
        """Whether a request would be taken now, as far as the last one tells."""
        if receiver.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        if receiver.writer.fault:
            return JSONResponse({"status": "the store cannot be written"}, 503)
        return JSONResponse({"status": "ok", "inbox_bytes": receiver.writer.backlog})

    return health


async def _not_here(request: Request, error: HTTPException) -> Response:
    """What the router has no answer for, in the form that clients of OTLP read."""
    kind = NOT_THIS_METHOD if error.status_code == NOT_THIS_METHOD.status else NOT_FOUND
    refusal = Refusal(kind, f"{request.method} {request.url.path}: {error.detail}".lower())
    status, headers, body = refused_over_http(refusal, request.headers.get("content-type", "").encode("latin-1"))
    answer = Response(body, status)
    answer.raw_headers = [*headers, *((k.encode(), v.encode()) for k, v in (error.headers or {}).items())]
    return answer
