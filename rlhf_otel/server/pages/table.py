"""Every page and every answer in JSON that the server has, one a line."""

from __future__ import annotations

from importlib import resources

from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from rlhf_otel.server.pages import api, calls, login, review
from rlhf_otel.server.pages.site import Page, Site

PAGES = (
    Page("/", calls.newest, "Calls"),
    Page("/calls/{span_id}", calls.one),
    Page("/login", login.page, right=None),
    Page("/login", login.enter, right=None, methods=("POST",)),
    Page("/logout", login.leave, methods=("POST",)),
    *(Page(one.path, one.answer) for one in api.OPERATIONS),
)
REVIEW = (
    Page("/review", review.page, "Review", right="administer"),
    Page("/review", review.decide, right="administer", methods=("POST",)),
)
"""Where something waits for approval."""


def routes(site: Site) -> list[BaseRoute]:
    """What the server answers beside OTLP and feedback."""
    site.pages = PAGES if site.review is None else (*PAGES, *REVIEW)
    files = StaticFiles(directory=str(resources.files("rlhf_otel.server") / "static"))
    return [*(page.route(site) for page in site.pages), Mount("/static", files)]
