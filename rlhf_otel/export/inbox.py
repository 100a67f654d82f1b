"""What the application's threads leave for the export thread: safe even inside a finalizer, bounded, never waiting."""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.export.outbox import Limits
    from rlhf_otel.export.spool.segments import Place

Taken = tuple[Any, "Place | None"]
"""An item, and where it is written."""


class Flush:
    """A request to deliver everything taken so far; `done` is set when that was tried."""

    __slots__ = ("close", "delivered", "done")

    def __init__(self, *, close: bool = False) -> None:
        self.done = threading.Event()
        self.delivered = False
        self.close = close


_EVENT = object()
"""Stands in the queue for an event, which waits in a queue of its own: spans never crowd feedback out."""
_WAKE = object()


class Inbox:
    """Spans, events and requests, in the order in which they came."""

    def __init__(self, spans: Limits, events: Limits, most_at_once: int = sys.maxsize) -> None:
        """No more than `most_at_once` items are taken out at a time."""
        self._spans, self._events, self._most_at_once = spans, events, most_at_once
        self.held = {"span": 0, "feedback": 0}  # bytes
        self._renew_queues()

    def _renew_queues(self) -> None:
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._event_queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # Ends a wait for company: True at once, False where there may be enough. No event: that has a lock, for which
        # no finalizer may wait.
        self._hurry: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._is_woken = False
        self._asked = 0  # requests that wait
        self._weighing = threading.RLock()  # a finalizer may run inside it, on the same thread

    def refit(self) -> None:
        """Moves what waits into queues of gevent's, where that has replaced threads and queues since ours were made.

        The thread will be a greenlet; if it waited on a queue of the old kind, no other greenlet would ever run again.
        """
        if type(self._queue) is queue.SimpleQueue:
            return
        before = self._queue, self._event_queue
        self._renew_queues()
        for old, new in zip(before, (self._queue, self._event_queue), strict=True):
            while not old.empty():
                new.put(old.get())

    def __len__(self) -> int:
        return self._queue.qsize()

    # --- The application's side -----------------------------------------------------------------------------------

    def put(self, item: Any, size: int, place: Place | None) -> bool:
        """Takes a span that holds `size` bytes, where there is room for it."""
        waiting = self.spans
        if waiting >= self._spans.queue or not self._has_room("span", size, self._spans):
            return False
        self._queue.put((size, item, place))
        self._hurry_for(waiting, self._spans)
        return True

    def put_event(self, item: Any, size: int, place: Place | None) -> bool:
        """The same for an event."""
        waiting = self.events
        if waiting >= self._events.queue or not self._has_room("feedback", size, self._events):
            return False
        self._event_queue.put((size, item, place))
        self._queue.put(_EVENT)
        self._hurry_for(waiting, self._events)
        return True

    def ask(self, request: Flush) -> None:
        """Takes a request, for which the thread hurries."""
        self._asked += 1
        self._queue.put(request)
        self._hurry.put(True)

    def wake(self) -> None:
        """Ends a wait for a first item."""
        if not self._is_woken:
            self._is_woken = True
            self._queue.put(_WAKE)

    @property
    def spans(self) -> int:
        """How many spans wait."""
        return max(0, self._queue.qsize() - self._event_queue.qsize() - self._is_woken - self._asked)

    @property
    def events(self) -> int:
        """How many events wait."""
        return self._event_queue.qsize()

    def _hurry_for(self, waiting: int, limits: Limits) -> None:
        """Has the thread look where the one that it has taken, those waiting and one more may be enough."""
        if waiting + 2 >= limits.batch and self._hurry.empty():
            self._hurry.put(False)

    def _has_room(self, what: str, size: int, limits: Limits) -> bool:
        """Whether `size` more bytes may wait, which are counted then. A single item always may."""
        with self._weighing:
            held = self.held[what]
            if held and held + size > limits.bytes:
                return False
            self.held[what] = held + size
        return True

    # --- The thread's side ----------------------------------------------------------------------------------------

    def gather(self, due_in: float | None, requests: list[Flush]) -> list[Taken]:
        """Waits for a first item or for what falls due, then for company, then takes all there is."""
        try:
            first = self._queue.get(timeout=due_in)
        except queue.Empty:
            return []
        if first is _WAKE:
            self._is_woken = False
            return []
        items: list[Taken] = []
        self._sort_out(first, items, requests)
        until = time.monotonic() + (self._events.delay_s if first is _EVENT else self._spans.delay_s)
        while items and not self._has_batch(first) and not self._is_hurried(until - time.monotonic()):
            pass
        while not self._hurry.empty():
            self._hurry.get()
        return items + self.take(requests)

    def take(self, requests: list[Flush]) -> list[Taken]:
        """Everything that is in here now."""
        items: list[Taken] = []
        for _ in range(min(self._queue.qsize(), self._most_at_once)):
            self._sort_out(self._queue.get(), items, requests)
        return items

    def _is_hurried(self, left: float) -> bool:
        """Waits until there may be a batch; whether there is to be no more waiting, or no time is left for it."""
        try:
            return left <= 0 or self._hurry.get(timeout=left)
        except queue.Empty:
            return True

    def _has_batch(self, first: Any) -> bool:
        """Whether `first`, which was taken, and what is in here are enough to be sent."""
        is_event = first is _EVENT
        return self.spans + (not is_event) >= self._spans.batch or self.events + is_event >= self._events.batch

    def _sort_out(self, taken: Any, items: list[Taken], requests: list[Flush]) -> None:
        if isinstance(taken, Flush):
            self._asked -= 1
            requests.append(taken)
        elif taken is _WAKE:
            self._is_woken = False
        else:
            what = "feedback" if taken is _EVENT else "span"
            size, item, place = self._event_queue.get() if taken is _EVENT else taken
            with self._weighing:
                self.held[what] -= size
            items.append((item, place))
