"""MLflow's tracking server, the real one: what it takes of ours, what it shows of it, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.backends import real

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.skip("needs MLflow in an environment of its own: `make test-backends`", allow_module_level=True)

PB = {"content_type": "application/x-protobuf", "x_mlflow_experiment_id": "0"}
EXPERIMENT = {"OTEL_EXPORTER_OTLP_HEADERS": "x-mlflow-experiment-id=0"}
KEPT_HERE = {"OTEL_LOGS_EXPORTER": "none", "RLHF_OTEL_STORE": "store.db"}
PATIENT = {"RLHF_OTEL_EXIT_TIMEOUT": "60", "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
"""Its first answer may take longer than the ten seconds that exporters wait."""


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory):
    """One MLflow for all tests."""
    with real.mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def recorded(mlflow, tmp_path):
    """Runs the application against it; what it said of its call, and its stderr."""

    def run(**variables):
        (told,), said = real.record(mlflow.url, tmp_path, "app.py", **variables)
        return told, said

    return run


def shown(mlflow, trace_id):
    """The trace as MLflow's API has it: what is in its list, and the attributes of its first span."""
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    listed = mlflow.until("/api/3.0/mlflow/traces/search", {"locations": [place], "max_results": 100})
    row = next((each for each in listed if each["trace_id"] == f"tr-{trace_id}"), None)
    if row is None:
        return None, {}
    span = mlflow.ask(f"/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id}")[1]["trace"]["spans"][0]
    return row, {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_it_shows_the_call_as_a_chat_model(recorded, mlflow):
    """Kind, model, tokens, cost, session, input and output are where MLflow's page looks for them."""
    told, said = recorded(**EXPERIMENT, **KEPT_HERE, **PATIENT)
    row, attributes = shown(mlflow, told["trace"])
    assert (row["state"], row["trace_metadata"]["mlflow.trace.session"]) == ("OK", "conv-42")
    tokens = {"input_tokens": 12, "output_tokens": 9, "total_tokens": 21, "cache_read_input_tokens": 0}
    assert json.loads(row["trace_metadata"]["mlflow.trace.tokenUsage"]) == tokens
    assert json.loads(row["trace_metadata"]["mlflow.trace.cost"]).keys() == {"input_cost", "output_cost", "total_cost"}
    assert "How long does an egg take?" in row["request_preview"]
    assert told["said"] in row["response_preview"]
    assert (attributes["mlflow.spanType"], attributes["mlflow.llm.model"]) == ("CHAT_MODEL", "gpt-5-mini")
    assert attributes["gen_ai.operation.name"] == "chat"
    assert "lost" not in said


def test_it_shows_what_failed(recorded, mlflow):
    """A call that failed is a trace in state ERROR."""
    recorded(**EXPERIMENT, **KEPT_HERE, **PATIENT)
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}
    rows = mlflow.until("/api/3.0/mlflow/traces/search", {"locations": [place], "filter": "status = 'ERROR'"})
    assert "Hi" in rows[0]["request_preview"]


def test_without_an_experiment_it_takes_nothing_and_one_line_says_so(recorded, mlflow):
    """MLflow wants its header; without it the application ends as ever, and a line says what waits."""
    told, said = recorded()
    assert shown(mlflow, told["trace"]) == (None, {})
    assert len([line for line in said.splitlines() if "does not take data" in line]) == 1


def test_it_takes_no_feedback_events_and_the_doctor_knows_what_to_do(mlflow, tmp_path):
    """Spans are taken, feedback is not, and the doctor tells how to keep it."""
    line = [sys.executable, "-m", "rlhf_otel.cli.main", "doctor", "--endpoint", mlflow.url, "--json"]
    environ = {**real.QUIET, **EXPERIMENT, "OTEL_EXPORTER_OTLP_TIMEOUT": "20"}
    done = subprocess.run(line, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    found = [each for each in json.loads(done.stdout)["findings"] if each["check"] == "endpoint"]
    assert [(each["status"], each["detail"]) for each in found] == [
        ("ok", "takes a span"),
        ("fail", "does not take a feedback event: Failed to export logs batch code: 404, reason: Not Found"),
    ]
    assert "keep feedback here with RLHF_OTEL_STORE" in found[1]["remedy"]


def test_what_it_answers_to_what_it_does_not_take(mlflow):
    """What is no request, no header, and the other signals: by status, as docs/backends.md says."""
    answers = {
        "no request": mlflow.ask("/v1/traces", b"zzz", **PB)[0],
        "no experiment": mlflow.ask("/v1/traces", b"", content_type="application/x-protobuf")[0],
        "logs": mlflow.ask("/v1/logs", b"", **PB)[0],
        "metrics": mlflow.ask("/v1/metrics", b"", **PB)[0],
    }
    assert answers == {"no request": 400, "no experiment": 422, "logs": 404, "metrics": 404}
