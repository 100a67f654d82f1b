"""Coming in and going out: a login URL that works once, a form for a token, a button to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from rlhf_otel.server.access import may
from rlhf_otel.server.access.browsers import is_followed, is_from_here, read_cookie, set_cookie
from rlhf_otel.server.answers import FORBIDDEN, Refusal
from rlhf_otel.server.pages.site import fields_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from rlhf_otel.server.pages.site import Site

USED = "This login is used up or too old. `rlhf-otel token login` makes another one."
UNKNOWN = "There is no such token, or it has expired."
NOT_A_READER = "With this token a program sends or rates; it shows nothing. Log in with one of the role reader."


def page(site: Site, request: Request) -> Response:
    """Opens a session with the code of a login URL; without one, asks for a token."""
    code = request.query_params.get("code", "")
    if not code or not is_followed(dict(request.headers.raw)) or request.method != "GET":
        return site.page(request, "login.html", said="")
    opened = site.keyring.log_in(code, site.session_s)
    if opened is None:
        site.limits.failed(_address(request))
        return site.page(request, "login.html", 401, said=USED)
    # Where a link of another page led here, the browser sends no cookie of ours along a redirect: so we go on by page.
    return _with_session(site, site.page(request, "welcome.html"), opened[1])


def enter(site: Site, request: Request) -> Response:
    """Opens a session with a token that somebody has typed."""
    if not is_from_here(dict(request.headers.raw), request.scope["scheme"]):
        raise Refusal(FORBIDDEN, "this was asked for by a page of another server")
    principal = site.keyring.bearer(fields_of(request).get("token", "").strip())
    if principal is None:
        site.limits.failed(_address(request))
        return site.page(request, "login.html", 401, said=UNKNOWN)
    if not may(principal, "read"):
        return site.page(request, "login.html", 403, said=NOT_A_READER)
    secret = site.keyring.open_session(principal, site.session_s)
    return _with_session(site, RedirectResponse("/", 303), secret)


def leave(site: Site, request: Request) -> Response:
    """Ends the session."""
    site.keyring.close_session(read_cookie(request.headers.get("cookie", ""), site.cookie))
    return _with_session(site, RedirectResponse("/login", 303), "")


def _with_session(site: Site, response: Response, secret: str) -> Response:
    response.headers["set-cookie"] = set_cookie(site.cookie, secret, site.session_s, site.is_secure)
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
