"""What the pages show, as JSON, and its description."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from starlette.responses import Response

from rlhf_otel._version import __version__
from rlhf_otel.server.answers import BAD_DATA, Refusal
from rlhf_otel.server.pages.listing import MOST, Filters, call_at, found, limit_of
from rlhf_otel.views import feedback_json, interaction_json

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.server.pages.site import Site

_TEXT: dict[str, Any] = {"type": "string"}
_CURSOR: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{1,19}-[0-9a-f]{16}$"}
_LIMIT: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50}
_SPAN_ID: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
_OBJECT: dict[str, Any] = {"type": "object"}
_REFUSALS = {
    "400": "It cannot be answered as it is; the message says why.", "401": "No token or session, or none that holds.",
    "403": "The role does not permit it.", "429": "Too many requests; Retry-After says when to try again.",
    "503": "The store cannot be read or written now; Retry-After says when to try again.",
}  # fmt: skip


class Parameter(NamedTuple):
    """Something that a URL may say."""

    name: str
    schema: dict[str, Any]
    description: str
    place: str = "query"


class Operation(NamedTuple):
    """Something that can be asked for."""

    path: str
    answer: Callable[[Site, Request], Response]
    summary: str
    schema: dict[str, Any]
    parameters: tuple[Parameter, ...] = ()


def interactions(site: Site, request: Request) -> Response:
    """The calls, newest first, each with the feedback that counts on it."""
    listed = found(site.store, Filters.of(request.query_params))
    site.noted(request, "read", {"page": "/api/interactions", "calls": [one.span_id for one, _ in listed.calls]})
    shown = [interaction_json(one, feedback) for one, feedback in listed.calls]
    return _json({"interactions": shown, "next": listed.next or None})


def interaction(site: Site, request: Request) -> Response:
    """One call with the feedback that counts on it."""
    call = call_at(site.store, request)
    site.noted(request, "read", {"page": "/api/interactions", "calls": [call.span_id]})
    return _json(interaction_json(call, site.store.feedback_on([call])[call.span_id]))


def feedback(site: Site, request: Request) -> Response:
    """The feedback, newest first, whether it counts or not."""
    given = request.query_params
    if unknown := sorted(given.keys() - {"limit", "before"}):
        raise Refusal(BAD_DATA, f"there is no filter {unknown[0][:40]!r}; there are before, limit")
    limit, before = limit_of(given.get("limit", "50")), given.get("before")
    if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
        raise Refusal(BAD_DATA, "before is the number that came with a page")
    page = site.store.given(limit=limit + 1, before=None if before is None else int(before))
    shown = page[:limit]
    site.noted(request, "read", {"page": "/api/feedback", "feedback": [one.id for _, one in shown]})
    following = str(shown[-1][0]) if len(page) > limit else None
    return _json({"feedback": [feedback_json(one) for _, one in shown], "next": following})


def stats(site: Site, request: Request) -> Response:
    """How much there is."""
    return _json(site.store.counts())


def description(site: Site, request: Request) -> Response:
    """All of this in OpenAPI's words."""
    return _json(document())


def document() -> dict[str, Any]:
    """The description of what can be asked for."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "rlhf-otel", "version": __version__},
        "paths": {one.path: {"get": _described(one)} for one in OPERATIONS},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
    }


def _described(one: Operation) -> dict[str, Any]:
    refusals = {**_REFUSALS, **({"404": "There is no such call."} if "{" in one.path else {})}
    content = {"application/json": {"schema": one.schema}}
    return {
        "summary": one.summary,
        "parameters": [
            {"name": each.name, "in": each.place, "required": each.place == "path", "schema": each.schema,
             "description": each.description}
            for each in one.parameters
        ],
        "responses": {
            "200": {"description": "It is here.", "content": content},
            **{status: {"description": text} for status, text in refusals.items()},
        },
    }  # fmt: skip


def _page_of(name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name, "next"],
        "properties": {name: {"type": "array", "items": _OBJECT}, "next": {"type": ["string", "null"]}},
    }


def _json(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=True, default=str), media_type="application/json")


_FILTERS = (
    Parameter("session", _TEXT, "Of this session."),
    Parameter("model", _TEXT, "This model was requested or answered."),
    Parameter("provider", _TEXT, "Of this provider."),
    Parameter("service", _TEXT, "From the service of this name."),
    Parameter("status", {"type": "string", "enum": ["unset", "ok", "error"]}, "How it ended."),
    Parameter("has_feedback", {"type": "boolean"}, "Whether feedback counts on it."),
    Parameter("before", _CURSOR, "`next` of the page before."),
    Parameter("limit", _LIMIT, "At most so many."),
)
OPERATIONS = (
    Operation("/api/interactions", interactions, "The calls, newest first.", _page_of("interactions"), _FILTERS),
    Operation(
        "/api/interactions/{span_id}", interaction, "One call.", _OBJECT,
        (Parameter("span_id", _SPAN_ID, "Its span.", "path"),
         Parameter("trace_id", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "Its trace, where two have the span.")),
    ),
    Operation(
        "/api/feedback", feedback, "The feedback, newest first, whether it counts or not.", _page_of("feedback"),
        (Parameter("before", {"type": "string", "pattern": "^[0-9]{1,18}$"}, "`next` of the page before."),
         Parameter("limit", _LIMIT, "At most so many.")),
    ),
    Operation("/api/stats", stats, "How much there is.", {**_OBJECT, "additionalProperties": {"type": "integer"}}),
    Operation("/api/openapi.json", description, "This description.", _OBJECT),
)  # fmt: skip
"""What there is, in the order in which somebody needs it."""
