"""Arize Phoenix, the real one: what it takes of ours, what it shows of it, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.backends import real

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.skip("needs Phoenix in an environment of its own: `make test-backends`", allow_module_level=True)

SPANS = "/v1/projects/default/spans?limit=100"
PB = {"content_type": "application/x-protobuf"}


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory):
    """One Phoenix for all tests."""
    with real.phoenix(tmp_path_factory.mktemp("phoenix")) as server:
        yield server


@pytest.fixture
def recorded(phoenix, tmp_path):
    """Runs the application against it; what it said of its call, the span as Phoenix shows it, and its stderr."""

    def run(**variables):
        (told,), said = real.record(phoenix.url, tmp_path, "app.py", **variables)
        shown = phoenix.until(f"{SPANS}&trace_id={told['trace']}")
        return told, next(each for each in shown if each["context"]["span_id"] == told["span"]), said

    return run


def rlhf_otel(folder, *words):
    """What the command prints."""
    line = [sys.executable, "-m", "rlhf_otel.cli.main", *words]
    return subprocess.run(line, cwd=folder, env=real.QUIET, capture_output=True, text=True, check=False)


def test_it_shows_the_call_as_its_own_kind_of_llm_span(recorded, phoenix):
    """Kind, model, provider, tokens, messages and session are where Phoenix's page looks for them."""
    told, span, _ = recorded()
    assert (span["name"], span["span_kind"], span["status_code"]) == ("chat gpt-5-mini", "LLM", "UNSET")
    said = span["attributes"]
    shown = ("llm.token", "llm.model", "llm.provider", "session")
    assert {name: said[name] for name in said if name.startswith(shown)} == {
        "llm.model_name": "gpt-5-mini", "llm.provider": "openai", "session.id": "conv-42",
        "llm.token_count.prompt": 12, "llm.token_count.completion": 9, "llm.token_count.total": 21,
        "llm.token_count.prompt_details.cache_read": 0,
    }  # fmt: skip
    assert [said[f"llm.input_messages.{place}.message.content"] for place in (0, 1)] == [
        "Be brief.",
        "How long does an egg take?",
    ]
    assert said["llm.output_messages.0.message.content"] == told["said"] == real.ANSWER
    assert said["gen_ai.operation.name"] == "chat"


def test_it_shows_what_failed(recorded, phoenix):
    """A call that failed is an error with its message."""
    recorded()
    (failed, *_) = [each for each in phoenix.until(SPANS) if each["name"] == "chat no-such-model"]
    assert (failed["span_kind"], failed["status_code"]) == ("LLM", "ERROR")
    assert failed["status_message"] == "Error code: 404 - no such model"


def test_it_takes_no_feedback_events_and_one_line_says_so(recorded):
    """Log events are refused; the application ends as ever, and says once what waits and once what is lost."""
    _, _, said = recorded()
    assert [line for line in said.splitlines() if "does not take data" in line] == [
        "rlhf-otel: logs_OTLPLogExporter does not take data (HTTP 405); 1 items wait "
        "(the application is not affected; see: rlhf-otel doctor)"
    ]


def test_the_doctor_knows_what_to_do_about_it(phoenix, tmp_path):
    """It tells that spans are taken and feedback is not, and how to keep that."""
    found = json.loads(rlhf_otel(tmp_path, "doctor", "--endpoint", phoenix.url, "--json").stdout)["findings"]
    told = [(each["status"], each["detail"], each["remedy"]) for each in found if each["check"] == "endpoint"]
    assert told[0][:2] == ("ok", "takes a span")
    assert told[1][:2] == (
        "fail",
        "does not take a feedback event: Failed to export logs batch code: 405, reason: Method Not Allowed",
    )
    assert "OTEL_LOGS_EXPORTER=none; `rlhf-otel push` copies it over" in told[1][2]


def test_what_it_answers_to_what_it_does_not_take(phoenix):
    """JSON, what is no request, and the other signals: by status, as docs/backends.md says."""
    answers = {
        "json": phoenix.ask("/v1/traces", {"resourceSpans": []})[0],
        "no request": phoenix.ask("/v1/traces", b"zzz", **PB)[0],
        "logs": phoenix.ask("/v1/logs", b"", **PB)[0],
        "metrics": phoenix.ask("/v1/metrics", b"", **PB)[0],
    }
    assert answers == {"json": 415, "no request": 422, "logs": 405, "metrics": 405}


def test_feedback_is_pushed_onto_its_span(recorded, phoenix, tmp_path):
    """Kept in the store and pushed, it is an annotation there, one however often, until it is taken back."""
    told, _, said = recorded(RLHF_OTEL_STORE="store.db", OTEL_LOGS_EXPORTER="none")
    assert "lost" not in said
    push = ("push", "phoenix", "--url", phoenix.url, "--store", "store.db", "--json")
    assert json.loads(rlhf_otel(tmp_path, *push).stdout) == {"sent": 1, "unchanged": 0, "removed": 0, "waiting": 0}
    rlhf_otel(tmp_path, *push, "--again")
    where = f"/v1/projects/default/span_annotations?span_ids={told['span']}"
    (annotation,) = phoenix.ask(where)[1]["data"]
    assert (annotation["name"], annotation["annotator_kind"]) == ("helpful", "HUMAN")
    assert annotation["result"] == {"label": "up", "score": 1.0, "explanation": "good"}
    assert annotation["metadata"]["feedback_id"] == told["feedback"]
    rlhf_otel(tmp_path, "feedback", "--retract", told["feedback"], "--store", "store.db")
    assert json.loads(rlhf_otel(tmp_path, *push).stdout) == {"sent": 0, "unchanged": 0, "removed": 1, "waiting": 0}
    assert phoenix.ask(where)[1]["data"] == []


def test_feedback_on_a_span_that_it_does_not_have_waits(phoenix, tmp_path):
    """Phoenix names the span that is missing, and the push counts it as waiting."""
    rlhf_otel(tmp_path, "feedback", "00f067aa0ba902b7", "up", "--store", "store.db")
    done = rlhf_otel(tmp_path, "push", "phoenix", "--url", phoenix.url, "--store", "store.db")
    assert done.stdout == ("0 sent, 0 there already, 0 removed, 1 not taken: phoenix does not have their spans (yet)\n")
