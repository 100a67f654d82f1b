"""The export thread: takes what the application's threads leave, prepares it, and delivers it to the sinks.

The application's side is one `put` into a `SimpleQueue`, which is safe even inside a finalizer. Every item is counted
when it is taken, delivered or dropped, so that `flush` can keep its word.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rlhf_otel import hooks
from rlhf_otel.export.outbox import Limits, Outbox, Sink
from rlhf_otel.export.sizes import size_of


class Readings(Protocol):
    """What has been measured and is exported every now and then."""

    def due_in(self) -> float | None:
        """Seconds until the next export; None where nothing has been measured since the last one."""

    def export(self) -> None:
        """Exports it now. Never raises."""


class _Flush:
    """A request to deliver everything taken so far; `done` is set when that was tried."""

    __slots__ = ("close", "delivered", "done")

    def __init__(self, *, close: bool = False) -> None:
        self.done = threading.Event()
        self.delivered = False
        self.close = close


_EVENT = object()
"""Stands in the inbox for an event, which waits in a queue of its own: spans never crowd feedback out."""
_WAKE = object()


class Worker:
    """The export thread and its queues."""

    def __init__(
        self,
        make_sinks: Callable[[], Sequence[Sink]],
        prepare: Callable[[Any], Any],
        *,
        spans: Limits,
        events: Limits,
        readings: Readings | None = None,
    ) -> None:
        """Nothing is started before the first item.

        Args:
            make_sinks: called once, on the export thread.
            prepare: turns a queued item into what sinks take, on the export thread; None drops it.
            spans: for spans. What does not fit is dropped and counted, newest in the queue, oldest in an outbox.
            events: for feedback and other events, the same.
            readings: metrics, exported when they are due and at each flush.
        """
        self._make_sinks = make_sinks
        self._prepare = prepare
        self._readings = readings
        self._spans, self._events = spans, events
        self._reset()
        hooks.after_fork(self._reset)

    def _reset(self) -> None:
        """A new process has no thread and leaves what its parent had queued to its parent."""
        self._renew_queues()
        self._thread: threading.Thread | None = None
        self._outboxes: list[Outbox] | None = None
        self._lost = False
        self._held = {"span": 0, "feedback": 0}  # bytes in the inbox

    def _renew_queues(self) -> None:
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._event_inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # Ends a wait for company: True at once, False where there may be enough. No event: that has a lock, for which
        # no finalizer may wait.
        self._hurry: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._start_lock = threading.RLock()
        self._weighing = threading.RLock()  # a finalizer may run inside it, on the same thread

    # --- The application's side -----------------------------------------------------------------------------------

    def put(self, item: Any, size: int = 0) -> None:
        """Takes a span that holds `size` bytes; never blocks. What does not fit is dropped and counted."""
        waiting = self._inbox.qsize() - self._event_inbox.qsize()
        if waiting >= self._spans.queue or not self._has_room("span", size, self._spans):
            self._refuse(item, "span", waiting)
            return
        self._inbox.put((size, item))
        self._hurry_for(waiting, self._spans)
        self._ensure_thread()

    def put_event(self, item: Any, size: int = 0) -> None:
        """Takes an event, which has a queue of its own; never blocks."""
        waiting = self._event_inbox.qsize()
        if waiting >= self._events.queue or not self._has_room("feedback", size, self._events):
            self._refuse(item, "feedback", waiting)
            return
        self._event_inbox.put((size, item))
        self._inbox.put(_EVENT)
        self._hurry_for(waiting, self._events)
        self._ensure_thread()

    def _hurry_for(self, waiting: int, limits: Limits) -> None:
        """Has the thread look where the one that it has taken, those waiting and one more may be enough."""
        if waiting + 2 >= limits.batch and self._hurry.empty():
            self._hurry.put(False)

    def _has_room(self, what: str, size: int, limits: Limits) -> bool:
        """Whether `size` more bytes may wait, which are counted then. A single item always may."""
        with self._weighing:
            held = self._held[what]
            if held and held + size > limits.bytes:
                return False
            self._held[what] = held + size
        return True

    def wake(self) -> None:
        """Has the thread look at what is due, which it does by itself where it has something to do."""
        if self._inbox.empty():
            self._inbox.put(_WAKE)
            self._ensure_thread()

    def flush(self, timeout: float) -> bool:
        """Delivers everything that was put before; True only when every sink has acknowledged all of it in time."""
        return self._ask(_Flush(), timeout)

    def close(self, timeout: float) -> bool:
        """The same, and lets go of the sinks. Items put later start the thread anew."""
        return self._ask(_Flush(close=True), timeout)

    @property
    def waiting(self) -> int:
        """How many items are queued or not yet acknowledged."""
        return self._inbox.qsize() + sum(len(outbox) for outbox in self._outboxes or ())

    @property
    def is_current_thread(self) -> bool:
        """Whether this is the export thread."""
        return threading.current_thread() is self._thread

    def _refuse(self, item: Any, what: str, waiting: int) -> None:
        self._lost = True
        hooks.count("dropped_queue_full")
        hooks.announce("buffer_full", item)
        said = "the export queue is full (%d items, %d bytes); new ones are dropped: %s"
        hooks.say(f"queue full {what}", said, waiting, self._held[what], what)

    def _ask(self, request: _Flush, timeout: float) -> bool:
        if self._thread is None and self._inbox.empty() and not self._outboxes and not self._lost:
            return True
        if self.is_current_thread:
            return False  # a processor or listener asked, from inside the delivery
        self._inbox.put(request)
        self._hurry.put(True)
        return self._ensure_thread() and request.done.wait(timeout) and request.delivered

    def _ensure_thread(self) -> bool:
        """Whether there is a thread now. Where the system has none to give, the next item asks for one again."""
        if self._thread is not None and self._thread.is_alive():
            return True
        if type(self._inbox) is not queue.SimpleQueue:
            self._refit()
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="rlhf-otel-export", daemon=True)
                try:
                    self._thread.start()
                except RuntimeError as error:
                    hooks.say("no thread", "the export thread was not started (%s); what is recorded waits", error)
                    return False
        return True

    def _refit(self) -> None:
        """Moves what waits into queues of gevent's, which has replaced threads and queues since ours were made.

        The thread will be a greenlet; if it waited on a queue of the old kind, no other greenlet would ever run again.
        """
        before = self._inbox, self._event_inbox
        self._renew_queues()
        for old, new in zip(before, (self._inbox, self._event_inbox), strict=True):
            while not old.empty():
                new.put(old.get())

    # --- The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            requests: list[_Flush] = []
            try:
                self._cycle(requests)
            except BaseException as error:  # noqa: BLE001 - nothing that plugged-in code raises may end the thread
                self._report(error)
            for request in requests:
                request.done.set()

    @staticmethod
    def _report(error: BaseException) -> None:
        try:
            hooks.fault("the export thread", error)
        except BaseException:  # noqa: BLE001 - strict raises it again, where nobody is to catch it
            hooks.logger.debug("the export thread goes on", exc_info=error)

    def _cycle(self, requests: list[_Flush]) -> None:
        """One round: waits for work, prepares it, delivers it, and answers those who asked for a flush."""
        items = self._gather(requests)
        outboxes = self._sinks() if items or self._outboxes else []
        self._sort(items, outboxes)
        if requests:
            # Preparing a call may have made events of its own; a flush includes them.
            self._sort(self._take(requests), self._sinks() if self._outboxes else outboxes)
        self._deliver(self._outboxes or outboxes, now=bool(requests))
        self._export_readings(now=bool(requests))
        delivered = not any(self._outboxes or ()) and not self._lost
        if any(request.close for request in requests):
            self._close_sinks()
        if requests:
            self._lost = False
            hooks.announce("flush")
        for request in requests:
            request.delivered = delivered

    def _gather(self, requests: list[_Flush]) -> list[Any]:
        """Waits for a first item or for what falls due, then for company, then takes all there is."""
        try:
            first = self._inbox.get(timeout=self._until_due())
        except queue.Empty:
            return []
        if first is _WAKE:
            return []
        items: list[Any] = []
        self._sort_out(first, items, requests)
        until = time.monotonic() + (self._events.delay_s if first is _EVENT else self._spans.delay_s)
        while items and not self._has_batch(first) and not self._is_hurried(until - time.monotonic()):
            pass
        while not self._hurry.empty():
            self._hurry.get()
        return items + self._take(requests)

    def _is_hurried(self, left: float) -> bool:
        """Waits until there may be a batch; whether there is to be no more waiting, or no time is left for it."""
        try:
            return left <= 0 or self._hurry.get(timeout=left)
        except queue.Empty:
            return True

    def _has_batch(self, first: Any) -> bool:
        """Whether `first`, which was taken, and what is in the inbox are enough to be sent."""
        events = self._event_inbox.qsize()
        spans = self._inbox.qsize() - events
        return spans + (first is not _EVENT) >= self._spans.batch or events + (first is _EVENT) >= self._events.batch

    def _take(self, requests: list[_Flush]) -> list[Any]:
        """Everything that is in the inbox now."""
        items: list[Any] = []
        for _ in range(self._inbox.qsize()):
            self._sort_out(self._inbox.get(), items, requests)
        return items

    def _sort_out(self, taken: Any, items: list[Any], requests: list[_Flush]) -> None:
        if isinstance(taken, _Flush):
            requests.append(taken)
        elif taken is not _WAKE:
            what = "feedback" if taken is _EVENT else "span"
            size, item = self._event_inbox.get() if taken is _EVENT else taken
            with self._weighing:
                self._held[what] -= size
            items.append(item)

    def _until_due(self) -> float | None:
        due = [outbox.due_in() for outbox in self._outboxes or () if outbox]
        if self._readings is not None and (readings := self._readings.due_in()) is not None:
            due.append(readings)
        return min(due, default=None)

    def _sort(self, items: Sequence[Any], outboxes: Sequence[Outbox]) -> None:
        for item in items:
            try:
                prepared = self._prepare(item)
            except BaseException as error:  # noqa: BLE001 - one broken item must not stop the rest
                self._lost = True
                self._report(error)
                continue
            if prepared is None:
                continue
            size = size_of(prepared)
            for outbox in outboxes:
                if outbox.sink.wants(prepared):
                    outbox.take(prepared, size)

    def _deliver(self, outboxes: Sequence[Outbox], *, now: bool) -> None:
        for outbox in outboxes:
            dropped = outbox.deliver(now=now)
            dropped += outbox.make_room()
            if dropped:
                self._lost = True
                hooks.announce("drop", dropped)

    def _export_readings(self, *, now: bool) -> None:
        due = self._readings.due_in() if self._readings is not None else None
        if due is not None and (now or due <= 0):
            self._readings.export()  # type: ignore[union-attr]

    def _sinks(self) -> list[Outbox]:
        if self._outboxes is None:
            self._outboxes = [self._outbox(sink) for sink in self._make_sinks()]
        return self._outboxes

    def _outbox(self, sink: Sink) -> Outbox:
        limits = self._events if getattr(sink, "carries", "spans") == "events" else self._spans
        return Outbox(sink, limits)

    def _close_sinks(self) -> None:
        """Lets go of the sinks; an outbox that still has something waiting is given up, which counts as a drop."""
        for outbox in self._outboxes or ():
            hooks.count("dropped_undelivered", len(outbox))
            try:
                outbox.sink.close()
            except Exception as error:  # noqa: BLE001 - a sink is the outside world
                hooks.fault(f"closing {outbox.sink.name}", error)
        self._outboxes = None
