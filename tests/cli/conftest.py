"""A store with a few calls and opinions in it, and the command in front of it."""

from __future__ import annotations

import os
import time

import pytest
from click.testing import CliRunner, Result

from rlhf_otel.cli.main import cli
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

MINUTE = 60 * 10**9
GOOD, FAILED, LEFT, UNSEEN = "00f067aa0ba902b7", "00f067aa0ba902b8", "00f067aa0ba902b9", "00f067aa0ba902bf"
ESCAPE = "\x1b[31m"


def text(role, content, **more):
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


def interaction(span_id, age, **fields):
    start = time.time_ns() - age
    usual = {
        "trace_id": "4bf92f3577b34da6" + span_id,
        "span_id": span_id,
        "start_ns": start,
        "end_ns": start + 1_420_000_000,
        "operation": "chat",
        "provider": "openai",
        "request_model": "gpt-5-mini",
        "response_id": f"chatcmpl-{span_id[-2:]}",
        "stream": True,
        "stream_end": "completed",
        "time_to_first_token_s": 0.42,
        "input_tokens": 12,
        "output_tokens": 345,
        "input": [text("user", "How long does an egg take?")],
        "output": [text("assistant", f"Seven minutes, {ESCAPE}[bold]not more[/bold].", finish_reason="stop")],
    }
    return Interaction(**{**usual, **fields})


def opinion(feedback_id, span_id=GOOD, **fields):
    usual = {
        "id": feedback_id,
        "name": "user_feedback",
        "kind": "binary",
        "time_ns": time.time_ns(),
        "span_id": span_id,
    }
    return Feedback(**{**usual, **fields})


CALL = [{"role": "assistant", "parts": [{"type": "tool_call", "name": "weather", "arguments": {"city": "Paris"}}]}]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No setting of the machine, and nothing written outside."""
    for name in tuple(os.environ):
        if name.startswith(("OTEL_", "RLHF_OTEL_", "OPENINFERENCE_", "TRACELOOP_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(tmp_path):
    """The path of a store with three calls: a good one with feedback, a failed one, and one that was left early."""
    path = tmp_path / "calls.db"
    calls = [
        interaction(GOOD, MINUTE, session="conv-42", user="u1", consent="train", context={"app_version": "1.2"}),
        interaction(FAILED, 5 * MINUTE, request_model="gpt-5", status="error", error_type="RateLimitError",
                    error_message="slow down", output=[], time_to_first_token_s=None, output_tokens=None),
        interaction(LEFT, 90 * MINUTE, stream_end="abandoned", output=CALL),
    ]  # fmt: skip
    given = [
        opinion("f1", value=True, rater="u1"),
        opinion("f2", value=False, rater="u1", comment="changed my mind"),
        opinion("f3", name="helpfulness", kind="rating", value=4, scale=(1, 5)),
        opinion("f4", name="correction", kind="correction", correction="Six minutes."),
        opinion("f5", UNSEEN, value=True),
    ]
    with Store.open(path) as opened:
        opened.add(calls, given)
    return str(path)


@pytest.fixture
def run():
    """Runs `rlhf-otel` with words, in this process."""

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return invoke
