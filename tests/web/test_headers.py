"""Middleware that returns `traceparent` and `x-rlhf-token`, and the endpoint in front of an application."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import rlhf_otel as rlhf
from rlhf_otel import hooks
from rlhf_otel.token import verify
from rlhf_otel.web import FeedbackApp, FeedbackWSGI, TraceHeaders, TraceHeadersWSGI

from .conftest import serving

MADE = []


@pytest.fixture(autouse=True)
def none_made():
    """No call yet."""
    MADE.clear()


def ask():
    MADE.append(rlhf.capture(prompt="q", response="a", model="m"))


def in_a_thread(request):
    ask()
    return PlainTextResponse("thread", headers={"access-control-expose-headers": "etag"})


async def in_a_task(request):
    ask()
    await asyncio.create_task(asyncio.to_thread(ask))
    return PlainTextResponse("task")


async def without_a_call(request):
    return PlainTextResponse("nothing")


async def with_its_own(request):
    ask()
    return PlainTextResponse("own", headers={"traceparent": "its own"})


STARLETTE = Starlette(
    routes=[
        Route("/thread", in_a_thread),
        Route("/task", in_a_task),
        Route("/none", without_a_call),
        Route("/own", with_its_own),
        Mount("/rlhf", FeedbackApp()),
    ]
)


def wsgi(environ, start_response):
    """The same as a WSGI application."""
    path = environ["PATH_INFO"]
    if path != "/none":
        ask()
    headers = [("Content-Type", "text/plain")] + ([("Traceparent", "its own")] if path == "/own" else [])
    start_response("200 OK", headers)
    return [path[1:].encode()]


@pytest.fixture(params=["asgi", "wsgi"])
def serve(request):
    """Serves the application behind the middleware."""

    @contextlib.contextmanager
    def behind(**options):
        if request.param == "asgi":
            app = TraceHeaders(STARLETTE, **options)
        else:
            app = TraceHeadersWSGI(FeedbackWSGI(wsgi), **options)
        with serving(app, request.param) as port:
            yield port

    return behind


def test_what_to_rate(serve, client, given):
    """The newest call of the request, in whatever task or thread; a page sends the token back and its vote is there."""
    with serve() as port:
        for path in ("/thread", "/task"):
            status, headers, _ = client(port, "GET", path)
            assert (status, headers["traceparent"]) == (200, MADE[-1].traceparent)
            assert verify(headers["x-rlhf-token"]).span_id == MADE[-1].span_id
            assert "x-rlhf-token" in ", ".join(headers.get_all("access-control-expose-headers"))
            body = {"token": headers["x-rlhf-token"], "value": True}
            assert client(port, "POST", "/rlhf/v1/feedback", body)[0] == 202
    assert [f.value for f in given(MADE[-1])] == [True]


def test_requests_without_a_call(serve, client):
    """Nothing is added, also after a request that made one on the same thread."""
    with serve() as port:
        client(port, "GET", "/thread")
        _, headers, text = client(port, "GET", "/none")
    assert headers["x-rlhf-token"] is None
    assert headers["traceparent"] is None
    assert text in (b"nothing", b"none")


def test_the_applications_own_headers_win(serve, client):
    """A `traceparent` that is there stays alone."""
    with serve() as port:
        _, headers, _ = client(port, "GET", "/own")
    assert headers.get_all("traceparent") == ["its own"]
    assert verify(headers["x-rlhf-token"]).span_id == MADE[-1].span_id


def test_whom_the_token_is_for(serve, client):
    """Rater, names and time to live, as the application says."""
    options = {"rater": lambda request: "u1", "names": ["tone"], "ttl": "1h", "key": "another secret of ours"}
    with serve(**options) as port:
        _, headers, _ = client(port, "GET", "/thread")
    claims = verify(headers["x-rlhf-token"], "another secret of ours")
    assert (claims.is_for("u1"), claims.is_for("u2"), claims.names) == (True, False, ("tone",))


def test_what_fails_fails_no_response(serve, client):
    """A function that raises costs the headers, and is counted."""
    with serve(rater=lambda request: 1 / 0) as port:
        status, headers, _ = client(port, "GET", "/thread")
    assert (status, headers["x-rlhf-token"]) == (200, None)
    assert hooks.counters["faults"] == 1


def test_in_front_of_an_application(client, call):
    """What is not the endpoint's goes to the application, its lifespan included."""
    began = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        began.append(True)
        yield

    inner = Starlette(routes=[Route("/none", without_a_call)], lifespan=lifespan)
    with serving(FeedbackApp(inner), "asgi") as port:
        assert client(port, "GET", "/none")[2] == b"nothing"
        assert client(port, "POST", body={"token": call.token(), "value": True})[0] == 202
        assert client(port, "GET", "/nowhere")[0] == 404
    assert began == [True]


def test_the_context_of_another_service(serve, client):
    """With `baggage=True` calls get the context that the request brings; without it nobody says who they are."""
    with rlhf.context(session="conv-42", user="u1", tier="gold"):
        sent = rlhf.baggage()
    for options in ({"baggage": True}, {}):
        with serve(**options) as port:
            client(port, "GET", "/thread", **sent)
    rlhf.flush(5)
    newest, oldest = (call for call, _ in rlhf.interactions())
    assert (oldest.session, oldest.user, dict(oldest.context)) == ("conv-42", "u1", {"tier": "gold"})
    assert (newest.session, newest.user) == (None, None)
