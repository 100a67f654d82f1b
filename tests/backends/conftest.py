"""A store with one feedback of every kind, and `rlhf-otel` in this process."""

from __future__ import annotations

import json
import os

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store
from tests.backends.annotation_apis import LangfuseApi, PhoenixApi

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
RATED, OTHER, ELSEWHERE = "00f067aa0ba902b7", "00f067aa0ba902b8", "00f067aa0ba902bf"
START = 1_700_000_000_000_000_000

OF_EVERY_KIND = {
    "thumb": {"kind": "binary", "value": True, "comment": "good", "rater": "u1"},
    "helpfulness": {"kind": "rating", "value": 4, "scale": (1, 5)},
    "judge": {"kind": "score", "value": 0.8, "annotator_kind": "LLM", "source": "agent"},
    "topic": {"kind": "categorical", "value": "off_topic", "label": "off_topic"},
    "comment": {"kind": "comment", "comment": "x" * 600},
    "correction": {"kind": "correction", "correction": "Six minutes.", "comment": "too long"},
    "copy": {"kind": "signal", "signal": "copy", "value": 0.8, "annotator_kind": "CODE"},
    "step": {"kind": "binary", "value": False, "step": 2},
}
"""Name -> what was said."""


def feedback(feedback_id, name="thumb", span_id=RATED, **fields):
    usual = {"trace_id": TRACE, "time_ns": START + 10**9, "kind": "binary", "value": True}
    return Feedback(id=feedback_id, name=name, span_id=span_id, **{**usual, **fields})


def call(span_id):
    return Interaction(trace_id=TRACE, span_id=span_id, start_ns=START, end_ns=START + 10**9, operation="chat")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No setting of the machine, and nothing written outside."""
    for name in tuple(os.environ):
        if name.startswith(("OTEL_", "RLHF_OTEL_", "PHOENIX_", "LANGFUSE_")) and name != "RLHF_OTEL_TEST_LIBRARIES":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def add(tmp_path):
    """Puts feedback into the store that the commands open, which has two calls."""

    def put(*given):
        with Store.open(tmp_path / ".rlhf-otel" / "store.db") as opened:
            opened.add([call(RATED), call(OTHER)], given)

    return put


@pytest.fixture
def push():
    """Runs `rlhf-otel push`; what it counts, or where that fails what it says."""

    def run(*words):
        done = CliRunner().invoke(cli, ["push", *words, "--json"])
        return json.loads(done.stdout) if done.exit_code == 0 else done.stderr

    return run


@pytest.fixture
def phoenix_api():
    """Phoenix's annotation API, with the two calls."""
    with PhoenixApi(RATED, OTHER) as server:
        yield server


@pytest.fixture
def langfuse_api(monkeypatch):
    """Langfuse's, with keys for it."""
    monkeypatch.setenv("LANGFUSE_PUBLIC_KEY", "pk-1")
    monkeypatch.setenv("LANGFUSE_SECRET_KEY", "sk-1")
    with LangfuseApi() as server:
        yield server
