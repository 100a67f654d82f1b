"""`rlhf-otel spool`, and what other commands say of the spool."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from rlhf_otel.export.spool import frames
from rlhf_otel.export.spool.spool import Spool
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7
ELSEWHERE = "traces http/protobuf http://gone:4318/v1/traces"


@pytest.fixture
def left():
    """A spool in which a process has left two calls to a backend that is gone; a function makes another that lives."""

    def make(*names: str) -> Spool:
        spool = Spool(".rlhf-otel/spool", [ELSEWHERE], 1 << 20)
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
        scope = InstrumentationScope("rlhf_otel")
        for number, name in enumerate(names):
            span = ReadableSpan(
                name, SpanContext(TRACE, SPAN + number, False), attributes=attributes, instrumentation_scope=scope,
                start_time=1_700_000_000_000_000_000, end_time=1_700_000_001_000_000_000,
            )  # fmt: skip
            spool.append([(frames.SPANS, encode_spans([span]).SerializeToString())])
        return spool

    make("first", "second").let_go()
    return make


def test_what_waits_is_listed(run, left):
    """How many items, where they are to go, and that nobody sends them; a damaged one is told."""
    (file,) = Path(".rlhf-otel/spool").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    (row,) = json.loads(run("spool", "ls", "--json").stdout)
    assert (row["items"], row["damaged"], row["holds"], row["is_owned"]) == (1, 1, "spans", False)
    assert (row["to"], row["file"], row["bytes"]) == ([ELSEWHERE], str(file.absolute()), file.stat().st_size)
    shown = run("spool", "ls")
    assert "1 (1 damaged)" in shown.stdout and "http://gone:4318" in shown.stdout
    assert "spool replay" in shown.stderr


def test_nothing_waits(run):
    """Without a spool there is an empty list, and a word about it."""
    assert json.loads(run("spool", "ls", "--json").stdout) == []
    shown = run("spool", "ls")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "Nothing waits" in shown.stderr


def test_replay_sends_it_where_the_settings_say(run, left):
    """To another endpoint than its application had; what a living process owns is left to that."""
    living = left("third")
    with FakeCollector() as collector:
        done = run("spool", "replay", "--endpoint", collector.http_url, "--json")
        assert (done.exit_code, json.loads(done.stdout)) == (0, {"sent": 2, "left": 0, "skipped": 0})
        assert [span.name for span in collector.spans] == ["first", "second"]
    (row,) = json.loads(run("spool", "ls", "--json").stdout)
    assert (row["items"], row["is_owned"]) == (1, True)
    living.let_go()


def test_replay_into_the_store(run, left):
    """Without an endpoint what was left becomes calls of the embedded store."""
    done = run("spool", "replay")
    assert done.exit_code == 0, done.stderr
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        assert sorted(call.name for call in store.interactions()) == ["first", "second"]
    assert list(Path(".rlhf-otel/spool").iterdir()) == []


def test_replay_into_a_store_that_cannot_be_opened(run, left):
    """Exit code 1, nothing counts as sent, and everything is still there."""
    Path("broken.db").write_text("no database at all")
    done = run("spool", "replay", "--store", "broken.db", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"sent": 0, "left": 2, "skipped": 0})


def test_replay_deletes_nothing_for_which_there_is_no_taker(run):
    """The local copy of a span goes to no backend, so one that is all there is stays on the disk."""
    span = ReadableSpan("local", SpanContext(TRACE, SPAN, False))
    spool = Spool(".rlhf-otel/spool", [ELSEWHERE], 1 << 20)
    spool.append([(frames.SPANS | frames.LOCAL, encode_spans([span]).SerializeToString())])
    spool.let_go()
    with FakeCollector() as collector:
        done = run("spool", "replay", "--endpoint", collector.http_url, "--json")
        assert (done.exit_code, json.loads(done.stdout)) == (1, {"sent": 0, "left": 1, "skipped": 0})
        assert collector.spans == []


def test_replay_that_nobody_takes(run, left, monkeypatch):
    """Exit code 1, and everything is still there."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    done = run("spool", "replay", "--endpoint", "http://127.0.0.1:9", "--timeout", "2")
    assert done.exit_code == 1
    assert "doctor" in done.stderr
    assert json.loads(run("spool", "ls", "--json").stdout)[0]["items"] == 2


def test_replay_that_nobody_answers_in_time(run, left):
    """What a request has that is still under way is not counted as sent."""
    with FakeCollector() as collector:
        collector.hang(3)
        done = run("spool", "replay", "--endpoint", collector.http_url, "--timeout", "0.2", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, {"sent": 0, "left": 2, "skipped": 0})


def test_export_prints_otlp(run, left):
    """One request a line, ids in hex, numbers of enumerations and times as OTLP's JSON has them."""
    lines = [json.loads(line) for line in run("spool", "export", "--jsonl").stdout.splitlines()]
    spans = [request["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for request in lines]
    assert [span["name"] for span in spans] == ["first", "second"]
    assert (spans[0]["traceId"], spans[0]["spanId"]) == (f"{TRACE:032x}", f"{SPAN:016x}")
    assert (spans[0]["kind"], spans[0]["startTimeUnixNano"]) == (1, "1700000000000000000")
    assert json.loads(run("spool", "export", "--json").stdout) == lines
    assert json.loads(run("spool", "ls", "--json").stdout)[0]["items"] == 2


def test_traces_tells_of_what_is_in_no_store_yet(run, left, store):
    """Whether there is a store or not; what a living process owns is on its way and needs no word."""
    said = "recorded waits in .rlhf-otel/spool: `rlhf-otel spool replay`"
    assert said in run("traces").stderr
    assert said in run("traces", "--store", store).stderr
    assert said not in run("traces", "--store", store, "--json").stderr
    assert run("spool", "replay").exit_code == 0
    living = left("third")
    assert said not in run("traces").stderr
    living.let_go()


def test_the_doctor_knows_of_the_spool(run, left):
    """What it keeps, and what was left in it; with the durability memory, that nothing is kept."""
    findings = [row for row in json.loads(run("doctor", "--json").stdout)["findings"] if row["check"] == "spool"]
    assert "all but the last 20 ms" in findings[0]["detail"]
    assert (findings[1]["status"], findings[1]["detail"][:12]) == ("warn", "2 items wait")
    assert "spool replay" in findings[1]["remedy"]


def test_the_doctor_says_what_memory_means(run, monkeypatch):
    """With the durability memory nothing is kept."""
    monkeypatch.setenv("RLHF_OTEL_DURABILITY", "memory")
    assert "ends with the process" in run("doctor").stdout


def test_config_shows_what_holds(run, monkeypatch):
    """The store that calls go to though nobody has named one; none where they go to an endpoint alone."""
    rows = {row["name"]: row for row in json.loads(run("config", "--json").stdout)}
    assert (rows["store"]["value"], rows["store"]["source"]) == (".rlhf-otel/store.db", "default")
    assert rows["spool"]["value"] == ".rlhf-otel/spool"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318")
    rows = {row["name"]: row for row in json.loads(run("config", "--json").stdout)}
    assert rows["store"]["value"] is None
