"""The export thread: takes what the application's threads leave, prepares it, and delivers it to the sinks.

The application's side is one `put` into a `SimpleQueue`, which is safe even inside a finalizer. Every item is counted
when it is taken, delivered or dropped, so that `flush` can keep its word.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlhf_otel import hooks

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
_SLICE_S = 0.05


class Sink(Protocol):
    """Something that takes finished items."""

    name: str

    def wants(self, item: Any) -> bool:
        """Whether this kind of item belongs here."""

    def send(self, items: Sequence[Any]) -> bool:
        """Delivers `items`; True only when they were acknowledged."""

    def close(self) -> None:
        """Lets go of connections and files."""


@dataclass
class _Outbox:
    """What one sink has not acknowledged yet."""

    sink: Sink
    waiting: deque[Any] = field(default_factory=deque)
    backoff_s: float = 0.0
    not_before: float = 0.0

    def deliver(self, batch_size: int, *, now: bool) -> bool:
        """Sends what is waiting, batch by batch; True when nothing is left."""
        while self.waiting and (now or time.monotonic() >= self.not_before):
            batch = [self.waiting[i] for i in range(min(batch_size, len(self.waiting)))]
            if not self._send(batch):
                self.backoff_s = min(max(self.backoff_s * 2, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
                self.not_before = time.monotonic() + self.backoff_s
                break
            self.backoff_s = self.not_before = 0.0
            for _ in batch:
                self.waiting.popleft()
            hooks.counters[f"delivered_{self.sink.name}"] += len(batch)
        return not self.waiting

    def _send(self, batch: Sequence[Any]) -> bool:
        try:
            sent = self.sink.send(batch)
        except Exception as error:  # noqa: BLE001 - a sink is the outside world
            hooks.say(f"sink {self.sink.name}", "%s failed: %s; %d items wait", self.sink.name, error, len(self.waiting))
            sent = False
        else:
            if not sent:
                hooks.say(f"sink {self.sink.name}", "%s does not take data; %d items wait (the application is not "
                          "affected)", self.sink.name, len(self.waiting))  # fmt: skip
        hooks.counters["failed_batches"] += not sent
        hooks.logger.debug("batch of %d to %s: %s", len(batch), self.sink.name, "ok" if sent else "failed")
        return sent

    def make_room(self, limit: int) -> int:
        """Drops the oldest items beyond `limit`; returns how many."""
        dropped = 0
        while len(self.waiting) > limit:
            self.waiting.popleft()
            dropped += 1
        return dropped


class _Flush:
    """A request to deliver everything taken so far; `done` is set when that was tried."""

    __slots__ = ("close", "delivered", "done")

    def __init__(self, *, close: bool = False) -> None:
        self.done = threading.Event()
        self.delivered = False
        self.close = close


class Worker:
    """The export thread and its queue."""

    def __init__(
        self,
        make_sinks: Callable[[], Sequence[Sink]],
        prepare: Callable[[Any], Any],
        *,
        queue_size: int,
        batch_size: int,
        delay_s: float,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is started before the first item.

        Args:
            make_sinks: called once, on the export thread.
            prepare: turns a queued item into what sinks take, on the export thread; None drops it.
            queue_size: how many items may wait; more are dropped and counted, newest in the queue, oldest in an outbox.
            batch_size: how many items a sink gets at once.
            delay_s: how long the first item waits for company.
            between: called after each round and at each flush, to export metrics.
        """
        self._make_sinks = make_sinks
        self._prepare = prepare
        self._between = between
        self._queue_size, self._batch_size, self._delay_s = queue_size, batch_size, delay_s
        self._start_lock = threading.RLock()
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        """A new process has no thread and leaves what its parent had queued to its parent."""
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._outboxes: list[_Outbox] | None = None
        self._start_lock = threading.RLock()

    # --- The application's side -----------------------------------------------------------------------------------

    def put(self, item: Any) -> None:
        """Takes `item`; never blocks. What does not fit is dropped and counted."""
        if self._inbox.qsize() >= self._queue_size:
            hooks.counters["dropped_queue_full"] += 1
            hooks.announce("buffer_full", item)
            hooks.say("queue full", "the export queue is full (%d items); new spans are dropped", self._queue_size)
            return
        self._inbox.put(item)
        if self._thread is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """Delivers everything that was put before; True only when every sink has acknowledged all of it in time."""
        return self._ask(_Flush(), timeout)

    def close(self, timeout: float) -> bool:
        """The same, and lets go of the sinks. Items put later start the thread anew."""
        return self._ask(_Flush(close=True), timeout)

    @property
    def waiting(self) -> int:
        """How many items are queued or not yet acknowledged."""
        return self._inbox.qsize() + sum(len(outbox.waiting) for outbox in self._outboxes or ())

    @property
    def is_current_thread(self) -> bool:
        """Whether this is the export thread."""
        return threading.current_thread() is self._thread

    def _ask(self, request: _Flush, timeout: float) -> bool:
        if self._thread is None and self._inbox.empty() and not self._outboxes:
            return True
        if self.is_current_thread:
            return False  # a processor or listener asked, from inside the delivery
        self._start()
        self._inbox.put(request)
        self._hurry.set()
        return request.done.wait(timeout) and request.delivered

    def _start(self) -> None:
        with self._start_lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="rlhf-otel-export", daemon=True)
                self._thread.start()

    # --- The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            items, requests = self._gather()
            self._round(items, flushing=bool(requests))
            closing = any(request.close for request in requests)
            if closing:
                self._close_sinks()
            delivered = not any(outbox.waiting for outbox in self._outboxes or ())
            if closing:
                self._outboxes = None
            for request in requests:
                request.delivered = delivered
                request.done.set()

    def _gather(self) -> tuple[list[Any], list[_Flush]]:
        """Waits for a first item or a retry that is due, then for company, then takes all there is."""
        taken: list[Any] = []
        try:
            taken.append(self._inbox.get(timeout=self._until_retry()))
        except queue.Empty:
            return [], []
        waited = 0.0
        while waited < self._delay_s and self._inbox.qsize() < self._batch_size and not isinstance(taken[0], _Flush):
            if self._hurry.wait(min(_SLICE_S, self._delay_s - waited)):
                break
            waited += _SLICE_S
        self._hurry.clear()
        while not self._inbox.empty():
            taken.append(self._inbox.get())
        return [t for t in taken if not isinstance(t, _Flush)], [t for t in taken if isinstance(t, _Flush)]

    def _until_retry(self) -> float | None:
        due = [outbox.not_before for outbox in self._outboxes or () if outbox.waiting]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _round(self, items: list[Any], *, flushing: bool) -> None:
        outboxes = self._sinks() if items or self._outboxes else []
        for item in items:
            try:
                prepared = self._prepare(item)
            except Exception as error:  # noqa: BLE001 - one broken item must not stop the rest
                hooks.fault("preparing a span for export", error)
                continue
            for outbox in outboxes:
                if prepared is not None and outbox.sink.wants(prepared):
                    outbox.waiting.append(prepared)
        for outbox in outboxes:
            outbox.deliver(self._batch_size, now=flushing)
            if dropped := outbox.make_room(self._queue_size):
                hooks.counters["dropped_undelivered"] += dropped
                hooks.announce("drop", dropped)
        self._between()
        if flushing:
            hooks.announce("flush")

    def _sinks(self) -> list[_Outbox]:
        if self._outboxes is None:
            self._outboxes = [_Outbox(sink) for sink in self._make_sinks()]
        return self._outboxes

    def _close_sinks(self) -> None:
        for outbox in self._outboxes or ():
            try:
                outbox.sink.close()
            except Exception as error:  # noqa: BLE001 - a sink is the outside world
                hooks.fault(f"closing {outbox.sink.name}", error)
