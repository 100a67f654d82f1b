"""The real OpenTelemetry Collector between applications and a backend. Without it, what needs it is skipped."""

from __future__ import annotations

import os
import signal

import pytest

from rlhf_otel.testing import FakeCollector, FakeLLM, Reply
from tests.collector import running
from tests.conftest import COLLECTOR_NOT_BUILT
from tests.server.process import Serve

SETTINGS = ("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHON")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what needs the collector where it is not built, and says why."""
    if why := running.why_not_built():
        for item in items:
            if item.get_closest_marker("real_collector") is not None:
                item.add_marker(pytest.mark.skip(reason=COLLECTOR_NOT_BUILT + why))


class Served:
    """`rlhf-otel serve` with a token, on a port that it keeps when it goes down and comes up again."""

    token = "a-token-of-the-server"

    def __init__(self, store):
        self.store = store
        self._port = running.free_ports(1)[0]
        self.up()

    def up(self):
        """Starts it."""
        environ = {"RLHF_OTEL_SERVER_TOKEN": self.token}
        self._process = Serve(self.store, ["--no-grpc"], environ, port=self._port)

    def down(self):
        """Kills it, in the middle of whatever it does."""
        self._process.stop(signal.SIGKILL)

    @property
    def behind(self):
        """The collector's variables that have it in front of this server."""
        return {
            "endpoint": f"http://127.0.0.1:{self._port}",
            "COLLECTOR_SERVE_TOKEN": self.token,
            "COLLECTOR_SERVE_COMPRESSION": "zstd",
        }

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.__exit__(*error)


@pytest.fixture
def backend():
    """A backend that takes OTLP."""
    with FakeCollector() as server:
        yield server


@pytest.fixture
def served(tmp_path):
    """`rlhf-otel serve` with a token, as it is started; and started again where a test stops it."""
    with Served(tmp_path / "store.db") as server:
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
