"""Real servers, ASGI and WSGI, in front of a store in memory."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
import time
import wsgiref.simple_server

import pytest
import uvicorn

import rlhf_otel as rlhf
from rlhf_otel import handles, hooks, keys

SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_")


@pytest.fixture(autouse=True)
def recording(monkeypatch, tmp_path):
    """An empty folder, none of the machine's settings, a store in memory and a secret for the tokens."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "a secret of these tests")
    hooks._last_said.clear()
    monkeypatch.setattr(hooks, "_listeners", {})
    hooks.counters.clear()
    handles.forget()
    rlhf.instrument(store=":memory:")
    yield
    rlhf.shutdown(timeout=0.5)
    keys.forget()


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, *args):
        """Nothing."""


@contextlib.contextmanager
def serving(app, kind):
    """The port of a server of this kind with `app` in it."""
    if kind == "wsgi":
        server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet)
        stop, run, port = server.shutdown, server.serve_forever, server.server_port
    else:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        stop, port = lambda: setattr(running, "should_exit", True), listener.getsockname()[1]
        run = lambda: running.run(sockets=[listener])  # noqa: E731
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while kind == "asgi" and not running.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        stop()
        thread.join(10)
        listener.close() if kind == "asgi" else server.server_close()


@pytest.fixture
def client():
    """Sends a request to a port; returns status, headers and JSON."""

    def send(port, method, path="/v1/feedback", body=b"", kind="application/json", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        given = {"Content-Type": kind} if kind else {}
        connection.request(method, path, raw or None, {**given, **{k.replace("_", "-"): v for k, v in headers.items()}})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, response.headers, json.loads(text) if text.startswith((b"{", b"[")) else text

    return send


@pytest.fixture
def call():
    """The handle of a call."""
    return rlhf.capture(prompt="question", response="answer", model="m")


@pytest.fixture
def given():
    """The feedback that counts on a call now, or its whole history."""

    def stored(handle, history=False):
        from rlhf_otel.export import setup

        assert rlhf.flush(10)
        store = setup.current().own.store_sink.store
        interaction = store.interaction(handle.span_id)
        return store.history(interaction) if history else store.feedback_on([interaction])[handle.span_id]

    return stored
