"""The export thread and its outboxes, with sinks that take and refuse on command."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlhf_otel import hooks
from rlhf_otel.export import outbox
from rlhf_otel.export.items import Event
from rlhf_otel.export.outbox import Limits, Outbox
from rlhf_otel.export.worker import Worker


@dataclass
class Sink:
    """Takes everything, unless `refuses` says otherwise of a batch."""

    name: str = "kept"
    carries: str = "spans"
    refuses: Any = None
    taken: list[Any] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    closed: int = 0

    def wants(self, item):
        return True

    def send(self, items):
        self.batches.append(len(items))
        if self.refuses is not None and self.refuses(items):
            return False
        self.taken.extend(items)
        return True

    def close(self):
        self.closed += 1


@pytest.fixture
def make():
    """Makes a worker for a sink; limits by name. Every worker's thread is idle when the test is over."""
    made = []

    def worker(*sinks, prepare=lambda item: item, queue=100, batch=10, delay_s=0.01, **event_limits):
        events = Limits(event_limits.get("events", queue), batch, delay_s)
        made.append(Worker(lambda: sinks, prepare, spans=Limits(queue, batch, delay_s), events=events))
        return made[-1]

    yield worker
    for each in made:
        each.close(5)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Retries come soon."""
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(outbox, "LONGEST_BACKOFF_S", 0.1)


def test_items_arrive_in_order_and_in_batches(make):
    """No batch is larger than its limit, and nothing is reordered."""
    sink = Sink()
    worker = make(sink)
    for number in range(55):
        worker.put(number)
    assert worker.flush(5)
    assert sink.taken == list(range(55))
    assert max(sink.batches) <= 10
    assert hooks.counters["delivered_kept"] == 55


def test_no_thread_before_the_first_item(make):
    """A worker that is never given anything starts nothing, and its flush is true at once."""
    worker = make(Sink())
    assert worker.flush(0)
    assert worker._thread is None


def test_a_full_queue_drops_and_counts(make, lines):
    """What does not fit is counted and announced, one line says so, and flush does not claim that all arrived."""
    announced, entered, gate = [], threading.Event(), threading.Event()
    hooks.on("buffer_full", announced.append)

    def prepare(item):
        entered.set()
        gate.wait(5)
        return item

    sink = Sink()
    worker = make(sink, prepare=prepare, queue=5)
    worker.put("first")
    assert entered.wait(5)
    for number in range(8):
        worker.put(number)
    gate.set()
    assert not worker.flush(5)
    assert sink.taken == ["first", 0, 1, 2, 3, 4]
    assert (announced, hooks.counters["dropped_queue_full"]) == ([[5], [6], [7]], 3)
    assert len(lines()) == 1
    worker.put("later")
    assert worker.flush(5)


def test_spans_do_not_crowd_events_out(make):
    """Events have a queue of their own: a queue full of spans takes no feedback's place."""
    entered, gate = threading.Event(), threading.Event()

    def prepare(item):
        entered.set()
        gate.wait(5)
        return item

    sink = Sink()
    worker = make(sink, prepare=prepare, queue=2, events=2)
    worker.put("first")
    assert entered.wait(5)
    for item in ("span 1", "span 2", "span 3"):
        worker.put(item)
    for item in ("event 1", "event 2", "event 3"):
        worker.put_event(item)
    gate.set()
    worker.flush(5)
    assert sink.taken == ["first", "span 1", "span 2", "event 1", "event 2"]


def test_what_is_refused_comes_again(make, lines):
    """A sink that fails is tried again by itself; nothing is lost or doubled, and one line is said."""
    down = [True]
    sink = Sink(refuses=lambda items: down[0])
    worker = make(sink)
    for number in range(20):
        worker.put(number)
    assert not worker.flush(5)
    assert worker.waiting == 20
    down[0] = False
    deadline = time.monotonic() + 10
    while worker.waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sink.taken == list(range(20))
    assert hooks.counters["failed_batches"] >= 1
    assert len(lines()) == 1


@pytest.mark.parametrize(("has_answered", "kept"), [(False, True), (True, False), (None, False)])
def test_only_an_answer_can_condemn_an_item(has_answered, kept):
    """An item that is not taken while another one is goes for good where the sink said so, not where it was away."""
    sink = Sink(refuses=lambda items: "odd" in items)
    sink.has_answered = has_answered
    waiting = Outbox(sink, Limits(10, 1, 0.01))
    for item in ("odd", "even", "last"):
        waiting.take(item, 1)
    dropped = waiting.deliver(now=True)
    assert (dropped, "odd" in waiting.waiting) == ((0, True) if kept else (1, False))


def test_a_sink_that_raises_is_one_that_refuses(make, lines):
    """An exception is a failed batch and a line with its text; the thread lives on."""
    raised = []

    def refuses(items):
        if not raised:
            raised.append(True)
            raise OSError("no route to host")
        return False

    sink = Sink(refuses=refuses)
    worker = make(sink)
    worker.put(1)
    assert not worker.flush(5)
    assert "no route to host" in lines()[0]
    assert worker.flush(5)
    assert sink.taken == [1]


def test_one_sink_that_fails_does_not_hold_up_another(make):
    """Each sink has its own outbox."""
    good, bad = Sink("good"), Sink("bad", refuses=lambda items: True)
    worker = make(bad, good)
    worker.put(1)
    assert not worker.flush(5)
    assert (good.taken, bad.taken) == ([1], [])


def test_a_batch_that_is_too_large_is_sent_in_parts(make):
    """A backend that refuses large requests gets small ones, and in the end everything."""
    sink = Sink(refuses=lambda items: len(items) > 2)
    worker = make(sink, queue=1000, batch=64)
    for number in range(100):
        worker.put(number)
    deadline = time.monotonic() + 10
    while not worker.flush(5):
        assert time.monotonic() < deadline
    assert sorted(sink.taken) == list(range(100))


def test_an_item_that_no_backend_takes_holds_nothing_up(make, lines):
    """It is found by taking others, dropped and counted; all others arrive."""
    sink = Sink(refuses=lambda items: "poison" in items)
    worker = make(sink)
    for item in [*range(5), "poison", *range(5, 10)]:
        worker.put(item)
    deadline = time.monotonic() + 10
    while len(sink.taken) < 10:
        worker.flush(5)
        assert time.monotonic() < deadline
    assert sorted(sink.taken) == list(range(10))
    assert hooks.counters["dropped_undelivered"] == 1
    assert worker.waiting == 0


def test_what_was_refused_while_the_sink_came_back_is_no_poison(make):
    """The oldest is refused, the newest taken, as the sink is back by then; the oldest is asked for once more."""
    answers = [False, True]
    sink = Sink(refuses=lambda items: not answers.pop(0) if answers else False)
    box = Outbox(sink, Limits(10, 1, 0))
    for item in ("oldest", "middle", "newest"):
        box.take(item)
    box.deliver(now=True)
    box.deliver(now=True)
    box.deliver(now=True)
    assert sorted(sink.taken) == ["middle", "newest", "oldest"]
    assert hooks.counters["dropped_undelivered"] == 0


def test_an_outage_keeps_what_fits_and_feedback_longest():
    """Beyond its limit an outbox drops the oldest spans first, and feedback only when nothing else is left."""
    box = Outbox(Sink(), Limits(4, 10, 0))
    feedback = [Event(None, None), Event(None, None)]
    for item in ("old", feedback[0], "middle", feedback[1], "new", "newest"):
        box.take(item)
    assert box.make_room() == 2
    assert box.waiting == [*feedback, "new", "newest"]
    box = Outbox(Sink(), Limits(4, 10, 0))
    for _ in range(6):
        box.take(Event(None, None))
    assert (box.make_room(), len(box)) == (2, 4)
    assert hooks.counters["dropped_undelivered"] == 4


def test_a_broken_item_stops_nothing(make):
    """What cannot be prepared is a fault of its own; its neighbours are delivered, and flush tells of the loss."""

    def prepare(item):
        if item == "broken":
            raise ValueError(item)
        return item

    sink = Sink()
    worker = make(sink, prepare=prepare)
    for item in ("before", "broken", "after"):
        worker.put(item)
    assert not worker.flush(5)
    assert sink.taken == ["before", "after"]
    assert hooks.counters["faults"] == 1


def test_flush_includes_what_preparing_made(make):
    """Events that arise on the export thread while a flush is under way belong to it."""
    sink = Sink()

    def prepare(item):
        if item == "call":
            worker.put_event("event of the call")
        return item

    worker = make(sink, prepare=prepare)
    worker.put("call")
    assert worker.flush(5)
    assert sink.taken == ["call", "event of the call"]


def test_flush_from_within_the_export_thread_does_not_wait_for_itself(make):
    """A processor that flushes is told that not everything has arrived."""
    answers = []

    def prepare(item):
        answers.append(worker.flush(5))
        return item

    worker = make(Sink(), prepare=prepare)
    worker.put(1)
    assert worker.flush(5)
    assert answers == [False]


def test_close_lets_go_and_the_next_item_begins_anew(make):
    """Sinks are closed once; a later item makes them anew."""
    sink = Sink()
    worker = make(sink)
    worker.put(1)
    assert worker.close(5)
    assert sink.closed == 1
    worker.put(2)
    assert worker.flush(5)
    assert sink.taken == [1, 2]


def test_a_dead_thread_is_replaced(make, monkeypatch):
    """Should the thread ever die, the next item starts another one."""
    sink = Sink()
    worker = make(sink)
    worker._thread = threading.Thread(target=lambda: None)
    worker._thread.start()
    worker._thread.join()
    worker.put(1)
    assert worker.flush(5)
    assert sink.taken == [1]


def test_strict_does_not_end_the_thread(make, monkeypatch):
    """Faults that strict raises are raised where they happen, which on the export thread is nowhere."""
    monkeypatch.setattr(hooks, "strict", True)

    def prepare(item):
        raise ValueError(item)

    worker = make(Sink(), prepare=prepare)
    worker.put(1)
    assert not worker.flush(5)
    worker.put(2)
    assert not worker.flush(5)
    assert hooks.counters["faults"] == 2


def test_an_item_in_the_midst_of_the_first(make, monkeypatch):
    """What a finalizer or a greenlet leaves while the thread is being started makes no second one: one takes both."""
    worker, started, start = make(sink := Sink()), [], threading.Thread.start

    def interrupted(thread):
        started.append(thread)
        if len(started) == 1:
            worker.put("meanwhile")
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", interrupted)
        worker.put("first")
        assert worker.flush(5)
    assert sink.taken == ["first", "meanwhile"]
    assert started == [worker._thread]


def no_thread(_):
    """What a system says that has no more threads to give."""
    raise RuntimeError("can't start new thread")


def test_no_thread_to_be_had(make, monkeypatch):
    """Nothing of it reaches whoever ends a span; a flush says so at once, and all leaves when there is a thread."""
    worker = make(sink := Sink())
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        worker.put("first")
        assert not worker.flush(60)
    worker.put("second")
    assert worker.flush(5)
    assert sink.taken == ["first", "second"]
