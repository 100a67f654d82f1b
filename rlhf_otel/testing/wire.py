"""What the wire formats share: an endpoint, a server-sent event, and the words in which providers tell of errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rlhf_otel.testing.reply import Reply, Request

Json = dict[str, Any]
Dialect = Literal["openai", "anthropic"]


class Body(NamedTuple):
    """An answer that is no JSON."""

    content_type: str
    data: bytes


class Event(NamedTuple):
    """One server-sent event as bytes; `content` where it carries text, reasoning or tool arguments."""

    data: bytes
    content: bool = False


Plain = Callable[[Reply, Request], Json | Body]
Stream = Callable[[Reply, Request], Iterator[Event]]
ErrorEvent = Callable[[Reply, Request, int], Event]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One thing that can be asked of the fake provider.

    Attributes:
        method: GET or POST.
        path: how the path ends; `{id}` stands for one segment.
        plain: makes the JSON of an answer, or a body of another kind.
        dialect: whose error bodies and response headers it sends.
        stream: makes the events of a streamed answer, where it can be streamed.
        stream_type: the content type of a streamed answer.
        error_event: makes the event that tells of an error within a stream, after a number of other events.
        scripted: whether it uses up a scripted reply.
    """

    method: str
    path: str
    plain: Plain
    dialect: Dialect = "openai"
    stream: Stream | None = None
    stream_type: str = "text/event-stream; charset=utf-8"
    error_event: ErrorEvent | None = None
    scripted: bool = True


def dump(value: Any) -> bytes:
    """`value` as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def data_event(value: Json, *, content: bool = False) -> Event:
    """An event without a name, as OpenAI chat sends them."""
    return Event(b"data: %b\n\n" % dump(value), content)


def named_event(value: Json, *, content: bool = False) -> Event:
    """An event named by its type, as OpenAI responses and Anthropic send them."""
    return Event(b"event: %b\ndata: %b\n\n" % (value["type"].encode(), dump(value)), content)


DONE = Event(b"data: [DONE]\n\n")

_KINDS: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_KINDS: Mapping[int, tuple[str, str | None]] = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", None),
}


def error_message(reply: Reply) -> str:
    """The words of the scripted error."""
    if isinstance(reply.error, str):
        return reply.error
    inner = (reply.error or {}).get("error", reply.error or {})
    return str(inner.get("message", "the fake provider was told to fail")) if isinstance(inner, Mapping) else str(inner)


def error_body(dialect: Dialect, reply: Reply, request: Request) -> Json:
    """The JSON of an error response; the scripted body itself where there is one."""
    if isinstance(reply.error, Mapping):
        return dict(reply.error)
    status = reply.status if reply.status >= 400 else 500
    if dialect == "anthropic":
        kind = _KINDS.get(status, "invalid_request_error" if status < 500 else "api_error")
        error = {"type": kind, "message": error_message(reply)}
        return {"type": "error", "error": error, "request_id": request_id(request)}
    kind, code = _OPENAI_KINDS.get(status, ("invalid_request_error" if status < 500 else "server_error", None))
    return {"error": {"message": error_message(reply), "type": kind, "param": None, "code": code}}


def request_id(request: Request) -> str:
    """The id that the server gives to the request, `req_1` for the first."""
    return f"req_{request.number}"


def response_headers(dialect: Dialect, reply: Reply, request: Request) -> dict[str, str]:
    """The headers that a provider sends beside the content type; the scripted ones win."""
    usual = (
        {"request-id": request_id(request), "anthropic-organization-id": "org-fake"}
        if dialect == "anthropic"
        else {
            "x-request-id": request_id(request),
            "openai-processing-ms": "5",
            "openai-organization": "org-fake",
            "openai-version": "2020-10-01",
        }
    )
    return {**usual, **{name.lower(): value for name, value in reply.headers.items()}}
