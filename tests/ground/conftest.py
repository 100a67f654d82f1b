"""The ground floor: no telemetry, no server, an empty folder and none of the machine's settings."""

from __future__ import annotations

import os

import pytest

from rlhf_otel import handles, hooks

SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_")


@pytest.fixture(autouse=True)
def clean_process(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    hooks._last_said.clear()
    monkeypatch.setattr(hooks, "_listeners", {})
    monkeypatch.setattr(hooks, "strict", False)
    hooks.counters.clear()
    handles.forget()
    yield
    handles.forget()
