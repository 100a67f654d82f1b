"""Middleware that tells the page what to rate: `traceparent` and `x-rlhf-token` of the call that a request made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rlhf_otel import handles, hooks
from rlhf_otel.app_context import context
from rlhf_otel.keys import Key
from rlhf_otel.records import Handle
from rlhf_otel.token import mint
from rlhf_otel.web.app import ASGI

TRACEPARENT, TOKEN, EXPOSED = "traceparent", "x-rlhf-token", "access-control-expose-headers"


class _Headers:
    """What both kinds share.

    Args:
        app: the application.
        rater: says who asks, from the scope or the environment of the request; the token is then for them alone.
        names: what may be rated with the token; everything where not given.
        ttl: how long it holds.
        key: its secret; by default that of this installation.
        baggage: whether calls get the context that the request's `baggage` header has, for services behind a gateway.
    """

    def __init__(
        self,
        app: Any,
        *,
        rater: Callable[[Any], str | None] | None = None,
        names: Sequence[str] | None = None,
        ttl: float | str = "30d",
        key: Key | None = None,
        baggage: bool = False,
    ) -> None:
        self.app = app
        self._rater, self._names, self._ttl, self._key = rater, names, ttl, key
        self._baggage = baggage

    def _context(self, header: str | None) -> contextlib.AbstractContextManager[Any]:
        return context(baggage=header) if self._baggage and header else contextlib.nullcontext()

    def _added(self, seen: Sequence[Handle], request: Any, present: Iterable[str]) -> list[tuple[str, str]]:
        """The headers for the newest of the calls that were seen; none where there was none, or where one fails."""
        if not seen:
            return []
        try:
            rater = self._rater(request) if self._rater is not None else None
            token = mint(seen[-1], rater=rater, names=self._names, ttl=self._ttl, key=self._key)
        except Exception as error:  # noqa: BLE001 - the host's response goes out all the same
            hooks.fault("minting a feedback token", error)
            return []
        made = ((TRACEPARENT, seen[-1].traceparent), (TOKEN, token), (EXPOSED, f"{TRACEPARENT}, {TOKEN}"))
        there = {name.lower() for name in present} - {EXPOSED}  # several of those add up
        return [(name, value) for name, value in made if name not in there]


class TraceHeaders(_Headers):
    """For ASGI. A call counts that has begun before the response does, in whatever task or thread of the request."""

    app: ASGI

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on, and adds the headers to its response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                there = list(message.get("headers") or ())
                added = self._added(seen, scope, (name.decode("latin-1") for name, _ in there))
                message = {**message, "headers": [*there, *((n.encode(), v.encode()) for n, v in added)]}
            await send(message)

        sent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"baggage"), None)
        with handles.watching() as seen, self._context(sent):
            await self.app(scope, receive, with_headers)


class TraceHeadersWSGI(_Headers):
    """For WSGI. A call counts that has begun before the application starts its response."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Passes a request on, and adds the headers to its response."""

        def with_headers(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            added = self._added(seen, environ, (name for name, _ in headers))
            return start_response(status, [*headers, *added], *rest)

        with handles.watching() as seen, self._context(environ.get("HTTP_BAGGAGE")):
            answer: Iterable[bytes] = self.app(environ, with_headers)
        return answer
