"""From a call to its acknowledgement by way of the disk: outages, restarts, the durabilities."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest
from opentelemetry import _logs
from opentelemetry.sdk.trace import TracerProvider

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.export import intake, setup
from rlhf_otel.export.spool.folder import listed
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

from .conftest import SPOOL, flushed, items, models, until, written

KEY = "sk-proj-" + "aB3" * 16
on_disk = pytest.mark.parametrize("durability", ["disk", "sync"])
protocols = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
pytestmark = pytest.mark.usefixtures("quick")


# --- What is on the disk, and when ------------------------------------------------------------------------------------


def test_sync_has_written_a_call_when_it_returns(collector, ask):
    """Before the span's end returns the frame is there; nothing waits for the backend."""
    collector.hang(5)
    rlhf.instrument(endpoint=collector.http_url, durability="sync")
    for number in range(3):
        ask()
        assert items() == number + 1
    collector.recover()


def test_disk_writes_a_call_soon_and_sends_it_later(collector, ask):
    """It is on the disk long before the first of a batch has waited for company."""
    rlhf.instrument(endpoint=collector.http_url, batch_delay_ms=60_000)
    ask()
    until(lambda: SPOOL.exists() and items() == 1)
    assert collector.batches == []


def test_disk_writes_while_a_backend_holds_up_delivery(collector, ask):
    """A request that hangs holds up the export thread, and not the one that writes."""
    collector.hang(30)
    rlhf.instrument(endpoint=collector.http_url, batch_delay_ms=1)
    ask()
    until(lambda: SPOOL.exists() and items() == 1)
    time.sleep(0.1)
    ask()
    until(lambda: items() == 2)
    collector.down()


@on_disk
def test_feedback_is_written_when_its_verb_returns(durability, collector):
    """Where a backend is to get it, it is spooled; the status says so."""
    collector.hang(30)
    rlhf.instrument(endpoint=collector.http_url, durability=durability)
    ref = feedback.record(span_id="00f067aa0ba902b7", value=True)
    assert ref.status == "spooled"
    assert ref.id.encode() in written()
    collector.down()


def test_memory_writes_nothing(collector):
    """Python's audit hook sees no file opened for writing, and no folder made, by whatever thread."""
    seen = []
    is_on = [True]

    def hook(event, args):
        if is_on and (event in ("os.mkdir", "os.rename") or (event == "open" and _writes(args))):
            seen.append((event, args))

    sys.addaudithook(hook)
    try:
        rlhf.instrument(endpoint=collector.http_url, durability="memory")
        made = rlhf.capture(prompt="a", response="b")
        assert feedback.record(made, True).status == "sent"
        assert flushed()
    finally:
        is_on.clear()
    assert len(collector.spans) == len(collector.logs) == 1
    assert seen == []
    assert list(Path().iterdir()) == []


def _writes(args) -> bool:
    path, mode, flags = args
    is_compiled = "__pycache__" in str(path)
    return not is_compiled and (any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & 3))


def test_a_store_in_memory_has_nothing_on_the_disk(ask):
    """Who wants nothing to outlast the process does not want it in a spool either."""
    rlhf.instrument(store=":memory:", durability="sync")
    ask()
    assert flushed()
    assert list(Path().iterdir()) == []


@on_disk
def test_what_is_written_is_redacted(durability, collector, ask):
    """A key is in no byte of the spool, whoever made the span; a processor has been there before as well."""
    collector.fail(400)

    def rename(interaction):
        from dataclasses import replace

        return replace(interaction, variant="seen")

    rlhf.add_processor(rename)
    rlhf.instrument(endpoint=collector.http_url, durability=durability)
    ask(messages=[{"role": "user", "content": f"my key is {KEY}"}])
    tracer = setup.current().own.tracer_provider.get_tracer("somebody else")
    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"my key is {KEY}"}]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": said}
    tracer.start_span("theirs", attributes=attributes).end()
    until(lambda: items() == 2)
    assert KEY.encode() not in written()
    assert b"my key is" in written() and b"seen" in written()
    collector.recover()
    assert flushed()
    theirs = next(span for span in collector.spans if span.name == "theirs")
    assert KEY in theirs.attributes["gen_ai.input.messages"]  # it is theirs, and goes on as it is


def test_sync_refuses_asynchronous_processors(ask, collector, lines):
    """They cannot run on the application's thread; the content is withheld, as on a provider that is not ours."""

    async def processor(interaction):
        return interaction

    rlhf.add_processor(processor)
    rlhf.instrument(endpoint=collector.http_url, durability="sync")
    ask()
    assert flushed()
    assert "gen_ai.input.messages" not in collector.spans[0].attributes
    assert "asynchronous" in lines()[0]


def test_sync_drops_what_a_processor_drops(collector):
    """As ever on our own provider, the whole of it."""

    def drop(_):
        raise rlhf.Drop

    rlhf.add_processor(drop)
    rlhf.instrument(endpoint=collector.http_url, durability="sync")
    rlhf.capture(prompt="a", response="b")
    assert flushed()
    assert (collector.spans, rlhf.stats()["dropped_by_processor"]) == ([], 1)


@on_disk
def test_spans_of_others_are_kept_too(durability, collector):
    """Those on our provider, and log records that are no feedback."""
    rlhf.instrument(endpoint=collector.http_url, durability=durability)
    own = setup.current().own
    collector.fail(503)
    own.tracer_provider.get_tracer("app").start_span("work").end()
    own.logger_provider.get_logger("app").emit(_logs.LogRecord(body="something happened"))
    until(lambda: SPOOL.exists() and items() == 2)
    assert sorted(path.name.partition("-")[0] for path in SPOOL.iterdir()) == ["logs", "spans"]
    collector.recover()
    assert flushed()
    assert [span.name for span in collector.spans] == ["work"]
    assert [log.body for log in collector.logs] == ["something happened"]


# --- Outages and restarts ---------------------------------------------------------------------------------------------


@on_disk
@protocols
def test_an_outage_loses_nothing_and_holds_little(durability, protocol, monkeypatch):
    """Far more than may wait in memory waits on the disk; all of it arrives once the backend is back, each once."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    with FakeCollector(grpc=protocol == "grpc") as collector:
        collector.fail(503)
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        rlhf.instrument(durability=durability, batch_size=10, batch_delay_ms=20, feedback_batch_size=10)
        for number in range(300):
            made = rlhf.capture(prompt="a", response="b", model=str(number))
            if number % 10 == 0:
                feedback.record(made, True)
        worker = setup.current().own.worker
        until(lambda: rlhf.stats()["waiting"] >= 330 and rlhf.stats()["spooled"] > 0, 20)
        assert [len(box) <= 40 for box in worker._outboxes] == [True, True]
        assert rlhf.stats()["dropped_queue_full"] == 0
        collector.recover()
        assert flushed(60)
        assert sorted(map(int, models(collector))) == list(range(300))
        assert len({log.attributes["rlhf.feedback.id"] for log in collector.logs}) == len(collector.logs) == 30
        assert (rlhf.stats()["waiting"], rlhf.stats()["spooled"], items()) == (0, 0, 0)


@on_disk
def test_what_was_left_is_sent_by_the_next_run(durability, collector):
    """A run that ends without its backend leaves everything; the next one sends it, and then its own."""
    collector.fail(400)
    for run in ("first", "second"):
        rlhf.instrument(endpoint=collector.http_url, durability=durability)
        feedback.record(rlhf.capture(prompt="a", response="b", model=run), True)
        assert not rlhf.shutdown(5)
    assert (items(), collector.spans) == (4, [])
    collector.recover()
    rlhf.instrument(endpoint=collector.http_url, durability=durability)
    rlhf.capture(prompt="a", response="b", model="third")
    assert flushed()
    assert sorted(models(collector)) == ["first", "second", "third"]
    assert len(collector.logs) == 2
    rlhf.shutdown()
    assert list(SPOOL.iterdir()) == []


def test_what_was_left_goes_into_the_store(monkeypatch, ask):
    """A store that could not be written when the process ended has it after the next run, as if nothing had been."""
    from rlhf_otel.export.local import StoreSink

    with monkeypatch.context() as broken:
        broken.setattr(StoreSink, "send", lambda self, items: False)
        rlhf.instrument()
        with rlhf.context(session="s", flavour="mint"):
            answer = ask(stop=["a", "b"], temperature=0.5)
        feedback.record(answer, True, comment="fine", metadata={"a": 1})
        assert not rlhf.shutdown(5)
    assert items() == 2
    rlhf.instrument()
    again = ask(stop=["a", "b"], temperature=0.5)
    assert flushed()
    found = {call.span_id: (call, given) for call, given in rlhf.interactions()}
    assert len(found) == 2
    (left, (thumb,)), (live, _) = found[rlhf.handle(answer).span_id], found[rlhf.handle(again).span_id]
    assert (thumb.value, thumb.comment, thumb.metadata) == (True, "fine", {"a": 1})
    assert (left.session, left.context) == ("s", {"flavour": "mint"})
    assert (left.input, left.output, left.resource) == (live.input, live.output, live.resource)
    request_id = "http.response.header.x-request-id"
    assert {**left.attributes, request_id: ""} == {**live.attributes, request_id: ""}


def test_a_span_of_somebody_else_is_redacted_on_its_way_back(monkeypatch):
    """What is not of our making goes into the store redacted, also where it comes from a spool that was not."""
    from rlhf_otel.export.local import StoreSink

    said = json.dumps([{"role": "user", "parts": [{"type": "text", "content": f"my key is {KEY}"}]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": said}
    with monkeypatch.context() as broken:
        broken.setattr(StoreSink, "send", lambda self, items: False)
        rlhf.instrument(redact=False)
        setup.current().own.tracer_provider.get_tracer("other").start_span("chat", attributes=attributes).end()
        assert not rlhf.shutdown(5)
    assert KEY.encode() in written()
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    assert flushed()
    assert KEY not in str([call.input for call, _ in rlhf.interactions()])


def test_one_sink_that_fails_does_not_keep_another_from_what_was_left(collector):
    """The store has everything while the backend is down; the segments wait for the backend alone."""
    collector.fail(400)
    rlhf.instrument(endpoint=collector.http_url, store="calls.db", batch_size=5, batch_delay_ms=10)
    for number in range(100):
        rlhf.capture(prompt="a", response="b", model=str(number))
    until(lambda: rlhf.stats().get("delivered_store") == 100)
    assert collector.spans == []
    collector.recover()
    assert flushed()
    assert sorted(map(int, models(collector))) == list(range(100))
    with Store.open("calls.db", read_only=True) as store:
        assert len(list(store.interactions())) == 100


def test_the_local_copies_of_a_foreign_provider_stay_local(collector, monkeypatch):
    """What was left of them goes into the store, and never to a backend that their provider has not chosen."""
    from rlhf_otel.export.local import StoreSink

    theirs = TracerProvider(shutdown_on_exit=False)
    with monkeypatch.context() as broken:
        broken.setattr(StoreSink, "send", lambda self, items: False)
        rlhf.instrument(store="calls.db", endpoint=collector.http_url)
        setup.current().own.join(theirs)
        theirs.get_tracer("app").start_span("work").end()
        assert not rlhf.shutdown(5)
    rlhf.instrument(store="calls.db", endpoint=collector.http_url)
    rlhf.capture(prompt="a", response="b", model="m")
    assert flushed()
    assert models(collector) == ["m"]
    with Store.open("calls.db", read_only=True) as store:
        assert store.counts()["spans"] == 1


def test_the_queue_of_the_export_thread_overflows_onto_the_disk(collector):
    """While a request hangs, what the queue does not hold is read from the disk later: nothing is refused."""
    collector.hang(1)
    rlhf.instrument(endpoint=collector.http_url, durability="sync", queue_size=10, batch_size=5, batch_delay_ms=1)
    for number in range(200):
        rlhf.capture(prompt="a", response="b", model=str(number))
    assert rlhf.stats()["dropped_queue_full"] == 0
    collector.recover()
    assert flushed(60)
    assert set(map(int, models(collector))) == set(range(200))


def test_many_threads_in_sync(collector):
    """Eight threads write at once while the export thread empties the segments: each call arrives."""
    rlhf.instrument(endpoint=collector.http_url, durability="sync", batch_delay_ms=5, batch_size=20)

    def work(number):
        for turn in range(50):
            rlhf.capture(prompt="a", response="b", model=f"{number}/{turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flushed(60)
    assert sorted(models(collector)) == sorted(f"{number}/{turn}" for number in range(8) for turn in range(50))
    assert items() == 0


def test_a_full_spool_tells_of_what_it_drops(collector):
    """The listener gets the interactions before they go; spans go, feedback stays, and every drop is counted."""
    collector.fail(400)
    heard = []
    rlhf.on("buffer_full", heard.extend)
    rlhf.instrument(endpoint=collector.http_url, spool_bytes=60_000, batch_size=5, batch_delay_ms=5, durability="sync")
    feedback.record(span_id="00f067aa0ba902b7", value=True, id="first")
    for number in range(100):
        rlhf.capture(prompt=f"{number}" + "x" * 1500, response="b", model=str(number))
        time.sleep(0.002)
    until(lambda: rlhf.stats()["dropped_spool_full"] > 0)
    assert rlhf.stats()["spooled"] <= 100 - rlhf.stats()["dropped_spool_full"]
    dropped = {int(call.request_model) for call in heard}
    assert all(call.input[0]["parts"][0]["content"].endswith("xxx") for call in heard)
    assert sum(found.size for found in listed(SPOOL)) <= 60_000
    collector.recover()
    assert flushed(60)
    assert set(map(int, models(collector))) == set(range(100)) - dropped
    assert rlhf.stats()["dropped_spool_full"] == len(dropped)
    assert [log.attributes["rlhf.feedback.id"] for log in collector.logs] == ["first"]


def test_exporters_that_are_not_otlp_get_what_is_live(script):
    """The console has no use for bytes; beside it, nothing waits for it on the disk."""
    code = """
import rlhf_otel as rlhf
rlhf.instrument(store="calls.db")
rlhf.capture(prompt="a", response="b", model="m")
"""
    ended = script(code, OTEL_TRACES_EXPORTER="console")
    assert ended.stdout.count('"name": "chat m"') == 1
    assert (ended.returncode, ended.stderr, items()) == (0, "", 0)


def test_a_line_at_the_end_says_what_is_kept_and_where(script):
    """A process that ends without its backend ends soon, and its last line says how many wait and how to send them."""
    code = """
import rlhf_otel as rlhf
rlhf.instrument()
for number in range(3):
    rlhf.capture(prompt="a", response="b", model=str(number))
"""
    began = time.monotonic()
    ended = script(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert time.monotonic() - began < 20
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (0, "")
    assert line.startswith("rlhf-otel: 3 items wait in ") and "rlhf-otel spool replay" in line
    assert items() == 3


def test_nothing_of_ours_is_raised(monkeypatch, collector, lines):
    """A fault in writing is a counted fault of ours, and the application's call is as ever."""

    def broken(self, items):
        raise RuntimeError("a fault")

    monkeypatch.setattr(intake.Intake, "keep", broken)
    rlhf.instrument(endpoint=collector.http_url, durability="sync")
    assert rlhf.capture(prompt="a", response="b") is not None
    assert hooks.counters["faults"] == 1
