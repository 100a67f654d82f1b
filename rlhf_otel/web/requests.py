"""What comes in and what goes out, whatever server is in front: requests, responses, and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 16_384
JSON, TEXT = "application/json", "text/plain"
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "POST, PUT, DELETE, GET, OPTIONS",
    "access-control-allow-headers": "content-type, authorization, traceparent, tracestate, baggage",
    "access-control-expose-headers": "retry-after",
    "access-control-max-age": "86400",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}
"""On every response. No cookie is ever read, so that any origin may send what its token proves."""
_RAW_CORS = tuple((name.encode(), value.encode()) for name, value in _CORS.items())
_RAW_JSON = (b"content-type", JSON.encode())
_dumps = json.JSONEncoder(separators=(",", ":")).encode


def bearer_in(authorization: str) -> str | None:
    """What an `Authorization` header has behind `Bearer`; None where it says something else."""
    kind, _, secret = authorization.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    Attributes:
        method: in upper case.
        path: decoded.
        headers: by their names in lower case.
        body: all of it.
        client: the address that it came from.
        scope: what else the server knows of it: ASGI's scope, or WSGI's environment.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str | None = None
    scope: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bearer(self) -> str | None:
        """What the `Authorization` header has behind `Bearer`."""
        return bearer_in(self.headers.get("authorization", ""))

    @property
    def content_type(self) -> str:
        """The type of the body without its parameters; empty where none was told."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response: JSON, bytes of the type that `headers` name, or nothing."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The content as it is sent."""
        if self.content is None or isinstance(self.content, bytes):
            return self.content or b""
        return _dumps(self.content).encode()

    @property
    def sent(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Headers and body as they are sent."""
        body = self.body
        headers = [*_RAW_CORS, (b"content-length", b"%d" % len(body))]
        if self.content is not None:
            headers.append(_RAW_JSON)
        if self.headers:
            own = {name.encode(): value.encode("latin-1") for name, value in self.headers.items()}
            headers = [*(pair for pair in headers if pair[0] not in own), *own.items()]
        return headers, body


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that is not taken."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        content = {"error": {"code": code, "message": message}}
        self.response = Response(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


def too_large() -> Refusal:
    """The answer to a body beyond the limit, which nobody has to read to its end."""
    return Refusal(413, "too_large", f"a request has at most {MOST_BYTES} bytes")


def parsed(request: Request) -> Any:
    """The body, one object or a list of them.

    Raises:
        Refusal: it is neither, or too long, or says that it is something else.
    """
    if request.content_type not in ("", JSON, TEXT):
        raise Refusal(415, "type", f"the Content-Type {JSON} or {TEXT} is expected")
    if len(request.body) > MOST_BYTES:
        raise too_large()
    if not request.body and request.method == "DELETE":
        return {}
    try:
        given = _JSON.decode(request.body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refusal(400, "invalid", "the body is not JSON in UTF-8") from None
    return given["feedback"] if isinstance(given, dict) and isinstance(given.get("feedback"), list) else given


def _no_number(word: str) -> Any:
    raise ValueError(word)


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(digits)
    return number


_JSON = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
