"""The export thread: takes what the application's threads leave, prepares it, and delivers it to the sinks.

The application's side is one `put` into a `SimpleQueue`, which is safe even inside a finalizer. Every item is counted
when it is taken, delivered or dropped, so that `flush` can keep its word.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks
from rlhf_otel.export.forked import uninterrupted
from rlhf_otel.export.inbox import Flush, Inbox, Taken
from rlhf_otel.export.outbox import Limits, Outbox, Readings, Sink, record_of
from rlhf_otel.export.sizes import size_of
from rlhf_otel.export.spool.backlog import Backlog

if TYPE_CHECKING:
    from rlhf_otel.export.spool.erasing import Requests
    from rlhf_otel.export.spool.segments import Place
    from rlhf_otel.export.spool.spool import Spool


_LOOK_S = 0.02


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
        spool: Spool | None = None,
        most_at_once: int = sys.maxsize,
        name: str = "rlhf-otel-export",
        is_last: bool = True,
        successor: Worker | None = None,
    ) -> None:
        """Nothing is started before the first item.

        Args:
            make_sinks: called once, on the export thread.
            prepare: turns a queued item into what sinks take, on the export thread; None drops it.
            spans: for spans. What does not fit is dropped and counted, newest in the queue, oldest in an outbox.
            events: for feedback and other events, the same.
            readings: metrics, exported when they are due and at each flush.
            spool: keeps on the disk what has a place there.
            most_at_once: no more items are prepared before what has been is delivered.
            name: of the thread.
            is_last: what this one has delivered, has been; else it has only been written, which takes no longer than
                the disk does.
            successor: takes what this one delivers.
        """
        self._name, self._most_at_once, self._is_last, self._successor = name, most_at_once, is_last, successor
        self._spool = spool
        self._make_sinks = make_sinks
        self._prepare = prepare
        self._readings = readings
        self._spans, self._events = spans, events
        self._reset()
        hooks.after_fork(self._reset)

    def _reset(self) -> None:
        """A new process has no thread and leaves what its parent had queued to its parent."""
        self._inbox = Inbox(self._spans, self._events, self._most_at_once)
        self._backlog = None if self._spool is None else Backlog(self._spool, of_shared=False)
        self._erasures: Requests | None = None
        self._start_lock = threading.RLock()
        self._is_starting = False
        self._thread: threading.Thread | None = None
        self._outboxes: list[Outbox] | None = None
        self._lost = self._is_replaying = False
        self._left_behind = 0
        self._in_hand = 0  # taken from the inbox, and not in an outbox yet

    # --- The application's side -----------------------------------------------------------------------------------

    def put(self, item: Any, size: int = 0, place: Place | None = None) -> None:
        """Takes a span that holds `size` bytes; never blocks. What does not fit is dropped and counted.

        What has a `place` on the disk is read from there later instead; the lock of the spool is to be held since it
        was written.
        """
        if self._is_behind(place) or not self._inbox.put(item, size, place):
            self._refuse(item, "span", place)
        else:
            self._ensure_thread()

    def put_event(self, item: Any, size: int = 0, place: Place | None = None) -> None:
        """Takes an event, which has a queue of its own; the same holds."""
        if self._is_behind(place) or not self._inbox.put_event(item, size, place):
            self._refuse(item, "feedback", place)
        else:
            self._ensure_thread()

    def _is_behind(self, place: Place | None) -> bool:
        """Whether something that was written before is to be read from the disk; so this is, too."""
        return place is not None and self._backlog is not None and place.segment in self._backlog

    def wake(self) -> None:
        """Has the thread look at what is due, which it does by itself where it has something to do."""
        if not len(self._inbox):
            self._inbox.wake()
            self._ensure_thread()

    @property
    def kept(self) -> int:
        """How many items a successor finds on the disk."""
        return self._left_behind + self.waiting - self.homeless

    def flush(self, timeout: float) -> bool:
        """Delivers everything that was put before; True only when every sink has acknowledged all of it in time."""
        return self._ask(Flush(), timeout)

    def close(self, timeout: float, stuck_s: float | None = None) -> bool:
        """The same, and lets go of the sinks. Items put later start the thread anew.

        Where the disk has all of it, a request that takes longer than `stuck_s` is not waited for.
        """
        return self._ask(Flush(close=True), timeout, stuck_s)

    def replay(self, timeout: float) -> None:
        """Delivers what was left on the disk, wherever it was to go; what is not taken stays there."""
        until, self._is_replaying = time.monotonic() + timeout, True
        while self._spool is not None and self._backlog is not None:
            self._spool.look_around(self._backlog, anywhere=True)
            if not self._backlog or not self.flush(max(0.0, until - time.monotonic())):
                return

    @property
    def waiting(self) -> int:
        """How many items are queued or not yet acknowledged."""
        inside = self._inbox.spans + self._inbox.events
        return inside + self._in_hand + sum(len(outbox) + outbox.parked for outbox in self._outboxes or ())

    @property
    def on_disk(self) -> int:
        """How many of them are in the spool and not in memory."""
        return sum(outbox.parked for outbox in self._outboxes or ())

    @property
    def homeless(self) -> int:
        """How many of them are in memory alone."""
        if self._spool is None or not self._spool.is_usable:
            return self.waiting - self.on_disk
        return sum(outbox.homeless for outbox in self._outboxes or ())

    @property
    def is_current_thread(self) -> bool:
        """Whether this is the export thread."""
        return threading.current_thread() is self._thread

    def _refuse(self, item: Any, what: str, place: Place | None) -> None:
        """Leaves what is on the disk to be read from there, and drops anything else."""
        if place is not None and self._backlog is not None:
            self._prepared(item)  # it is counted in the metrics, if in nothing else
            self._backlog.mark(place.segment, place.start)
            place.segment.release()
            self._ensure_thread()
            return
        self._lost = True
        waiting = self._inbox.spans if what == "span" else self._inbox.events
        hooks.announce("buffer_full", [record_of(item)])
        hooks.count("dropped_queue_full")
        said = "the export queue is full (%d items, %d bytes); new ones are dropped: %s"
        hooks.say(f"queue full {what}", said, waiting, self._inbox.held[what], what)

    def _prepared(self, item: Any) -> Any:
        """`item` as sinks take it; None where there is nothing to take."""
        try:
            return self._prepare(item)
        except BaseException as error:  # noqa: BLE001 - one broken item must not stop the rest
            self._lost = True
            self._report(error)
            return None

    def _ask(self, request: Flush, timeout: float, stuck_s: float | None = None) -> bool:
        if self._thread is None and not any((self._inbox, self._outboxes, self._backlog, self._lost)):
            return True
        if self.is_current_thread:
            return False  # a processor or listener asked, from inside the delivery
        self._inbox.ask(request)
        if self._ensure_thread():
            return self._is_done(request, timeout, stuck_s) and request.delivered
        if not self._is_last or self._goes_into_a_file():
            self._round()  # there is no thread to be had, as at the end of a process from Python 3.12 on
        return request.delivered

    def _goes_into_a_file(self) -> bool:
        """Whether delivery holds nobody up: no backend is asked."""
        self._make_outboxes()
        return all(getattr(outbox.sink, "is_lasting", False) for outbox in self._outboxes or ())

    def _is_done(self, request: Flush, timeout: float, stuck_s: float | None) -> bool:
        """Waits for a request; whether it was answered."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            if request.done.wait(left if stuck_s is None else min(left, _LOOK_S)):
                return True
            if stuck_s is not None and not self.homeless and self._sends_longer_than(stuck_s):
                return False
        return request.done.is_set()

    def _sends_longer_than(self, seconds: float) -> bool:
        now = time.monotonic()
        return any(now - box.sending_since > seconds for box in self._outboxes or () if box.sending_since)

    def _ensure_thread(self) -> bool:
        """Whether there is a thread now. Where the system has none to give, the next item asks for one again."""
        if self._thread is not None and self._thread.is_alive():
            return True
        self._inbox.refit()
        with self._start_lock:
            # Whoever comes here while a thread is being started, and holds the lock, is a finalizer or a greenlet that
            # runs in the midst of it; that thread is not alive yet, and takes this item as well.
            if self._is_starting or (self._thread is not None and self._thread.is_alive()):
                return True
            self._is_starting = True
            try:
                if self._successor is not None:
                    self._successor._ensure_thread()  # now: from 3.12 on the end of a process may be too late
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            except RuntimeError as error:
                if threading.main_thread().is_alive():  # else the end of the process says what becomes of it
                    hooks.say("no thread", "the export thread was not started (%s); what is recorded waits", error)
                return False
            finally:
                self._is_starting = False
        return True

    # --- The thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            self._round()

    def _round(self) -> None:
        requests: list[Flush] = []
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

    def _cycle(self, requests: list[Flush]) -> None:
        """One round: waits for work, prepares it, delivers it, and answers those who asked for a flush."""
        items = self._inbox.gather(self._until_due(), requests)
        self._in_hand = len(items)
        if items or self._backlog:
            # The first of them imports what all need.
            with contextlib.nullcontext() if self._outboxes is not None else uninterrupted():
                self._make_outboxes()
                self._sort(items[:1])
            self._sort(items[1:])
        if requests:
            # Preparing a call may have made events of its own; a flush includes them.
            self._sort(self._inbox.take(requests))
        closing = any(request.close for request in requests)
        self._erase()
        self._bring_back(adopt=not closing)
        self._deliver(now=bool(requests), hopeless=not closing)
        while requests and not closing and self._bring_back(adopt=False):
            self._deliver(now=True)
        self._export_readings(now=bool(requests))
        delivered = not any(map(self._has_some, self._outboxes or ())) and not self._backlog and not self._lost
        if closing:
            self._close_sinks()
        if requests:
            self._lost = False
            if self._is_last:
                hooks.announce("flush")
        for request in requests:
            request.delivered = delivered

    def _erase(self) -> None:
        """Does what `rlhf-otel purge` has asked this process for: nothing of it is sent from now on."""
        if self._spool is None:
            return
        from rlhf_otel.export.spool import erasing  # here, as it reads whole records, with all that belongs to them

        if self._erasures is None:
            self._erasures = erasing.Requests(self._spool.folder)
        for cover in self._erasures.look():
            erased = erasing.erase_own(self._spool, cover)
            for outbox in self._outboxes or ():
                outbox.discard(self._erasures.cover)
            hooks.logger.info("erased %d items of the spool, as was asked", erased)

    @staticmethod
    def _has_some(outbox: Outbox) -> bool:
        return len(outbox) > 0 or bool(outbox.backlog)

    def _bring_back(self, *, adopt: bool) -> bool:
        """Reads back from the spool what there is room for; whether there was anything."""
        outboxes = self._outboxes
        if self._spool is None or self._backlog is None or not outboxes:
            return False
        if adopt:
            self._spool.look_around(self._backlog)
        found = self._backlog.read() if any(outbox.has_room for outbox in outboxes) else []
        for item, place in found:
            self._share(item, size_of(item), place)
        refilled = [outbox.refill() for outbox in outboxes]
        return bool(found) or any(refilled)

    def _share(self, item: Any, size: int, place: Place | None) -> None:
        """Hands an item to every sink that wants it, after which nobody but them holds it."""
        if self._erasures and self._erasures.cover(item):
            if place is not None and self._spool is not None:
                from rlhf_otel.export.spool.erasing import erase_place

                erase_place(self._spool, place)
                place.segment.release()
            return
        wanting = [outbox for outbox in self._outboxes or () if outbox.sink.wants(item)]
        for outbox in wanting:
            outbox.take(item, size, place)
        if place is not None:
            place.segment.shared = max(place.segment.shared, place.end)
            if wanting or not self._is_replaying:  # what goes elsewhere than its owner meant may find nobody
                place.segment.release()

    def _until_due(self) -> float | None:
        due = [outbox.due_in() for outbox in self._outboxes or () if outbox or (outbox.backlog and outbox.has_room)]
        if self._spool is not None and any(box.has_room for box in self._outboxes or ()):
            due.append(0.0 if self._backlog else self._spool.due_in())
        if self._readings is not None and (readings := self._readings.due_in()) is not None:
            due.append(readings)
        return min(due, default=None)

    def _sort(self, items: Sequence[Taken]) -> None:
        """Prepares items and hands them to the sinks."""
        for item, place in items:
            if (prepared := self._prepared(item)) is not None:
                try:
                    self._share(prepared, size_of(prepared), place)
                except Exception as error:  # noqa: BLE001 - what cannot be encoded is one item, too
                    self._lost = True
                    self._report(error)
            self._in_hand = max(0, self._in_hand - 1)

    def _deliver(self, *, now: bool, hopeless: bool = True) -> None:
        """With `hopeless` sinks are asked that have just refused, though the disk has everything for them."""
        for outbox in self._outboxes or ():
            tries = hopeless or outbox.backlog is None or not outbox.is_failing or outbox.homeless
            dropped = outbox.deliver(now=now and bool(tries))
            dropped += outbox.make_room()
            if dropped:
                self._lost = True
                hooks.announce("drop", dropped)

    def _export_readings(self, *, now: bool) -> None:
        due = self._readings.due_in() if self._readings is not None else None
        if due is not None and (now or due <= 0):
            self._readings.export()  # type: ignore[union-attr]

    def _make_outboxes(self) -> None:
        if self._outboxes is None:
            self._outboxes = [self._outbox(sink) for sink in self._make_sinks()]

    def _outbox(self, sink: Sink) -> Outbox:
        limits = self._events if getattr(sink, "carries", "spans") == "events" else self._spans
        return Outbox(sink, limits, None if self._spool is None else Backlog(self._spool, of_shared=True))

    def _close_sinks(self) -> None:
        """Lets go of the sinks; an outbox that still has something waiting is given up, which counts as a drop."""
        self._left_behind = sum(len(box) + box.parked - box.homeless for box in self._outboxes or ())
        for outbox in self._outboxes or ():
            hooks.count("dropped_undelivered", outbox.give_up())
            try:
                outbox.sink.close()
            except Exception as error:  # noqa: BLE001 - a sink is the outside world
                hooks.fault(f"closing {outbox.sink.name}", error)
        self._outboxes = None
        if self._spool is not None:
            self._spool.let_go()
