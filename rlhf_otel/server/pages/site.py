"""What the pages share: the store, who asks, and how a page is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from rlhf_otel.server.access import PRINCIPAL, Principal, Right, may
from rlhf_otel.server.answers import BAD_DATA, FORBIDDEN, UNKNOWN_SENDER, Refusal, refused_over_http
from rlhf_otel.server.pages.templates import environment

if TYPE_CHECKING:
    import jinja2
    from starlette.requests import Request

    from rlhf_otel.server.access.keyring import Keyring
    from rlhf_otel.server.access.limits import Limits
    from rlhf_otel.store import Store

TITLES = {
    400: "That cannot be answered", 401: "Log in", 403: "Not permitted", 404: "Not here",
    405: "Not in this way", 429: "Too often", 503: "Not at the moment",
}  # fmt: skip


class Page(NamedTuple):
    """Something that is answered at a path.

    Attributes:
        path: where; `{name}` stands for a part that becomes one of `request.path_params`.
        answer: makes the answer.
        label: what the navigation calls it; it is not there where this is empty.
        right: what somebody must be permitted to do; None for anybody at all.
        methods: by which it is asked for.
    """

    path: str
    answer: Callable[[Site, Request], Response]
    label: str = ""
    right: Right | None = "read"
    methods: tuple[str, ...] = ("GET",)

    def route(self, site: Site) -> Route:
        """The page as a route of Starlette's."""

        async def endpoint(request: Request) -> Response:
            if self.right is not None and not may(principal_of(request), self.right):
                raise Refusal(FORBIDDEN, f"your role does not permit you to {self.right} here")
            request.state.body = await request.body()
            return await run_in_threadpool(self.answer, site, request)

        return Route(self.path, endpoint, methods=list(self.methods), name=self.path)


@dataclass(kw_only=True)
class Site:
    """What the pages have in hand.

    Attributes:
        store: where everything is, to read.
        ledger: the same store, by the connection that the server writes with.
        keyring: knows who may come in.
        limits: how often.
        cookie: the name of the session's cookie.
        is_secure: whether it travels by TLS alone.
        session_s: how long a session lasts.
        pages: what the navigation has.
        review: the desk at which a person decides about what waits; None where nothing does.
    """

    store: Store
    ledger: Store
    keyring: Keyring
    limits: Limits
    cookie: str
    is_secure: bool
    session_s: float
    pages: tuple[Page, ...] = ()
    review: Any = None
    _templates: jinja2.Environment = field(default_factory=environment)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page made from a template; what is put into it is text, whatever it looks like."""
        principal = principal_of(request)
        shown = [page for page in self.pages if page.label and page.right and may(principal, page.right)]
        made = self._templates.get_template(template).render(
            pages=shown, path=request.scope["path"], principal=principal, **values
        )
        return HTMLResponse(made.encode("utf-8", "replace"), status)

    def noted(self, request: Request, action: str, what: Mapping[str, Any]) -> None:
        """Notes in the audit log what somebody is about to be shown, or to do.

        Raises:
            StoreError: it could not be noted, and so should not be shown.
        """
        principal = principal_of(request)
        self.ledger.audit(action, what, who=principal.name if principal else "nobody")

    def refusal(self, request: Request, refusal: Refusal) -> Response | None:
        """A refusal as a page, for a browser that shows pages."""
        if not reads_pages(request):
            return None
        status = refusal.kind.status
        if refusal.kind is UNKNOWN_SENDER:
            response = self.page(request, "login.html", status, said="")
        else:
            title = TITLES.get(status, "Something went wrong")
            response = self.page(request, "refusal.html", status, title=title, said=refusal.message)
        _, headers, _ = refused_over_http(refusal, b"")
        own = (b"content-type", b"content-length")
        response.raw_headers.extend(each for each in headers if each[0] not in own)
        return response


def principal_of(request: Request) -> Principal | None:
    """Who asks."""
    found: Principal | None = request.scope.get(PRINCIPAL)
    return found


def reads_pages(request: Request) -> bool:
    """Whether whoever asks shows pages to a person."""
    is_page = not request.scope["path"].startswith(("/api/", "/v1/"))
    return is_page and "text/html" in request.headers.get("accept", "")


def fields_of(
    request: Request, *, most: int = 100, too_many: str = "there are too many fields", keep_empty: bool = False
) -> dict[str, str]:
    """What a form sent.

    Args:
        request: has the form in its body.
        most: so many fields at most.
        too_many: what is said where there are more.
        keep_empty: whether fields that were emptied are among them.

    Raises:
        Refusal: more than any form has.
    """
    try:
        body = request.state.body.decode("utf-8", "replace")
        return dict(parse_qsl(body, keep_blank_values=keep_empty, max_num_fields=most))
    except ValueError:
        raise Refusal(BAD_DATA, too_many) from None
