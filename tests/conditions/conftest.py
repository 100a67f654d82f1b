"""Real servers and real processes, started as people start them; a fake provider in front and a fake backend behind.

Every prompt is asked once and has its own answer, so that what arrives can be compared with what was asked: each call
once, with its own text.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest

import rlhf_otel as rlhf
from rlhf_otel import handles, instrumentation, semconv
from rlhf_otel.instrumentation.call import open_streams
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector, FakeLLM, Reply, capture

APPS = Path(__file__).with_name("apps")
SLOW = pytest.mark.slow
LAUNCHER = (sys.executable, "-m", "rlhf_otel.launcher.command")
SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_", "PYTHON")
NEVER = "600000"
"""A batch delay in milliseconds that no test waits for: what arrives was delivered because a process ended."""
PATIENCE = 100
"""Seconds to wait for what never comes where something hangs. A loaded machine is slow, but not that slow."""


@pytest.fixture(scope="session")
def provider():
    """A fake provider that answers each prompt with words of its own."""
    with FakeLLM(responder=lambda request: Reply(text=answer_to(request.prompt))) as server:
        yield server


@pytest.fixture
def llm(provider):
    """That provider, with nothing asked yet."""
    provider.clear()
    return provider


@pytest.fixture
def clean_process(monkeypatch, tmp_path):
    """An empty folder, none of the machine's settings, and nothing left switched on afterwards."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    rlhf.shutdown(timeout=10)
    handles.forget()


@pytest.fixture
def captured(clean_process):
    """Recording is on in this process; what is recorded is kept on a provider as an application has one."""
    with capture() as kept:
        instrumentation.switch_on()
        yield kept


@pytest.fixture
def nothing_logged(caplog, capfd):
    """No line of ours or of OpenTelemetry's, least of all on a token of a different Context, and no stream is open."""
    yield
    gc.collect()
    assert [
        r.getMessage() for r in caplog.records if r.name.startswith(("opentelemetry", "rlhf_otel", "asyncio"))
    ] == []
    assert capfd.readouterr().err == ""
    assert len(open_streams) == 0


@pytest.fixture
def backend():
    """A backend that takes OTLP."""
    with FakeCollector() as server:
        yield server


def answer_to(prompt: str) -> str:
    """What the fake provider says to `prompt`."""
    return f"You said: {prompt}"


class Running:
    """A process that was started for a test, with everything that it says."""

    def __init__(self, words, environ, folder, log) -> None:
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                words, env=environ, cwd=folder, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
            )

    @property
    def said(self) -> str:
        """Everything on stdout and stderr so far."""
        return self.log.read_text(errors="replace")

    def stop(self, number=signal.SIGTERM) -> None:
        """Tells the process to end and waits until it has."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        self.process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """Ends it with everything that it has started, whatever state it is in."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Service(Running):
    """A web server with the chat service in it."""

    port = 0

    def ask(self, prompt: str) -> dict:
        """The service's answer; waits for a server that is still starting."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/?{quote(prompt)}", timeout=PATIENCE) as response:
                    answered = json.load(response)
                break
            except URLError as error:
                refused = isinstance(error.reason, ConnectionRefusedError | ConnectionResetError)
                assert refused and self.process.poll() is None and time.monotonic() < until, self.said
                time.sleep(0.05)
        assert answered["answer"] == answer_to(prompt)
        return answered

    def ask_all(self, prompts, *, processes=1) -> list[str]:
        """Asks several prompts at once, and further ones until so many processes have answered; all that were asked."""
        asked, answered = [], set()
        until = time.monotonic() + PATIENCE
        with ThreadPoolExecutor(8) as pool:
            while not asked or len(answered) < processes:
                assert time.monotonic() < until, self.said
                wave = [f"{prompt} {len(asked)}" for prompt in prompts]
                answered |= {answer["process"] for answer in pool.map(self.ask, wave)}
                asked += wave
        return asked


@pytest.fixture
def start(tmp_path, llm):
    """Starts a command with the test applications on its path: under the launcher, or by hand."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(SETTINGS)}
    environ = {
        **clean, "PYTHONPATH": str(APPS), "PYTHONUNBUFFERED": "1", "OPENAI_BASE_URL": llm.openai_url,
        "OPENAI_API_KEY": "none", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2",
    }  # fmt: skip
    started = []

    def starter(*words, kind=Running, launched=True, **variables):
        own = {} if launched else {"BY_HAND": "1"}
        running = kind(
            [*(LAUNCHER if launched else ()), *words], {**environ, **own, **variables}, tmp_path,
            tmp_path / f"said-{len(started)}.txt",
        )  # fmt: skip
        started.append(running)
        return running

    yield starter
    for running in started:
        running.kill()


@pytest.fixture
def serve(start):
    """Starts a web server; `{port}` in its words is a free port. Stopped when the block is left."""

    @contextmanager
    def serving(*words, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        service = start(*(word.format(port=port) for word in words), kind=Service, **options)
        service.port = port
        yield service
        service.stop()

    return serving


def arrived(backend) -> list[tuple[str, str]]:
    """Prompt and answer of each span at the backend, sorted."""
    spans = [span for span in backend.spans if semconv.OPERATION_NAME in span.attributes]
    return sorted(
        (_text(span.attributes[semconv.INPUT_MESSAGES]), _text(span.attributes.get(semconv.OUTPUT_MESSAGES)))
        for span in spans
    )


def recorded(kept) -> list[tuple[str, str]]:
    """Prompt and answer of each interaction that was captured, sorted."""
    return sorted((_said(call.input), _said(call.output)) for call in kept.interactions)


def stored(path) -> list[tuple[str, str]]:
    """Prompt and answer of each call in the embedded store, sorted."""
    with Store.open(str(path), read_only=True) as store:
        return sorted((_said(call.input), _said(call.output)) for call in store.interactions())


def pairs(*prompts: str) -> list[tuple[str, str]]:
    """What is to arrive where each of `prompts` was asked once."""
    return sorted((prompt, answer_to(prompt)) for prompt in prompts)


def _text(encoded) -> str:
    return _said(json.loads(encoded)) if encoded else ""


def _said(messages) -> str:
    return "".join(part["content"] for message in messages or () for part in message["parts"])
