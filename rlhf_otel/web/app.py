"""The endpoint as an ASGI and as a WSGI application, alone or in front of another one."""

from __future__ import annotations

import http
import inspect
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.web.door import Door
from rlhf_otel.web.requests import MOST_BYTES, Refusal, Request, Response, too_large

Message = MutableMapping[str, Any]
ASGI = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class FeedbackApp:
    """Answers `/v1/feedback` and `/feedback.js` wherever it is mounted; what is not its own goes to `app`, if given.

    Args:
        app: an ASGI application to stand in front of; None to stand alone.
        options: see `Door`.
    """

    def __init__(self, app: ASGI | None = None, **options: Any) -> None:
        self.app = app
        self.door = Door(**options)

    def is_for(self, path: str, mount: str = "") -> bool:
        """Whether a path is one of its own, where it is mounted at `mount`."""
        return self.door.is_for(path, mount)

    async def __call__(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Answers a request."""
        is_ours = scope["type"] == "http" and self.is_for(scope["path"], scope.get("root_path", ""))
        if self.app is not None and not is_ours:
            await self.app(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close"})
        else:
            await self._respond(scope, receive, send)

    async def _respond(self, scope: Any, receive: Any, send: Any) -> None:
        response = await self._answer(scope, receive)
        headers, body = response.sent
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Any, receive: Callable[[], Awaitable[Any]]) -> Response:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            body = await _body(headers, receive)
        except Refusal as refusal:
            return refusal.response
        client = scope["client"][0] if scope.get("client") else None
        feedback, response = self.door.enter(Request(scope["method"], scope["path"], headers, body, client, scope))
        try:
            taken = self.door.take(feedback) if feedback else None
            if inspect.isawaitable(taken):
                await taken
        except Exception as error:  # noqa: BLE001 - wherever it goes, that is not there now
            return unavailable(error)
        return response


async def _body(headers: dict[str, str], receive: Callable[[], Awaitable[Any]]) -> bytes:
    """The body of a request, read no further than it may be long."""
    body, more = b"", True
    length = headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > MOST_BYTES:
        raise too_large()
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MOST_BYTES:
            raise too_large()
    return body


async def _lifespan(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


class FeedbackWSGI:
    """The same for WSGI: Flask, Django and their kin.

    Args:
        app: a WSGI application to stand in front of; None to stand alone.
        options: see `Door`; `take` cannot be asynchronous here.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]] | None = None, **options: Any) -> None:
        self.app = app
        self.door = Door(**options)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answers a request."""
        mount, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        path = (mount + path).encode("latin-1", "replace").decode("utf-8", "replace")  # WSGI has bytes as text
        if self.app is not None and not self.door.is_for(path, mount):
            return self.app(environ, start_response)
        response = self._answer(path, environ)
        status = f"{response.status} {http.HTTPStatus(response.status).phrase}"
        headers, body = response.sent
        start_response(status, [(name.decode(), value.decode("latin-1")) for name, value in headers])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, path: str, environ: dict[str, Any]) -> Response:
        headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
        headers["content-type"] = environ.get("CONTENT_TYPE") or ""
        length = environ.get("CONTENT_LENGTH") or "0"
        if not length.isdigit() or int(length[:20]) > MOST_BYTES:
            return too_large().response
        body = environ["wsgi.input"].read(int(length)) if int(length) else b""
        request = Request(environ["REQUEST_METHOD"], path, headers, body, environ.get("REMOTE_ADDR"), environ)
        feedback, response = self.door.enter(request)
        try:
            if feedback:
                self.door.take(feedback)
        except Exception as error:  # noqa: BLE001 - wherever it goes, that is not there now
            return unavailable(error)
        return response


def unavailable(error: Exception) -> Response:
    """The answer where feedback was fine and nothing takes it: the page may send it again."""
    hooks.count("feedback_refused")
    hooks.say("feedback endpoint", "feedback was not taken: %s", type(error).__name__)
    hooks.logger.debug("the feedback endpoint", exc_info=error)
    return Refusal(503, "unavailable", "feedback is not taken at the moment", retry_after="5").response
