"""`flush` keeps its promise, and outages lose nothing that fits."""

from __future__ import annotations

import logging
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export import setup
from rlhf_otel.testing import FakeCollector

GENEROUS_S = 2.0
"""How much later than its timeout a flush may return on a busy machine."""


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_flush_returns_in_time_from_a_backend_that_hangs(protocol):
    """Within its timeout, with False, because nothing was acknowledged."""
    with FakeCollector(grpc=protocol == "grpc") as collector:
        collector.hang(30)
        rlhf.instrument(endpoint=collector.grpc_url if protocol == "grpc" else collector.http_url, protocol=protocol)
        rlhf.capture(prompt="a", response="b")
        began = time.monotonic()
        assert rlhf.flush(0.2) is False
        assert time.monotonic() - began < 0.2 + GENEROUS_S


def test_flush_is_false_when_a_batch_failed(collector):
    """A refused batch is not acknowledged, whatever else was; the next flush delivers it."""
    collector.fail(400, signal="logs", times=1)
    rlhf.instrument(endpoint=collector.http_url)
    feedback.record(rlhf.capture(prompt="a", response="b"), True)
    assert rlhf.flush(10) is False
    assert [len(collector.spans), len(collector.logs)] == [1, 0]
    assert rlhf.flush(10) is True
    assert [len(collector.spans), len(collector.logs)] == [1, 1]


def test_flush_with_nothing_to_do_is_true():
    """Before `instrument()`, right after it, and twice in a row."""
    assert rlhf.flush() is True
    rlhf.instrument()
    assert rlhf.flush() is True
    rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(5) is True
    assert rlhf.flush(5) is True


def test_flush_returns_in_time_from_a_foreign_provider_that_hangs(theirs):
    """The application's own processors may not keep the time that they are given; flush does."""

    class Slow(SpanProcessor):
        def force_flush(self, timeout_millis=30_000):
            time.sleep(3)
            return True

    theirs.add_span_processor(Slow())
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    began = time.monotonic()
    assert rlhf.flush(0.2) is False
    assert time.monotonic() - began < 0.2 + GENEROUS_S


def test_a_backend_that_is_down_harms_nobody_and_gets_everything_later(collector, caplog, ask):
    """The application runs on, our logger says one line and the exporters' none, and all of it arrives in the end."""
    caplog.set_level(logging.INFO)
    rlhf.instrument(endpoint=collector.http_url)
    collector.down()
    answers = [ask() for _ in range(30)]
    for answer in answers:
        assert answer.choices[0].message.content
        assert feedback.record(answer, True).status == "spooled"
    assert rlhf.flush(0.3) is False
    stats = rlhf.stats()
    assert (stats["calls"], stats["feedback"], stats["dropped_queue_full"]) == (30, 30, 0)
    while not rlhf.stats()["failed_batches"]:  # the exporter may still be on its way into memory
        rlhf.flush(0.3)
    collector.up()
    collector.wait_for(spans=30, logs=30, timeout=40)
    assert rlhf.flush(20) is True
    assert len({span.span_id for span in collector.spans}) == 30
    assert len({log.attributes["rlhf.feedback.id"] for log in collector.logs}) == 30
    said = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert {record.name for record in said} <= {"rlhf_otel"}
    assert len(said) == 1
    assert (rlhf.stats()["waiting"], rlhf.stats()["dropped_undelivered"]) == (0, 0)


def test_a_busy_backend_is_asked_again(collector):
    """503 with Retry-After is no loss."""
    collector.fail(503, times=1, retry_after=0.1)
    rlhf.instrument(endpoint=collector.http_url)
    rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(20)
    assert len(collector.spans) == 1


def test_the_queue_settings_are_opentelemetrys(monkeypatch, collector):
    """`OTEL_BSP_*` and `OTEL_BLRP_*` set size, batch and delay of spans and of feedback."""
    for name, value in {
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3", "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE": "2",
        "OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_BLRP_SCHEDULE_DELAY": "60000",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    rlhf.instrument(endpoint=collector.http_url)
    made = [rlhf.capture(prompt="a", response="b") for _ in range(2)]
    feedback.record(made[0], True)
    time.sleep(0.3)
    assert collector.batches == []
    for _ in range(5):
        feedback.record(rlhf.capture(prompt="a", response="b"), True)
    assert rlhf.flush(10)
    assert max(len(b.items) for b in collector.batches if b.signal == "traces") <= 3
    assert max(len(b.items) for b in collector.batches if b.signal == "logs") <= 2
    assert [len(collector.spans), len(collector.logs)] == [7, 6]


def test_the_schedule_delay_is_honoured(monkeypatch, collector):
    """A short delay sends by itself, without a flush."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
    rlhf.instrument(endpoint=collector.http_url)
    rlhf.capture(prompt="a", response="b")
    collector.wait_for(spans=1)
    assert len(collector.spans) == 1


def test_a_full_queue_is_counted(monkeypatch, collector, lines):
    """With the backend gone and the queue full, every call is either waiting or counted as dropped."""
    collector.fail(404)
    full = []
    rlhf.on("buffer_full", full.append)
    rlhf.on("drop", full.append)
    rlhf.instrument(endpoint=collector.http_url, queue_size=10, batch_size=10, durability="memory")
    for _ in range(100):
        rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(20) is False
    stats = rlhf.stats()
    assert stats["waiting"] == 10
    assert stats["dropped_queue_full"] + stats["dropped_undelivered"] == 90
    assert full


def test_no_exporter_is_imported_before_the_first_span(script):
    """`instrument()` with an endpoint costs no exporter; they come with the first span that leaves."""
    code = """
import sys, rlhf_otel as rlhf
from rlhf_otel import feedback
rlhf.instrument(endpoint="http://127.0.0.1:9", exit_timeout=0.1)
heavy = ("grpc", "requests", "google", "opentelemetry.exporter", "opentelemetry.sdk")
print([name for name in heavy if name in sys.modules])
"""
    ended = script(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


def test_feedback_on_the_request_path_imports_no_exporter(collector, monkeypatch):
    """The first feedback of a process is counted without making an exporter on the thread that gave it."""
    rlhf.instrument(endpoint=collector.http_url)
    makers = []
    from rlhf_otel.export import otlp

    original = otlp.exporters

    def exporters(signal, config, **more):
        import threading

        makers.append(threading.current_thread().name)
        return original(signal, config, **more)

    monkeypatch.setattr(otlp, "exporters", exporters)
    feedback.record(span_id="00f067aa0ba902b7", value=True)
    assert setup.current().own.meter_provider is not None
    assert rlhf.flush(10)
    assert set(makers) == {"rlhf-otel-export"}
