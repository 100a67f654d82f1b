"""Calls that wait for a person, and the command by which they decide."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import rlhf_otel as rlhf
from rlhf_otel import handles, hooks
from rlhf_otel.cli.main import cli

SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_")


@pytest.fixture(autouse=True)
def clean_process(monkeypatch, tmp_path):
    """An empty folder, none of the machine's settings, and nothing recorded before or after."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(hooks, "_listeners", {})
    hooks._last_said.clear()
    hooks.counters.clear()
    handles.forget()
    yield
    rlhf.shutdown(timeout=2)


@pytest.fixture
def reviewing():
    """Has what is recorded wait; keywords are further settings."""
    return lambda **settings: rlhf.instrument(review_before_submit=True, **settings)


@pytest.fixture
def say():
    """A call, and what is said of it where anything is; its handle."""

    def made(prompt, response="Yes.", *, comment=None, **context):
        with rlhf.context(**context):
            handle = rlhf.capture(prompt=prompt, response=response, model="gpt-5")
        if comment is not None:
            rlhf.feedback.record(handle, True, comment=comment)
        return handle

    return made


@pytest.fixture
def review():
    """Types `rlhf-otel review ...`; what came of it."""

    def typed(*words, **more):
        assert rlhf.flush(5)
        return CliRunner().invoke(cli, ["review", *words], **more)

    return typed


@pytest.fixture
def written():
    """Which files have these words in them, by their paths."""

    def found(words):
        files = (file for file in Path().rglob("*") if file.is_file())
        return sorted(str(file) for file in files if words.encode() in file.read_bytes())

    return found
