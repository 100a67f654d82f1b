"""`GET /feedback.js`: the web component as it is served."""

from __future__ import annotations

import gzip

import pytest

from rlhf_otel.web import FeedbackApp, FeedbackWSGI, script

from .conftest import serving


async def host(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the host's"})


def wsgi_host(environ, start_response):
    start_response("200 OK", [])
    return [b"the host's"]


@pytest.fixture(scope="module", params=["asgi", "wsgi"])
def servers(request):
    """The ports of the endpoint alone, and in front of an application."""
    made = (FeedbackApp(), FeedbackApp(host)) if request.param == "asgi" else (FeedbackWSGI(), FeedbackWSGI(wsgi_host))
    with serving(made[0], request.param) as alone, serving(made[1], request.param) as in_front:
        yield alone, in_front


def test_it_is_small():
    """At most six kilobytes come over the wire, of lines without what is for its authors."""
    assert len(gzip.compress(script.text(), 9)) <= 6 * 1024
    assert b"\n//" not in script.text() and b"\n " not in script.text()


def test_any_page_may_load_it(servers, client):
    """With its type, for any origin, not to be taken for anything else, and kept for an hour."""
    for port in servers:
        status, headers, body = client(port, "GET", "/feedback.js", kind=None)
        assert (status, body, headers["Content-Type"]) == (200, script.text(), "text/javascript; charset=utf-8")
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers.get_all("Cache-Control") == ["public, max-age=3600"]


def test_it_goes_packed_and_once(servers, client):
    """Whoever can unpack gets it packed, and whoever has it gets nothing."""
    _, headers, body = client(servers[0], "GET", "/feedback.js", kind=None, Accept_Encoding="br, gzip")
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "accept-encoding")
    assert gzip.decompress(body) == script.text()
    status, again, body = client(servers[0], "GET", "/feedback.js", kind=None, If_None_Match=headers["ETag"])
    assert (status, body, again["ETag"]) == (304, b"", headers["ETag"])
    status, _, body = client(servers[0], "GET", "/feedback.js", kind=None, If_None_Match='W/"another"')
    assert (status, body) == (200, script.text())


def test_other_methods(servers, client):
    """HEAD has the headers alone, and nothing can be written there."""
    status, headers, body = client(servers[0], "HEAD", "/feedback.js", kind=None)
    assert (status, headers["Content-Length"], body) == (200, str(len(script.text())), b"")
    status, headers, _ = client(servers[0], "POST", "/feedback.js", {})
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_the_hosts_own_script_stays(servers, client):
    """In front of an application it takes no path but its own; alone it is found wherever it is mounted."""
    alone, in_front = servers
    assert client(in_front, "GET", "/static/feedback.js", kind=None)[2] == b"the host's"
    assert client(alone, "GET", "/rlhf/feedback.js", kind=None)[2] == script.text()


def test_mounted_by_starlette(client):
    """Under a path of a router, next to the endpoint."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    with serving(Starlette(routes=[Mount("/rlhf", FeedbackApp(host))]), "asgi") as port:
        assert client(port, "GET", "/rlhf/feedback.js", kind=None)[2] == script.text()
        assert client(port, "GET", "/rlhf/else/feedback.js", kind=None)[2] == b"the host's"
