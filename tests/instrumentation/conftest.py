"""Real client libraries against a fake provider; what is recorded is kept in memory, on either kind of provider."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import contextmanager

import anthropic
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rlhf_otel import config, handles, hooks, instrumentation
from rlhf_otel.export import setup
from rlhf_otel.testing import FakeLLM, capture

from .clockwork import ask, clock  # noqa: F401 - fixtures
from .routing import http_library


@pytest.fixture(autouse=True)
def clean_process(monkeypatch, tmp_path):
    """No setting of the machine reaches a test, and nothing that a test switches on stays on."""
    for name in [name for name in os.environ if name.startswith(("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    hooks._last_said.clear()
    yield
    instrumentation.switch_off()
    setup.shutdown()
    handles.forget()


@pytest.fixture(scope="session", autouse=True)
def _quick_collections():
    """What the libraries' modules hold is not looked at again each time that a test collects garbage."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def loop():
    """One event loop for the clients that are shared."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()


@pytest.fixture(scope="session")
def server():
    """A fake provider for everything that does not break connections."""
    with FakeLLM() as made:
        yield made


@pytest.fixture(scope="session")
def clients(server, loop):
    """A client of each kind: making one costs more than many calls."""
    yield from _made(server, loop, connections=1000)


@pytest.fixture(scope="session")
def narrow_clients(server, loop):
    """The same with a single connection each, which a call only gets if the one before has let go of it."""
    yield from _made(server, loop, connections=1)


def _made(server, loop, connections):
    made = {}
    for sdk, url in ((openai, server.openai_url), (anthropic, server.anthropic_url)):
        options = {"base_url": url, "api_key": "k", "max_retries": 0}
        sync, asynchronous = CLASSES[sdk]
        limits = http_library(sdk.__name__).Limits(max_connections=connections)
        made[sdk.__name__, "sync"] = sync(**options, http_client=sdk.DefaultHttpxClient(limits=limits))
        made[sdk.__name__, "async"] = asynchronous(**options, http_client=sdk.DefaultAsyncHttpxClient(limits=limits))
    yield made
    for (_, kind), client in made.items():
        if kind == "sync":
            client.close()
        else:
            loop.run_until_complete(client.close())


CLASSES = {openai: (openai.OpenAI, openai.AsyncOpenAI), anthropic: (anthropic.Anthropic, anthropic.AsyncAnthropic)}


@pytest.fixture
def llm(server):
    """The shared provider, with nothing scripted and nothing asked yet."""
    server.clear()
    yield server
    server.clear()


@pytest.fixture
def run(loop):
    """Runs what was written once for both kinds of client: `run(kind, coroutine)`."""

    def runner(kind, coroutine):
        return loop.run_until_complete(coroutine) if kind == "async" else without_loop(coroutine)

    return runner


def without_loop(coroutine):
    """Runs a coroutine that only ever calls a synchronous client, and so never waits."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("a synchronous client does not wait for an event loop")


class Deferred:
    """What leaves a provider of our own, where the work is done on the export thread."""

    name = "kept"

    def __init__(self):
        self._kept = []

    def wants(self, item):
        return hasattr(item, "interaction")

    def send(self, items):
        self._kept.extend(items)
        return True

    def close(self):
        """Nothing is held open."""

    @property
    def spans(self):
        assert setup.flush(5)
        return [item.readable for item in self._kept]


@contextmanager
def deferred():
    """Everything is recorded by a provider of our own, and kept instead of stored."""
    kept = Deferred()
    telemetry = setup.configure(config.load({"store": ":memory:"}))
    telemetry.own.worker._make_sinks = lambda: [kept]
    strict, hooks.strict = hooks.strict, True
    try:
        yield kept
    finally:
        hooks.strict = strict
        setup.shutdown()


MODES = {"inline": capture, "deferred": deferred}


@pytest.fixture(params=MODES)
def mode(request):
    """Where spans go: a foreign provider, where all is done in place, or ours."""
    return MODES[request.param]


@pytest.fixture
def captured():
    """Both libraries are instrumented, on a foreign provider; our own faults are raised."""
    with capture() as kept:
        instrumentation.switch_on()
        yield kept


@pytest.fixture
def lenient(monkeypatch):
    """The same, but our own faults are logged, as in production."""
    with capture(strict=False) as kept:
        instrumentation.switch_on()
        yield kept


@pytest.fixture
def exporter():
    """Where the provider of the application keeps its spans."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    """A provider of the application's own."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made
