"""The ASGI application: OTLP, feedback, and beside them whatever routes are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rlhf_otel.server.access import PRINCIPAL
from rlhf_otel.server.answers import Refusal
from rlhf_otel.server.guard import Guard
from rlhf_otel.server.otlp_http import OtlpHttp, send_refusal
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.signals import SIGNALS
from rlhf_otel.server.visits import Answer, Visits

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.web import FeedbackApp

HEALTH = "/healthz"


class Application:
    """Everything that the server answers over HTTP.

    OTLP and feedback go past the router: for small requests that is a good part of the work.

    Args:
        receiver: takes OTLP.
        guard: who is let through.
        feedback: takes feedback, which proves itself.
        visits: answers everything else.
    """

    def __init__(self, receiver: Receiver, guard: Guard, feedback: FeedbackApp, visits: Visits) -> None:
        self._guard = guard
        self._feedback = feedback
        self._otlp = {signal.path: OtlpHttp(signal, receiver) for signal in SIGNALS}
        self._visits = visits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        otlp = self._otlp.get(path)
        if otlp is not None:
            await self._sent(otlp, scope, receive, send)
        elif self._feedback.is_for(path):
            await self._rated(scope, receive, send)
        else:
            await self._visits(scope, receive, send)

    async def _sent(self, otlp: OtlpHttp, scope: Any, receive: Any, send: Any) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        authorization, host = headers.get(b"authorization", b""), headers.get(b"host", b"")
        try:
            scope[PRINCIPAL] = await self._guard.sender(authorization.decode("latin-1"), host.decode("latin-1"))
        except Refusal as refusal:
            await send_refusal(send, refusal, headers)
            return
        await otlp(scope, receive, send)

    async def _rated(self, scope: Any, receive: Any, send: Any) -> None:
        """Feedback of a page of others is somebody's who has shown nothing but what is in it."""
        try:
            scope[PRINCIPAL] = await self._guard.visitor(scope["method"], dict(scope["headers"]), scope["scheme"])
        except Refusal:
            scope[PRINCIPAL] = None
        await self._feedback(scope, receive, Answer(send, scope["path"]).send)


def health_of(receiver: Receiver) -> Route:
    """Tells anybody whether a request would be taken now, as far as the last one tells."""

    async def health(_request: Request) -> Response:
        if receiver.stopping:
            return JSONResponse({"status": "stopping"}, 503)
        if receiver.writer.fault:
            return JSONResponse({"status": "the store cannot be written"}, 503)
        return JSONResponse({"status": "ok", "inbox_bytes": receiver.writer.backlog})

    return Route(HEALTH, health)
