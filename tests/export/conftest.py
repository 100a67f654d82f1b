"""Real exporters, real servers and, where a process has to end, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

import rlhf_otel as rlhf
from rlhf_otel import handles, hooks
from rlhf_otel.export import pipeline, setup
from rlhf_otel.testing import FakeCollector, FakeLLM

SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_")
ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
_SLOTS = (
    (trace, "_TRACER_PROVIDER", "_TRACER_PROVIDER_SET_ONCE"),
    (_logs._internal, "_LOGGER_PROVIDER", "_LOGGER_PROVIDER_SET_ONCE"),
    (metrics._internal, "_METER_PROVIDER", "_METER_PROVIDER_SET_ONCE"),
)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch, tmp_path):
    """An empty folder, none of the machine's settings, nothing recorded before, and everything as it was afterwards."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    hooks._last_said.clear()
    monkeypatch.setattr(hooks, "_listeners", {})
    monkeypatch.setattr(hooks, "enabled", True)
    monkeypatch.setattr(pipeline, "processors", [])
    monkeypatch.setattr(setup, "_global_own", None)
    for module, provider, once in _SLOTS:
        monkeypatch.setattr(module, provider, None)
        monkeypatch.setattr(module, once, Once())
    # No export outlasts its test: the SDK's retries draw random numbers, which disturbs Hypothesis.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    hooks.counters.clear()
    handles.forget()
    yield
    rlhf.shutdown(timeout=10)


@pytest.fixture(scope="session")
def provider():
    """A fake provider of models that all tests share."""
    with FakeLLM() as server:
        yield server


@pytest.fixture
def llm(provider):
    """That provider, with nothing scripted yet."""
    provider.clear()
    yield provider
    provider.clear()


@pytest.fixture(scope="session")
def shared_client(provider):
    with openai.OpenAI(base_url=provider.openai_url, api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def ask(shared_client, llm):
    """Asks the fake provider something through the real client; keywords go to `create`."""
    return lambda **more: shared_client.chat.completions.create(**{**ASK, **more})


@pytest.fixture
def collector():
    """A backend that takes OTLP over http."""
    with FakeCollector() as server:
        yield server


@pytest.fixture
def theirs():
    """A provider as an application makes it, with the spans that its exporter got; not global yet."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.exporter = exporter
    yield provider
    provider.shutdown()


@pytest.fixture
def lines(caplog):
    """What our logger said, as warnings or worse."""
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "rlhf_otel" and record.levelno > 20
    ]


@dataclass
class Script:
    """Runs Python code as an application of its own."""

    folder: Path
    environ: dict[str, str]

    def __call__(self, code: str, *, timeout: float = 30, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `code` to its end."""
        file = self.folder / "app.py"
        file.write_text(code)
        return subprocess.run(
            [sys.executable, str(file)], env={**self.environ, **variables}, cwd=self.folder, capture_output=True,
            text=True, timeout=timeout, check=False,
        )  # fmt: skip


@pytest.fixture
def script(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OTEL_"))}
    return Script(tmp_path, kept)
