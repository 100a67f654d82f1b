"""What one sink has not acknowledged yet, and when it is tried again."""

from __future__ import annotations

import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from rlhf_otel import hooks
from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.export.sizes import SMALL, size_of

if TYPE_CHECKING:
    from rlhf_otel.export.spool.backlog import Backlog
    from rlhf_otel.export.spool.segments import Place

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 1.0, 30.0
LONGEST_TOLD_S = 300.0
"""A backend that asks for a longer pause than that is asked again all the same."""
_SHRINK = 8
"""By how much a batch that was refused gets smaller: three refusals take 512 items down to one."""


class Readings(Protocol):
    """What has been measured and is exported every now and then."""

    def due_in(self) -> float | None:
        """Seconds until the next export; None where nothing has been measured since the last one."""

    def export(self) -> None:
        """Exports it now. Never raises."""


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


_BATCHES_IN_MEMORY = 4
"""So many batches of what the disk has wait in memory as well."""


class _Waiting(NamedTuple):
    item: Any
    size: int
    place: Place | None


class Outbox:
    """The items that wait for one sink.

    What has a place in the spool waits in memory as far as a few batches go; the rest is read back later. What has none
    waits in memory up to the limits, and is dropped beyond them.
    """

    def __init__(self, sink: Sink, limits: Limits, backlog: Backlog | None = None) -> None:
        """With `backlog` where there is a spool."""
        self.sink = sink
        self.backlog = backlog
        self._parked = 0
        self.sending_since = 0.0  # when the request that is under way began
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._size = limits.batch
        self._batch_bytes = limits.batch_bytes
        self._refused = sys.maxsize  # the least bytes of an item that were too many
        self._backoff_s = 0.0
        self._not_before = 0.0
        self._told_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting(self) -> list[Any]:
        """The items, oldest first."""
        return [each.item for each in self._waiting]

    @property
    def parked(self) -> int:
        """How many items are on the disk alone, as far as they were written by this process."""
        return max(0, self._parked - (self.backlog.lost if self.backlog is not None else 0))

    @property
    def homeless(self) -> int:
        """How many items are in memory alone."""
        return sum(each.place is None for each in self._waiting)

    @property
    def is_failing(self) -> bool:
        """Whether the sink took nothing when it was last tried."""
        return self._backoff_s > 0

    @property
    def has_room(self) -> bool:
        """Whether more may be read back from the disk."""
        return len(self._waiting) * 2 <= self._most_in_memory and self._bytes * 2 <= self._most_bytes_in_memory

    @property
    def _most_in_memory(self) -> int:
        return min(self._limits.queue, self._limits.batch * _BATCHES_IN_MEMORY)

    @property
    def _most_bytes_in_memory(self) -> int:
        return min(self._limits.bytes, self._limits.batch_bytes * _BATCHES_IN_MEMORY)

    def take(self, item: Any, size: int = 0, place: Place | None = None) -> None:
        """Has `item` of `size` bytes wait, without what the sink has no use for."""
        if place is not None and self.backlog is not None:
            if place.segment in self.backlog or self._is_beyond(size):
                self.backlog.mark(place.segment, place.start)
                self._parked += 1
                return
            place.segment.hold()
        self._add(item, size, place)

    def refill(self) -> bool:
        """Reads back some of what did not fit into memory, where it does now; whether there was any."""
        if not self.backlog or not self.has_room:
            return False
        for item, place in self.backlog.read():
            self._parked -= 1
            if self.sink.wants(item):
                self._add(item, size_of(item), place)
            else:
                place.segment.release()
        return True

    def _is_beyond(self, size: int) -> bool:
        """Whether one more item would be more than is to wait in memory; a single one never is."""
        held = len(self._waiting)
        return held > 0 and (held >= self._most_in_memory or self._bytes + size > self._most_bytes_in_memory)

    def _add(self, item: Any, size: int, place: Place | None) -> None:
        lean: Callable[[Any], Any] | None = getattr(self.sink, "lean", None)
        lighter = item if lean is None else lean(item)
        # What is in bytes by now has a size that is no estimate.
        self._waiting.append(_Waiting(lighter, size if lean is None else size_of(lighter) or size, place))
        self._bytes += self._waiting[-1].size

    def _gone(self, waiting: _Waiting, is_lasting: bool = True) -> None:
        """`waiting` is out of the queue for good, and off the disk unless somebody is to find it there later."""
        self._bytes -= waiting.size
        if waiting.place is not None and is_lasting:
            waiting.place.segment.release()

    def give_up(self) -> int:
        """Lets go of everything; returns how many items were in memory alone, and so are lost."""
        lost = self.homeless
        while self._waiting:
            self._waiting.popleft()
        return lost

    def discard(self, is_covered: Callable[[Any], bool]) -> None:
        """Lets go of the items that are to be erased."""
        going = [each for each in self._waiting if is_covered(each.item)]
        chosen = set(map(id, going))
        self._waiting = deque(each for each in self._waiting if id(each) not in chosen)
        for each in going:
            self._gone(each)

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
        while self._waiting and time.monotonic() >= (self._told_until if now else self._not_before):
            if self._waiting[0].size >= self._refused:
                dropped += self._cut_or_drop()
                continue
            batch = self._batch()
            if self._send(batch):
                self._acknowledged(len(batch))
            elif self._was_too_large() and self._learn(len(batch)):
                continue
            elif len(batch) == 1 and self._was_refused() and self._another_is_taken():
                # Only what is refused again is at fault: the sink may have come back between the two.
                if self._send(batch):
                    self._acknowledged(1)
                elif self._was_refused():
                    dropped += self._cut_or_drop()
            else:
                self._size = max(1, len(batch) // _SHRINK)
                self._back_off()
                break
        return dropped

    def _back_off(self) -> None:
        """Waits longer each time, and as long as the sink was told to wait."""
        self._backoff_s = min(max(self._backoff_s * 2, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
        told: float = getattr(self.sink, "retry_after_s", 0.0)
        self._told_until = time.monotonic() + min(told, LONGEST_TOLD_S)
        self._not_before = max(time.monotonic() + self._backoff_s, self._told_until)

    def _batch(self) -> list[Any]:
        """The oldest items, as many as may go out at once."""
        batch: list[Any] = []
        room = self._batch_bytes
        for waiting in itertools.islice(self._waiting, self._size):
            room -= waiting.size
            if batch and room < 0:
                break
            batch.append(waiting.item)
        return batch

    def _acknowledged(self, count: int) -> None:
        self._backoff_s = self._not_before = 0.0
        self._size = min(self._size * 2, self._limits.batch)
        hooks.count(f"delivered_{self.sink.name}", sum(self._taken(self._waiting.popleft()) for _ in range(count)))

    def _taken(self, waiting: _Waiting) -> bool:
        """The sink has `waiting`; whether that is all there was to do.

        A sink that cannot keep it leaves what is on the disk there, for another process.
        """
        is_lasting = bool(getattr(self.sink, "is_lasting", True))
        self._gone(waiting, is_lasting)
        return is_lasting or waiting.place is None

    def _was_too_large(self) -> bool:
        return bool(getattr(self.sink, "is_too_large", False))

    def _was_refused(self) -> bool:
        """Whether the sink said no to what it got, as far as can be known; a connection that broke says nothing."""
        return getattr(self.sink, "has_answered", None) is not False

    def _learn(self, count: int) -> bool:
        """Takes notice that the `count` oldest items were too many bytes; False where that cannot be the reason."""
        size = sum(each.size for each in itertools.islice(self._waiting, count))
        if size <= SMALL:
            return False
        self._batch_bytes = min(self._batch_bytes, size // 2)
        if count == 1:
            self._refused = min(self._refused, size)
        return True

    def _another_is_taken(self) -> bool:
        """Whether the sink takes the newest item, after it refused the oldest alone."""
        if len(self._waiting) < 2 or not self._send([self._waiting[-1].item]):
            return False
        hooks.count(f"delivered_{self.sink.name}", self._taken(self._waiting.pop()))
        return True

    def _cut_or_drop(self) -> int:
        """Makes the oldest item smaller, or drops it; returns how many were dropped."""
        oldest = self._waiting.popleft()
        item, size, place = oldest
        name, topic = self.sink.name, f"refused {self.sink.name}"
        cut: Callable[[Any, int], Any] | None = getattr(self.sink, "cut", None)
        smaller = cut(item, min(size // 2, self._batch_bytes)) if cut is not None and size > SMALL else None
        if smaller is None:
            self._gone(oldest)
            hooks.count("dropped_undelivered")
            hooks.say(topic, "%s refuses one item and takes others; it is dropped", name)
            return 1
        hooks.count("cut_to_fit")
        hooks.say(topic, "%s refuses an item of %d bytes; its longest texts are cut, and say so", name, size)
        self._waiting.appendleft(_Waiting(smaller, size_of(smaller), place))
        self._bytes += self._waiting[0].size - size
        return 0

    def _send(self, batch: Sequence[Any]) -> bool:
        name, waiting = self.sink.name, len(self._waiting)
        topic = getattr(self.sink, "topic", name)  # one outage of one backend is one line, not one for each signal
        self.sending_since = time.monotonic()
        try:
            sent = self.sink.send(batch)
        except Exception as error:  # noqa: BLE001 - a sink is the outside world
            hooks.say(topic, "%s failed: %s; %d items wait", name, error, waiting)
            sent = False
        else:
            if not sent and not self._was_too_large():
                said = "%s does not take data%s; %d items wait (the application is not affected; see: rlhf-otel doctor)"
                refusal = getattr(self.sink, "refusal", None)
                hooks.say(topic, said, name, f" ({refusal})" if refusal else "", waiting)
        self.sending_since = 0.0
        hooks.count("failed_batches", not sent)
        hooks.logger.debug("batch of %d to %s: %s", len(batch), name, "ok" if sent else "failed")
        return sent

    def _is_too_much(self, count: int, size: int | None = None) -> bool:
        """Whether `count` items with `size` bytes, or those that there are, may not wait; a single one always may."""
        return count > self._limits.queue or (
            count > 1 and (self._bytes if size is None else size) > self._limits.bytes
        )

    def make_room(self) -> int:
        """Drops what is more than may wait, the oldest spans first and feedback last; returns how many.

        What has a place on the disk is never too much, and stays.
        """
        if not self._is_too_much(len(self._waiting)):
            return 0
        before, name = len(self._waiting), self.sink.name
        going = self._too_many()
        if not going:
            return 0
        hooks.announce("buffer_full", [record_of(each.item) for each in going])
        said = "what waits for %s is too much (%d items, %d bytes); the oldest is dropped"
        hooks.say(f"too much for {name}", said, name, before, self._bytes)
        chosen = set(map(id, going))
        self._waiting = deque(each for each in self._waiting if id(each) not in chosen)
        self._bytes -= sum(each.size for each in going)
        hooks.count("dropped_undelivered", len(going))
        return len(going)

    def _too_many(self) -> list[_Waiting]:
        """Those that have to go."""
        going: list[_Waiting] = []
        left, size = len(self._waiting), self._bytes
        for may_go in (_is_no_feedback, _is_feedback):
            for each in self._waiting:
                if not self._is_too_much(left, size):
                    return going
                if each.place is None and may_go(each.item):
                    going.append(each)
                    left, size = left - 1, size - each.size
        return going


def record_of(item: Any) -> Any:
    """What listeners are told of an item: the interaction or the feedback in it, or what else it is."""
    if isinstance(item, EndedSpan):
        return item.interaction or item.readable or item
    if isinstance(item, tuple):  # work that was put off: its kind, what does it, and the span
        return next((each for each in item if hasattr(each, "get_span_context")), item)
    return item.feedback or item if isinstance(item, Event) else item


def _is_feedback(item: Any) -> bool:
    return isinstance(item, Event)


def _is_no_feedback(item: Any) -> bool:
    return not isinstance(item, Event)
