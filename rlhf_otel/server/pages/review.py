"""What waits for approval: seen, changed, sent on or thrown away in a browser, by forms alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.server.answers import BAD_DATA, NOT_FOUND, Refusal
from rlhf_otel.server.pages.site import fields_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.server.pages.site import Site

_MOST_FIELDS = 1000
_TOO_MANY = "there are too many texts for a page: `rlhf-otel review edit` changes them"
_TEXT = "text."


def page(site: Site, request: Request) -> Response:
    """The list; with `id` one of what waits, and its texts to be changed."""
    name, said = request.query_params.get("id"), request.query_params.get("said", "")
    waiting = site.review.waiting()
    if name is not None:
        return _one(site, request, _named(waiting, name))
    site.noted(request, "read", {"page": "/review", "calls": [each.id for each in waiting]})
    rows = [{"one": each, "prompt": prompt_text(each.call) if each.call else "",
             "answer": response_text(each.call) if each.call else ""} for each in waiting]  # fmt: skip
    return site.page(request, "review.html", rows=rows, said=said[:200])


def decide(site: Site, request: Request) -> Response:
    """Does what the button says that was pressed."""
    given = fields_of(request, most=_MOST_FIELDS, too_many=_TOO_MANY, keep_empty=True)
    action, name = given.get("action", ""), given.get("id", "")
    desk = site.review
    waiting = desk.waiting()
    named = waiting if name == "" and action in ("approve", "discard") else [_named(waiting, name)]
    seen = given.get("seen", "").split()
    chosen = [each for each in named if action != "approve" or each.stamp in seen]
    site.noted(request, "review", {"action": action, "calls": [each.id for each in chosen]})
    try:
        if action == "approve":
            return _back(_told(desk.counted(chosen), desk.approve(chosen), len(named) - len(chosen)))
        if action == "discard":
            desk.discard(chosen)
            return _back(f"Discarded {desk.counted(chosen)}.")
        if action != "save":
            raise Refusal(BAD_DATA, "there are save, approve and discard")
        desk.set(chosen[0], _changed(chosen[0], given))
    except desk.Error as error:
        return site.page(request, "refusal.html", 409, title="That was not done", said=str(error))
    return RedirectResponse(f"/review?{urlencode({'id': name})}", 303)


def _told(counted: str, sent: Any, left: int) -> str:
    """What came, or was changed, while somebody looked has not been seen by them, and waits on."""
    said = [f"Approved {counted}."]
    said += ["They wait in the spool."] if sent.kept else []
    said += [f"{left} came or changed meanwhile, and wait."] if left else []
    return " ".join(said)


def _one(site: Site, request: Request, each: Any) -> Response:
    site.noted(request, "read", {"page": "/review", "calls": [each.id]})
    return site.page(request, "review_one.html", one=each, texts=each.texts)


def _named(waiting: list[Any], name: str) -> Any:
    found = next((each for each in waiting if each.id == name), None)
    if found is None:
        raise Refusal(NOT_FOUND, "this does not wait, or not any more")
    return found


def _changed(each: Any, given: dict[str, str]) -> dict[str, str]:
    """The texts that somebody has changed: a browser sends all, with line breaks of its own.

    They come by their numbers: a name may have in it what no form can send back as it was.
    """
    said, changes = list(each.texts.items()), {}
    for field, text in given.items():
        if field.startswith(_TEXT):
            try:
                name, before = said[int(field.removeprefix(_TEXT))]
            except (ValueError, IndexError):
                raise Refusal(BAD_DATA, "there is no such text") from None
            if _lines(before) != _lines(text):
                changes[name] = _lines(text)
    return changes


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _back(said: str) -> Response:
    return RedirectResponse(f"/review?{urlencode({'said': said})}", 303)
