"""Feedback as an application gives it, with what left the process kept in memory."""

from __future__ import annotations

import os

import pytest

import rlhf_otel as rlhf
from rlhf_otel import handles, hooks
from rlhf_otel.testing import FakeLLM

SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_")


@pytest.fixture(autouse=True)
def clean_process(monkeypatch, tmp_path):
    """An empty folder, none of the machine's settings, and nothing recorded before or after."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    hooks._last_said.clear()
    monkeypatch.setattr(hooks, "_listeners", {})
    monkeypatch.setattr(hooks, "strict", False)
    hooks.counters.clear()
    handles.forget()
    yield
    rlhf.shutdown(timeout=0.5)


@pytest.fixture
def recording():
    """A store in memory to record into."""
    rlhf.instrument(store=":memory:")


@pytest.fixture
def strict(monkeypatch):
    """What is wrong with a feedback is raised."""
    monkeypatch.setattr(hooks, "strict", True)


@pytest.fixture
def store(recording):
    """What was stored so far, everything delivered."""
    from rlhf_otel.export import setup

    def delivered():
        assert rlhf.flush(10)
        return setup.current().own.store_sink.store

    return delivered


@pytest.fixture
def call(recording):
    """The handle of a call."""
    return rlhf.capture(prompt="question", response="answer", model="m")


@pytest.fixture
def given(store):
    """All feedback that was stored, with or without its call, the retracted included."""

    def everything():
        kept = store()
        found = [*(f for i in kept.interactions() for f in kept.history(i)), *kept.pending()]
        return list({f.id: f for f in found}.values())

    return everything


@pytest.fixture(scope="session")
def provider():
    """A fake provider of models."""
    with FakeLLM() as server:
        yield server


@pytest.fixture
def lines(caplog):
    """What our logger said, as warnings or worse."""
    return lambda: [
        record.getMessage() for record in caplog.records if record.name == "rlhf_otel" and record.levelno > 20
    ]
