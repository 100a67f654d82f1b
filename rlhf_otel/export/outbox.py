"""What one sink has not acknowledged yet, and when it is tried again."""

from __future__ import annotations

import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from rlhf_otel import hooks
from rlhf_otel.export.items import Event
from rlhf_otel.export.sizes import SMALL, size_of

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


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait, how much goes out at once, and how long the first item waits for company.

    Attributes:
        queue: how many items may wait.
        batch: how many go out at once.
        delay_s: how long the first one waits for others.
        bytes: how many bytes may wait.
        batch_bytes: how many go out at once; a larger item goes alone.
    """

    queue: int
    batch: int
    delay_s: float
    bytes: int = sys.maxsize
    batch_bytes: int = sys.maxsize


class Outbox:
    """The items that wait for one sink."""

    def __init__(self, sink: Sink, limits: Limits) -> None:
        self.sink = sink
        self._limits = limits
        self._waiting: deque[tuple[Any, int]] = deque()
        self._bytes = 0
        self._size = limits.batch
        self._batch_bytes = limits.batch_bytes
        self._refused = sys.maxsize  # the least bytes of an item that were too many
        self._backoff_s = 0.0
        self._not_before = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[Any]:
        """The items, oldest first."""
        return [item for item, _ in self._waiting]

    def take(self, item: Any, size: int = 0) -> None:
        """Has `item` of `size` bytes wait, without what the sink has no use for."""
        lean: Callable[[Any], Any] | None = getattr(self.sink, "lean", None)
        self._waiting.append((item if lean is None else lean(item), size))
        self._bytes += size

    def due_in(self) -> float:
        """Seconds until the sink may be tried again."""
        return max(0.0, self._not_before - time.monotonic())

    def deliver(self, *, now: bool) -> int:
        """Sends what is waiting, batch by batch, as far as the sink takes it; returns how many items it never will.

        A refused batch comes again, smaller: a backend that refuses large requests gets small ones, and an item that
        no backend can take does not hold up the others for ever. Where the backend says that it was too large, it comes
        again at once, and what is sent later is not as large.
        """
        dropped = 0
        while self._waiting and (now or self.due_in() <= 0):
            if self._waiting[0][1] >= self._refused:
                dropped += self._cut_or_drop()
                continue
            batch = self._batch()
            if self._send(batch):
                self._acknowledged(len(batch))
            elif self._was_too_large() and self._learn(len(batch)):
                continue
            elif len(batch) == 1 and self._another_is_taken():
                dropped += self._cut_or_drop()
            else:
                self._size = max(1, len(batch) // _SHRINK)
                self._backoff_s = min(max(self._backoff_s * 2, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
                self._not_before = time.monotonic() + self._backoff_s
                break
        return dropped

    def _batch(self) -> list[Any]:
        """The oldest items, as many as may go out at once."""
        batch: list[Any] = []
        room = self._batch_bytes
        for item, size in itertools.islice(self._waiting, self._size):
            room -= size
            if batch and room < 0:
                break
            batch.append(item)
        return batch

    def _acknowledged(self, count: int) -> None:
        self._backoff_s = self._not_before = 0.0
        self._size = min(self._size * 2, self._limits.batch)
        for _ in range(count):
            self._bytes -= self._waiting.popleft()[1]
        hooks.count(f"delivered_{self.sink.name}", count)

    def _was_too_large(self) -> bool:
        return bool(getattr(self.sink, "is_too_large", False))

    def _learn(self, count: int) -> bool:
        """Takes notice that the `count` oldest items were too many bytes; False where that cannot be the reason."""
        size = sum(size for _, size in itertools.islice(self._waiting, count))
        if size <= SMALL:
            return False
        self._batch_bytes = min(self._batch_bytes, size // 2)
        if count == 1:
            self._refused = min(self._refused, size)
        return True

    def _another_is_taken(self) -> bool:
        """Whether the sink takes the newest item, after it refused the oldest alone."""
        if len(self._waiting) < 2 or not self._send([self._waiting[-1][0]]):
            return False
        self._bytes -= self._waiting.pop()[1]
        hooks.count(f"delivered_{self.sink.name}")
        return True

    def _cut_or_drop(self) -> int:
        """Makes the oldest item smaller, or drops it; returns how many were dropped."""
        item, size = self._waiting.popleft()
        self._bytes -= size
        name, topic = self.sink.name, f"refused {self.sink.name}"
        cut: Callable[[Any, int], Any] | None = getattr(self.sink, "cut", None)
        smaller = cut(item, min(size // 2, self._batch_bytes)) if cut is not None and size > SMALL else None
        if smaller is None:
            hooks.count("dropped_undelivered")
            hooks.say(topic, "%s refuses one item and takes others; it is dropped", name)
            return 1
        hooks.count("cut_to_fit")
        hooks.say(topic, "%s refuses an item of %d bytes; its longest texts are cut, and say so", name, size)
        size = size_of(smaller)
        self._waiting.appendleft((smaller, size))
        self._bytes += size
        return 0

    def _send(self, batch: Sequence[Any]) -> bool:
        name, waiting = self.sink.name, len(self._waiting)
        topic = getattr(self.sink, "topic", name)  # one outage of one backend is one line, not one for each signal
        try:
            sent = self.sink.send(batch)
        except Exception as error:  # noqa: BLE001 - a sink is the outside world
            hooks.say(topic, "%s failed: %s; %d items wait", name, error, waiting)
            sent = False
        else:
            if not sent and not self._was_too_large():
                said = "%s does not take data; %d items wait (the application is not affected)"
                hooks.say(topic, said, name, waiting)
        hooks.count("failed_batches", not sent)
        hooks.logger.debug("batch of %d to %s: %s", len(batch), name, "ok" if sent else "failed")
        return sent

    def _is_too_much(self, count: int) -> bool:
        """Whether `count` items with the bytes that there are may not wait; a single one always may."""
        return count > self._limits.queue or (count > 1 and self._bytes > self._limits.bytes)

    def make_room(self) -> int:
        """Drops what is more than may wait, the oldest spans first and feedback last; returns how many."""
        if not self._is_too_much(len(self._waiting)):
            return 0
        before, name = len(self._waiting), self.sink.name
        hooks.announce("buffer_full", self._waiting[0][0])
        said = "what waits for %s is too much (%d items, %d bytes); the oldest is dropped"
        hooks.say(f"too much for {name}", said, name, before, self._bytes)
        for may_go in (_is_no_feedback, _is_anything):
            kept: deque[tuple[Any, int]] = deque()
            while self._waiting:
                item, size = self._waiting.popleft()
                if may_go(item) and self._is_too_much(len(kept) + len(self._waiting) + 1):
                    self._bytes -= size
                else:
                    kept.append((item, size))
            self._waiting = kept
        dropped = before - len(self._waiting)
        hooks.count("dropped_undelivered", dropped)
        return dropped


def _is_no_feedback(item: Any) -> bool:
    return not isinstance(item, Event)


def _is_anything(_: Any) -> bool:
    return True
