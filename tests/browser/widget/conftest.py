"""A static page on another origin than the endpoint, under a policy that permits no more than the component needs."""

from __future__ import annotations

import html
import time

import pytest

from rlhf_otel.web import FeedbackApp
from tests.web.conftest import call, given, recording, serving

__all__ = ["call", "given", "recording"]

LISTEN = """
window.told = [];
addEventListener("rlhf-feedback", (event) => told.push(event.detail));
addEventListener("securitypolicyviolation", (event) => console.error(event.violatedDirective));
"""
STYLE = """
:root { color-scheme: light dark; --rlhf-accent: light-dark(#1a56db, #9dc1ff); }
body { color: light-dark(#1c1e21, #e8eaed); background: light-dark(#fff, #17191c); font: 16px/1.5 system-ui, sans-serif;
  max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
"""


class Endpoint:
    """The endpoint, with what was requested of it; it fails first as often as it is told."""

    def __init__(self, app):
        self.url, self.app, self.requests, self.failing = "", app, [], []

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["path"] == "/v1/feedback":
            self.requests.append((scope["method"], {name.decode(): value.decode() for name, value in scope["headers"]}))
            if self.failing:
                status, wait = self.failing.pop(0)
                sent = [
                    (b"retry-after", wait),
                    (b"access-control-allow-origin", b"*"),
                    (b"access-control-expose-headers", b"*"),
                ]
                await send({"type": "http.response.start", "status": status, "headers": sent})
                await send({"type": "http.response.body", "body": b"{}"})
                return
        await self.app(scope, receive, send)


class Site:
    """Serves the pages that a test writes, from another origin than the endpoint's, and another site too."""

    def __init__(self, permitted):
        self.url, self.pages = "", {}
        self.permit(permitted)

    def permit(self, permitted):
        """Has the pages' policy permit this origin and no other."""
        policy = f"default-src 'none'; script-src {permitted}; connect-src {permitted}; style-src 'nonce-own'"
        self._policy = f"{policy}; require-trusted-types-for 'script'"

    async def __call__(self, scope, receive, send):
        body = self.pages.get(scope.get("path"))
        headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", self._policy.encode())]
        await send({"type": "http.response.start", "status": 200 if body else 404, "headers": headers})
        await send({"type": "http.response.body", "body": (body or "").encode()})


class Page:
    """A page in Chromium."""

    def __init__(self, page, endpoint_url, site):
        self.page, self.url, self.origin, self._site, self.errors = page, endpoint_url, site.url, site, []
        page.add_init_script(LISTEN)
        page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))

    def show(self, body, path="/", **options):
        """Goes to a page with this body, and the component's script with these `data-` attributes."""
        data = "".join(f' data-{name.replace("_", "-")}="{html.escape(value)}"' for name, value in options.items())
        self._site.pages[path] = f"""<!doctype html><html lang="en"><head><title>A page</title>
            <meta name="viewport" content="width=device-width"><style nonce="own">{STYLE}</style>
            <script src="{self.url}/feedback.js" async{data}></script></head><body><main>{body}</main></body></html>"""
        self.page.goto(self._site.url + path)
        self._until("customElements.get('rlhf-feedback')")
        return self.page

    def wait(self, status, count=1):
        """Waits until the page was told this status so often; what it was told of those."""
        self._until(f"told.filter(({{ status }}) => status === '{status}').length >= {count}")
        return [told for told in self.page.evaluate("told") if told["status"] == status]

    def _until(self, condition):
        """Waits for a condition; Playwright's own way would evaluate a text in the page, against its policy."""
        wait = f"async () => {{ while (!({condition})) await new Promise((done) => setTimeout(done, 20)); }}"
        self.page.evaluate(f"() => Promise.race([({wait})(), new Promise((_, fail) => setTimeout(fail, 9000, told))])")


@pytest.fixture(scope="module")
def servers():
    """The endpoint, and the site of the pages, each with its address."""
    endpoint = Endpoint(FeedbackApp(per_token=0, per_address=0))
    with serving(endpoint, "asgi") as port:
        endpoint.url = f"http://127.0.0.1:{port}"
        site = Site(endpoint.url)
        with serving(site, "asgi") as other:
            site.url = f"http://localhost:{other}"
            yield endpoint, site


@pytest.fixture
def endpoint(servers):
    """The endpoint that feedback is sent to."""
    servers[0].requests.clear()
    servers[0].failing.clear()
    return servers[0]


@pytest.fixture
def site(page, endpoint, servers):
    """Shows pages; none of them broke the policy or had anything to complain about."""
    shown = Page(page, endpoint.url, servers[1])
    yield shown
    assert [error for error in shown.errors if "favicon" not in error and "Failed to load" not in error] == []


@pytest.fixture
def token(call):
    """A token for the call."""
    return call.token(rater="u1")


@pytest.fixture
def later(given):
    """Waits until so many feedbacks on a call have come; all of them, oldest first."""

    def wait(handle, count):
        found = soon(lambda: given(handle, history=True), lambda found: len(found) >= count)
        assert len(found) == count, found
        return found

    return wait


def soon(read, is_there):
    """What is read, again and again until it is there."""
    until = time.monotonic() + 10
    while not is_there(found := read()) and time.monotonic() < until:
        time.sleep(0.02)
    return found
