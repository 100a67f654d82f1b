"""Endpoints, headers and exporters, from wherever they are set."""

from __future__ import annotations

from pathlib import Path

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeCollector


def one_call() -> None:
    rlhf.capture(prompt="hello", response="world", model="m")


def test_the_endpoint_is_an_argument(collector):
    """An endpoint given in code gets the signal's path appended, with or without a slash at its end."""
    rlhf.instrument(endpoint=f"{collector.http_url}/")
    one_call()
    assert rlhf.flush(10)
    assert len(collector.spans) == 1


def test_the_endpoint_is_in_the_file(collector):
    """`rlhf-otel.toml` in the working directory sets endpoint and headers as well."""
    text = f'endpoint = "{collector.http_url}"\n[headers]\nauthorization = "Bearer a,b=c"\n'
    Path("rlhf-otel.toml").write_text(text)
    rlhf.instrument()
    one_call()
    assert rlhf.flush(10)
    assert collector.batches[0].headers["authorization"] == "Bearer a,b=c"


@pytest.mark.parametrize(
    "given", ["x-key=one,authorization=Basic%20QQ==", {"x-key": "one", "Authorization": "Basic QQ=="}]
)
def test_headers_are_an_argument(collector, given):
    """Headers given in code, as OpenTelemetry's text or as a mapping, are on every request of every signal."""
    rlhf.instrument(endpoint=collector.http_url, headers=given)
    one_call()
    feedback.record(rlhf.last(), True)
    assert rlhf.flush(10)
    assert {batch.signal for batch in collector.batches} == {"traces", "logs", "metrics"}
    for batch in collector.batches:
        assert (batch.headers["x-key"], batch.headers["authorization"]) == ("one", "Basic QQ==")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_headers_are_in_the_environment(monkeypatch, protocol):
    """OpenTelemetry's variable is read over either protocol."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=one")
    with FakeCollector(grpc=True) as collector:
        rlhf.instrument(endpoint=collector.grpc_url if protocol == "grpc" else collector.http_url, protocol=protocol)
        one_call()
        assert rlhf.flush(10)
        assert collector.batches[0].headers["x-key"] == "one"


def test_an_argument_beats_the_environment(collector, monkeypatch):
    """The endpoint and the headers that code names win over those of the environment."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=environment")
    rlhf.instrument(endpoint=collector.http_url, headers="x-key=argument")
    one_call()
    assert rlhf.flush(10)
    assert collector.batches[0].headers["x-key"] == "argument"


def test_a_signal_has_an_endpoint_of_its_own(collector, monkeypatch):
    """Per-signal variables are OpenTelemetry's, whole URL included; what has no endpoint stays away from the wire."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{collector.http_url}/v1/logs")
    rlhf.instrument()
    one_call()
    feedback.record(rlhf.last(), True)
    assert rlhf.flush(10)
    assert {batch.signal for batch in collector.batches} == {"logs"}
    assert Path(".rlhf-otel/store.db").exists()


def test_feedback_has_somewhere_to_go_beside_a_backend_for_traces_alone(collector, monkeypatch, lines):
    """Where only traces have a backend, feedback is kept in the embedded store, and one line says so."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.http_url}/v1/traces")
    rlhf.instrument()
    one_call()
    feedback.record(rlhf.last(), True)
    assert rlhf.flush(10)
    assert [len(collector.spans), len(collector.logs)] == [1, 0]
    assert len([line for line in lines() if "feedback is kept in .rlhf-otel/store.db" in line]) == 1
    with rlhf_store() as store:
        assert [len(store.pending()), store.counts()["interactions"]] == [1, 0]


def rlhf_store():
    from rlhf_otel.store import Store

    return Store.open(".rlhf-otel/store.db", read_only=True)


def test_a_store_beside_an_endpoint_gets_everything_too(collector, monkeypatch):
    """`RLHF_OTEL_STORE` and an endpoint together mean both."""
    monkeypatch.setenv("RLHF_OTEL_STORE", "kept/here.db")
    rlhf.instrument(endpoint=collector.http_url)
    one_call()
    feedback.record(rlhf.last(), True)
    assert rlhf.flush(10)
    ((interaction, given),) = rlhf.interactions()
    assert [span.span_id for span in collector.spans] == [interaction.span_id]
    assert [log.attributes["rlhf.feedback.id"] for log in collector.logs] == [f.id for f in given]
    assert Path("kept/here.db").exists()


def test_the_console_exporter_is_honoured(script):
    """`OTEL_TRACES_EXPORTER=console` prints spans, and no embedded store is made for them."""
    code = "import rlhf_otel as r; r.instrument(); r.capture(prompt='a', response='b', model='m')"
    ended = script(code, OTEL_TRACES_EXPORTER="console", OTEL_LOGS_EXPORTER="none")
    assert '"name": "chat m"' in ended.stdout
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not Path(".rlhf-otel").exists()


def test_the_exporter_none_is_honoured(monkeypatch, collector):
    """`none` sends nothing anywhere for its signal, even where an endpoint is set, and flush need not wait."""
    for signal in ("TRACES", "LOGS", "METRICS"):
        monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    rlhf.instrument(endpoint=collector.http_url)
    one_call()
    feedback.record(rlhf.last(), True)
    assert rlhf.flush(10)
    assert collector.batches == []
    assert list(Path().iterdir()) == []


def test_an_exporter_that_is_not_installed_is_named(monkeypatch, lines):
    """A word that no installed exporter goes by is one line, and the application runs on."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "jaguar")
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "none")
    rlhf.instrument()
    one_call()
    rlhf.flush(10)
    (line,) = lines()
    assert "'jaguar'" in line
    assert "OTEL_TRACES_EXPORTER takes otlp, console, none" in line


@pytest.mark.parametrize("variables", [{"OTEL_SDK_DISABLED": "true"}, {"RLHF_OTEL_ENABLED": "false"}])
def test_disabled_means_nothing_at_all(script, variables, provider):
    """Nothing is recorded, no thread is started and no file is made, and calls and feedback work as without us."""
    code = f"""
import threading, openai, rlhf_otel as rlhf
from rlhf_otel import feedback
rlhf.instrument()
client = openai.OpenAI(base_url={provider.openai_url!r}, api_key="k")
answer = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "Hi"}}])
assert answer.choices[0].message.content
assert rlhf.handle(answer) is None and rlhf.last() is None
assert rlhf.capture(prompt="a", response="b") is None
assert feedback.record(answer, True) is None
assert rlhf.flush() is True and rlhf.stats()["calls"] == 0
assert [t.name for t in threading.enumerate()] == ["MainThread"]
"""
    ended = script(code, **variables)
    assert (ended.returncode, ended.stdout) == (0, "")
    assert [path.name for path in script.folder.iterdir()] == ["app.py"]
