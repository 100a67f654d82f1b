"""What every answer bears, asked of every route that there is."""

from __future__ import annotations

import pytest

from rlhf_otel.server.pages import PAGES
from tests.server.access.conftest import Place
from tests.server.access.visiting import CALL, ask, bearer, logged_in

BESIDE = ("/healthz", "/static/base.css", "/static/icon.svg", "/static/nothing.css", "/nothing", "/review",
          "/feedback.js", "/v1/feedback", "/v1/feedback/openapi.json", "/v1/traces", "/v1/logs",
          "/v1/metrics")  # fmt: skip
ROUTES = sorted({page.path.replace("{span_id}", CALL.span_id) for page in PAGES} | set(BESIDE))
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_forbids_what_nobody_needs(place: Place, path: str) -> None:
    """By every method, to an admin and to nobody: no scripts and styles inside a page, no frames, no sniffing."""
    for method in METHODS:
        for who in ({}, bearer(place.tokens["admin"]), {"Accept": "text/html"}):
            answer = ask(place.url, path, method, headers=who)
            assert answer.status < 500, (method, path, answer.body)
            told = {name.lower(): value for name, value in answer.headers.items()}
            assert told["x-content-type-options"] == "nosniff"
            if path in ("/v1/traces", "/v1/logs", "/v1/metrics"):
                continue  # protobuf or JSON for programs
            policy = dict(part.strip().partition(" ")[::2] for part in told["content-security-policy"].split(";"))
            assert policy == {
                "default-src": "'self'", "img-src": "'self' data:", "object-src": "'none'", "base-uri": "'none'",
                "form-action": "'self'", "frame-ancestors": "'none'",
            }  # fmt: skip
            assert told["referrer-policy"] == "same-origin"
            assert told["x-frame-options"] == "DENY"
            assert told["cache-control"] == kept(path, method)
            assert "server" not in told


def kept(path: str, method: str) -> str:
    """How long a browser may keep an answer: nothing that anybody wrote, at all."""
    if path.startswith("/static/"):
        return "no-cache"
    return "public, max-age=3600" if path == "/feedback.js" and method in ("GET", "HEAD") else "no-store"


@pytest.mark.parametrize("path", ["/", f"/calls/{CALL.span_id}", "/login"])
def test_no_page_has_a_script_or_a_style_inside(place: Place, path: str) -> None:
    """So that the policy forbids nothing that a page needs."""
    text = ask(place.url, path, headers={"Accept": "text/html", **logged_in(place.url, place.tokens["admin"])}).text
    assert not [word for word in ("<script", "<style", " style=", " onclick=", "javascript:", "http://", "https://")
                if word in text]  # fmt: skip


def test_pages_of_others_may_use_feedback_and_nothing_else(place: Place) -> None:
    """Feedback from anywhere, without cookies; of the rest browsers hand nothing over to another site."""
    origin = {"Origin": "https://shop.example"}
    given = ask(place.url, "/v1/feedback", "OPTIONS", headers=origin)
    assert given.headers["access-control-allow-origin"] == "*"
    assert given.headers["access-control-allow-credentials"] is None
    assert given.headers["cross-origin-resource-policy"] is None
    read = ask(place.url, "/api/stats", headers={**origin, **bearer(place.tokens["admin"])})
    assert (read.status, read.headers["access-control-allow-origin"]) == (200, None)
    assert read.headers["cross-origin-resource-policy"] == "same-origin"
    assert ask(place.url, "/api/stats", "OPTIONS", headers=origin).headers["access-control-allow-origin"] is None
