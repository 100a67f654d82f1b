"""The real OpenTelemetry Collector between applications and a backend. Without it, what needs it is skipped."""

from __future__ import annotations

import os

import pytest

from rlhf_otel.testing import FakeCollector, FakeLLM, Reply
from tests.collector import running
from tests.conftest import COLLECTOR_NOT_BUILT

SETTINGS = ("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs the collector where it is not built, and says why."""
    if why := running.why_not_built():
        for item in items:
            if item.get_closest_marker("real_collector") is not None:
                item.add_marker(pytest.mark.skip(reason=COLLECTOR_NOT_BUILT + why))


@pytest.fixture
def backend():
    """A backend that takes OTLP."""
    with FakeCollector() as server:
        yield server


@pytest.fixture
def make_collector(tmp_path, backend):
    """Makes a collector in front of the backend, not yet started."""
    made = []

    def make(**variables):
        folder = tmp_path / f"collector-{len(made)}"
        folder.mkdir()
        made.append(running.Collector(folder, variables.pop("endpoint", backend.http_url), **variables))
        return made[-1]

    yield make
    for each in made:
        if each.process is not None and each.process.poll() is None:
            each.kill()


@pytest.fixture
def collector(make_collector):
    """A collector in front of the backend, ready."""
    return make_collector().start()


@pytest.fixture
def llm():
    """A fake provider that answers each prompt with words of its own."""
    with FakeLLM(responder=lambda request: Reply(text=f"You said: {request.prompt}")) as server:
        yield server


@pytest.fixture
def start_app(tmp_path, llm):
    """Starts an application of this folder, which talks to the fake provider."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(SETTINGS)}
    started = []

    def start(name, *arguments, **variables):
        folder = tmp_path / f"app-{len(started)}"
        folder.mkdir()
        environ = {
            **clean, "OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none", "PYTHONUNBUFFERED": "1",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2", **variables,
        }  # fmt: skip
        started.append(running.App(folder, environ, name, *arguments))
        return started[-1]

    yield start
    for app in started:
        if app.process.poll() is None:
            app.process.kill()
        app.process.wait()
