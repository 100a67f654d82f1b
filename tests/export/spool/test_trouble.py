"""What must not go wrong while something else does: a broken store, exporter, item, listener, folder or destination."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import rlhf_otel as rlhf
from rlhf_otel import config as settings
from rlhf_otel import feedback, hooks
from rlhf_otel.export import outbox, setup
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

from .conftest import flushed, items, models, until, written


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries come soon, and segments are looked for whenever there is something to do."""
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(outbox, "LONGEST_BACKOFF_S", 0.1)
    monkeypatch.setattr("rlhf_otel.export.spool.spool.LOOK_EVERY_S", 0.05)


def test_what_was_left_outlives_a_store_that_cannot_be_opened(monkeypatch):
    """Memory stands in for it and is no reason to delete anything: a later run has it all, each call once."""
    from rlhf_otel.export.local import StoreSink

    with monkeypatch.context() as broken:
        broken.setattr(StoreSink, "send", lambda self, items: False)
        rlhf.instrument(store="calls.db")
        feedback.record(rlhf.capture(prompt="a", response="b", model="first"), True)
        assert not rlhf.shutdown(5)
    Path("calls.db").write_text("no database at all")
    rlhf.instrument(store="calls.db")
    rlhf.capture(prompt="a", response="b", model="second")
    assert flushed()
    assert sorted(call.request_model for call, _ in rlhf.interactions()) == ["first", "second"]
    rlhf.shutdown(5)
    assert items() == 3
    Path("calls.db").unlink()
    rlhf.instrument(store="calls.db")
    rlhf.capture(prompt="a", response="b", model="third")
    assert flushed()
    assert [(call.request_model, len(given)) for call, given in rlhf.interactions()][::-1] == [
        ("first", 1), ("second", 0), ("third", 0)
    ]  # fmt: skip
    rlhf.shutdown(5)
    assert items() == 0


def test_an_exporter_that_cannot_be_made_has_what_was_left_for_it_kept(collector, monkeypatch):
    """A flush says no, and a run in which it can be made sends everything."""

    def broken(*_):
        raise ImportError("not installed")

    with monkeypatch.context() as patched:
        patched.setattr("rlhf_otel.export.otlp._otlp_class", broken)
        rlhf.instrument(endpoint=collector.http_url, store="calls.db")
        feedback.record(rlhf.capture(prompt="a", response="b", model="first"), True)
        assert not rlhf.flush(5)
        rlhf.shutdown(1)
    assert items() == 2
    rlhf.instrument(endpoint=collector.http_url, store="calls.db")
    rlhf.capture(prompt="a", response="b", model="second")
    assert flushed()
    assert (sorted(models(collector)), len(collector.logs)) == (["first", "second"], 1)


def test_other_settings_for_global_providers_have_a_spool_of_their_own(collector, monkeypatch):
    """What was to go to one backend never goes to another, though the providers are the same."""
    with FakeCollector() as other:
        other.fail(400)
        monkeypatch.setattr(setup, "_global_own", None)
        setup.configure_global(settings.load({"endpoint": other.http_url}))
        rlhf.capture(prompt="a", response="b", model="for the first")
        assert not rlhf.shutdown(1)
        setup.configure_global(settings.load({"endpoint": collector.http_url}))
        rlhf.capture(prompt="a", response="b", model="for the second")
        setup.current().own.tracer_provider.get_tracer("app").start_span("work").end()
        assert flushed()
        until(lambda: setup.current().own.spool.due_in() > 0)
        assert sorted(span.name for span in collector.spans) == ["chat for the second", "work"]
        assert (items(), other.spans) == (1, [])


def test_one_item_that_cannot_be_encoded_holds_up_no_other(collector):
    """It goes on in memory, and all others are written at once."""
    collector.hang(1)
    rlhf.instrument(endpoint=collector.http_url, store="calls.db", batch_delay_ms=60_000)
    tracer = setup.current().own.tracer_provider.get_tracer("app")
    for name in ("good", "bad \ud800", "good"):
        tracer.start_span(name).end()
    assert setup.current().own.intake._writer.flush(10)
    assert (items(), written().count(b"good")) == (2, 2)
    assert hooks.counters["failed_batches"] == 0
    collector.recover()
    rlhf.flush(10)
    with Store.open("calls.db", read_only=True) as store:
        assert store.counts()["spans"] == 3


def test_listeners_are_never_told_under_the_lock(collector, monkeypatch):
    """A listener may wait for another thread, which may give feedback: nobody waits for ever."""
    collector.hang(1)
    rlhf.instrument(endpoint=collector.http_url, durability="sync", queue_size=1, batch_size=1)
    monkeypatch.setattr("rlhf_otel.export.spool.segments.create", _full_disk)
    free = []

    def listener(*_):
        lock = setup.current().own.spool.lock
        other = threading.Thread(target=lambda: free.append(lock.acquire(timeout=5) and lock.release() is None))
        other.start()
        other.join()

    rlhf.on("buffer_full", listener)
    for _ in range(5):
        rlhf.capture(prompt="a", response="b")
    assert free and all(free)
    collector.recover()


def _full_disk(*_):
    raise OSError(28, "No space left on device")


def test_a_sink_that_takes_nothing_is_waited_for_asleep(monkeypatch):
    """With more left behind than there is room for, the thread does not look again and again while nothing can go."""
    from rlhf_otel.export.local import StoreSink

    monkeypatch.setattr(outbox, "FIRST_BACKOFF_S", 60.0)
    monkeypatch.setattr(outbox, "LONGEST_BACKOFF_S", 60.0)
    monkeypatch.setattr(StoreSink, "send", lambda self, items: False)
    for _ in range(6):
        rlhf.instrument(batch_size=2, batch_delay_ms=1)
        for _ in range(20):
            rlhf.capture(prompt="a", response="b")
        assert not rlhf.shutdown(1)
    rlhf.instrument(batch_size=2, batch_delay_ms=1)
    rlhf.capture(prompt="a", response="b")
    worker = setup.current().own.worker
    until(lambda: worker._outboxes and not worker._outboxes[0].has_room)
    cycles, real = [], worker._cycle
    monkeypatch.setattr(worker, "_cycle", lambda requests: (cycles.append(1), real(requests)))
    worker.wake()
    time.sleep(0.5)
    assert len(cycles) < 20


def test_a_folder_that_is_gone_is_no_reason_to_fail(tmp_path, monkeypatch):
    """An application whose current folder has been deleted runs on, with what it says in memory."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(10)
    assert len(list(rlhf.interactions())) == 1
