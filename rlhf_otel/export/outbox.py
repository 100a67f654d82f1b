"""What one sink has not acknowledged yet, and when it is tried again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from rlhf_otel import hooks
from rlhf_otel.export.items import Event

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
_SHRINK = 8
"""By how much a batch that was refused gets smaller: three refusals take 512 items down to one."""


class Sink(Protocol):
    """Something that takes finished items."""

    name: str
    carries: Literal["spans", "events"]
    """Whose limits hold. A sink for both goes by those of spans."""

    def wants(self, item: Any) -> bool:
        """Whether this kind of item belongs here."""

    def send(self, items: Sequence[Any]) -> bool:
        """Delivers `items`; True only when they were acknowledged."""

    def close(self) -> None:
        """Lets go of connections and files."""


class Outbox:
    """The items that wait for one sink."""

    def __init__(self, sink: Sink, limit: int, batch_size: int) -> None:
        self.sink = sink
        self.waiting: deque[Any] = deque()
        self._limit = limit
        self._full_size = self._size = batch_size
        self._backoff_s = 0.0
        self._not_before = 0.0

    def take(self, item: Any) -> None:
        """Has `item` wait, without what the sink has no use for."""
        lean: Callable[[Any], Any] | None = getattr(self.sink, "lean", None)
        self.waiting.append(item if lean is None else lean(item))

    def due_in(self) -> float:
        """Seconds until the sink may be tried again."""
        return max(0.0, self._not_before - time.monotonic())

    def deliver(self, *, now: bool) -> int:
        """Sends what is waiting, batch by batch, as far as the sink takes it; returns how many items it never will.

        A refused batch comes again, smaller: a backend that refuses large requests gets small ones, and an item that
        no backend can take does not hold up the others for ever.
        """
        dropped = 0
        while self.waiting and (now or self.due_in() <= 0):
            batch = [self.waiting[i] for i in range(min(self._size, len(self.waiting)))]
            if self._send(batch):
                self._acknowledged(len(batch))
            elif len(batch) == 1 and self._another_is_taken():
                self.waiting.popleft()
                dropped += 1
                hooks.count("dropped_undelivered")
                hooks.say(
                    f"refused {self.sink.name}", "%s refuses one item and takes others; it is dropped", self.sink.name
                )
            else:
                self._size = max(1, len(batch) // _SHRINK)
                self._backoff_s = min(max(self._backoff_s * 2, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
                self._not_before = time.monotonic() + self._backoff_s
                break
        return dropped

    def _acknowledged(self, count: int) -> None:
        self._backoff_s = self._not_before = 0.0
        self._size = min(self._size * 2, self._full_size)
        for _ in range(count):
            self.waiting.popleft()
        hooks.count(f"delivered_{self.sink.name}", count)

    def _another_is_taken(self) -> bool:
        """Whether the sink takes the newest item, after it refused the oldest alone: then that one is at fault."""
        if len(self.waiting) < 2 or not self._send([self.waiting[-1]]):
            return False
        self.waiting.pop()
        hooks.count(f"delivered_{self.sink.name}")
        return True

    def _send(self, batch: Sequence[Any]) -> bool:
        name, waiting = self.sink.name, len(self.waiting)
        topic = getattr(self.sink, "topic", name)  # one outage of one backend is one line, not one for each signal
        try:
            sent = self.sink.send(batch)
        except Exception as error:  # noqa: BLE001 - a sink is the outside world
            hooks.say(topic, "%s failed: %s; %d items wait", name, error, waiting)
            sent = False
        else:
            if not sent:
                said = "%s does not take data; %d items wait (the application is not affected)"
                hooks.say(topic, said, name, waiting)
        hooks.count("failed_batches", not sent)
        hooks.logger.debug("batch of %d to %s: %s", len(batch), name, "ok" if sent else "failed")
        return sent

    def make_room(self) -> int:
        """Drops what is more than may wait, the oldest spans first and feedback last; returns how many."""
        excess = dropped = max(0, len(self.waiting) - self._limit)
        if excess:
            kept: deque[Any] = deque()
            for item in self.waiting:
                if excess and not isinstance(item, Event):
                    excess -= 1
                else:
                    kept.append(item)
            for _ in range(excess):
                kept.popleft()
            self.waiting = kept
            hooks.count("dropped_undelivered", dropped)
        return dropped
