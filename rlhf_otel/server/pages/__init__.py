"""The pages and the JSON beside them. To add a page: a function, a line in `PAGES`, a template on `base.html`.

    def review(site: Site, request: Request) -> Response:
        return site.page(request, "review.html", waiting=...)

    Page("/review", review, "Review", right="rate")

The function runs on a thread of its own and may take its time. Before it does, the server has checked who asks, that
they may, how often they do, and, where something is changed, that it is one of our own pages that asks; every answer
bears the headers that forbid scripts and styles inside it. What a function shows of calls, it notes: `site.noted`.
"""

from rlhf_otel.server.pages.site import Page, Site
from rlhf_otel.server.pages.table import PAGES, routes

__all__ = ["PAGES", "Page", "Site", "routes"]
