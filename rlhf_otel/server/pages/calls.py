"""The calls, newest first, and one of them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.server.pages.listing import Filters, call_at, found
from rlhf_otel.views import outcome

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from rlhf_otel.records import Interaction
    from rlhf_otel.server.pages.site import Site

FILTERS = (("All", ""), ("With feedback", "has_feedback=true"), ("Without feedback", "has_feedback=false"),
           ("Failed", "status=error"))  # fmt: skip
"""What the list can be narrowed down to by a link."""


def newest(site: Site, request: Request) -> Response:
    """The newest calls with what people thought of them."""
    filters = Filters.of(request.query_params)
    listed = found(site.store, filters)
    site.noted(request, "read", {"page": "/", "calls": [one.span_id for one, _ in listed.calls]})
    rows = [{"call": one, "feedback": feedback, **_gist(one)} for one, feedback in listed.calls]
    narrowed = filters.query(without=("before", "limit"))
    return site.page(
        request, "calls.html", rows=rows, filters=filters, links=FILTERS, narrowed=narrowed,
        older=filters.query(before=listed.next) if listed.next else "",
    )  # fmt: skip


def one(site: Site, request: Request) -> Response:
    """One call: messages, answer, figures and feedback."""
    call = call_at(site.store, request)
    site.noted(request, "read", {"page": "/calls", "calls": [call.span_id]})
    current = site.store.feedback_on([call])[call.span_id]
    counting = {each.id for each in current}
    former = [each for each in site.store.history(call) if each.id not in counting]
    return site.page(request, "call.html", call=call, outcome=outcome(call), feedback=current, former=former)


def _gist(call: Interaction) -> dict[str, Any]:
    """What a list shows of a call; of an answer without text what it has instead."""
    parts = [part for message in call.output or () for part in message.get("parts", ())]
    others = [str(part.get("name") or part.get("modality") or part.get("type")) for part in parts]
    return {
        "prompt": prompt_text(call),
        "answer": response_text(call) or ", ".join(others),
        "outcome": outcome(call),
        "was_captured": call.input is not None or call.output is not None,
    }
