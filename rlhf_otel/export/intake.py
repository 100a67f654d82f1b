"""Where what has ended is put, by durability: what is done at once, what on which thread, and when it is on the disk.

    memory  application -> export thread: prepare, deliver
    disk    application -> spool thread: prepare, write -> export thread: deliver      feedback: as with sync
    sync    application: prepare, write -> export thread: deliver

The export thread may be held up by a backend for as long as a request takes. That is why another one writes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from rlhf_otel import hooks
from rlhf_otel.export.forked import uninterrupted
from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.export.otlp import packed
from rlhf_otel.export.outbox import Limits
from rlhf_otel.export.sizes import size_of
from rlhf_otel.export.spool import frames
from rlhf_otel.export.worker import Worker

if TYPE_CHECKING:
    from rlhf_otel.export.spool.segments import Place
    from rlhf_otel.export.spool.spool import Spool

GROUP_S = 0.01
"""How long the first of a group waits for others before it is written."""
_GROUP = 64
"""So many are written at once at most: what has been prepared does not wait until all of a burst has."""
_DRAIN_S = 20.0
"""How long the end of a process waits until everything is written, which no backend can hold up: after a burst, some
thousands of spans may still have to be prepared."""


class Intake:
    """Takes what has ended, in the way of one durability."""

    def __init__(
        self,
        worker: Worker,
        prepare: Callable[[Any], Any],
        spool: Spool | None,
        *,
        sync: bool,
        spans: Limits,
        events: Limits,
    ) -> None:
        """Without a `spool` everything stays in memory until `worker` has delivered it."""
        self._worker, self._prepare, self._spool, self._sync = worker, prepare, spool, sync
        self._writer: Worker | None = None
        if spool is not None and not sync:
            self._writer = Worker(
                lambda: [_Writing(self)],
                prepare,
                spans=replace(spans, batch=_GROUP, delay_s=GROUP_S),
                events=replace(events, batch=_GROUP, delay_s=GROUP_S),
                most_at_once=_GROUP,
                name="rlhf-otel-spool",
                is_last=False,
                successor=worker,
            )

    def put(self, item: Any, size: int = 0) -> None:
        """Takes a span that has ended; with `sync` it is written when this returns."""
        if self._spool is None:
            self._worker.put(item, size)
        elif self._writer is not None:
            self._writer.put(item, size)
        else:
            self._write_now(item)

    def put_event(self, item: Any, size: int = 0, *, is_feedback: bool) -> None:
        """Takes an event; feedback is written when this returns, where there is a spool."""
        if self._spool is None:
            self._worker.put_event(item, size)
        elif self._writer is not None and not is_feedback:
            self._writer.put_event(item, size)
        else:
            self._write_now(item)

    @property
    def is_preparing_aside(self) -> bool:
        """Whether this is the thread on which the work that was put off is done."""
        return (self._writer or self._worker).is_current_thread

    @property
    def writes_at_once(self) -> bool:
        """Whether a span is written on the thread that ends it."""
        return self._spool is not None and self._writer is None

    @property
    def keeps(self) -> bool:
        """Whether what is put survives the process, as far as is known."""
        return self._spool is not None and self._spool.is_usable

    @property
    def waiting(self) -> int:
        """How many items are not acknowledged yet."""
        return self._worker.waiting + (self._writer.waiting if self._writer is not None else 0)

    @property
    def homeless(self) -> int:
        """How many of them are in memory alone."""
        return self._worker.homeless + (self._writer.waiting if self._writer is not None else 0)

    def flush(self, timeout: float) -> bool:
        """Delivers everything that was put before; True only when every sink has acknowledged all of it in time."""
        until = time.monotonic() + timeout
        written = self._writer is None or self._writer.flush(timeout)
        return self._worker.flush(max(0.0, until - time.monotonic())) and written

    def close(self, timeout: float, stuck_s: float | None = None) -> bool:
        """The same, and lets go of the sinks and of the spool. Whatever the backend does, all is written first.

        With `stuck_s`, a single request that takes longer is not waited for, where the spool has everything.
        """
        written = self._writer is None or self._writer.close(max(timeout, _DRAIN_S))
        return self._worker.close(timeout, stuck_s if self.keeps else None) and written

    def _write_now(self, item: Any) -> None:
        try:
            prepared = self._prepare(item) if isinstance(item, tuple) else item
            if prepared is not None:
                self.keep([prepared])
        except Exception as error:  # noqa: BLE001 - whoever ended the span must not notice
            hooks.fault("writing to the spool", error)

    def keep(self, items: Sequence[Any]) -> None:
        """Writes what was prepared and hands it on."""
        assert self._spool is not None
        if "rlhf_otel.export.encoder" not in sys.modules:
            with uninterrupted():
                import rlhf_otel.export.encoder  # noqa: F401
        items, loose = _encoded(items)
        made = [(frame_of(item), payload_of(item)) for item in items]
        if len(made) == 1:
            self._spool.make_room(made[0][0], len(made[0][1]))
        else:
            for kind in {kind for kind, _ in made}:
                self._spool.make_room(kind, sum(len(payload) for of, payload in made if of == kind))
        with self._spool.lock:
            places = self._spool.append(made)
            for item, place in zip(items, places, strict=True):
                if place is not None:
                    self._hand_on(item, place)
        # Where the queue is full, listeners are told of what has no place: by no means within the lock.
        self._spool.complain()
        for item in (*loose, *(item for item, place in zip(items, places, strict=True) if place is None)):
            self._hand_on(item, None)

    def _hand_on(self, item: Any, place: Place | None) -> None:
        put = self._worker.put if isinstance(item, EndedSpan) else self._worker.put_event
        put(item, item.packed.size if item.packed is not None else size_of(item), place)


class _Writing:
    """What stands in the place of a sink for the thread that writes."""

    name = "spool"
    carries: Literal["spans", "events"] = "spans"

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def wants(self, item: Any) -> bool:
        """Everything."""
        return True

    def send(self, items: Sequence[Any]) -> bool:
        """Writes; where that cannot be, the items go on in memory."""
        self._intake.keep(items)
        return True

    def close(self) -> None:
        """Nothing: the spool is the export thread's to close."""


def _encoded(items: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Items with their bytes, and those of which there can be none: they are not to hold up the others."""
    encoded, loose = [], []
    for item in items:
        try:
            encoded.append(item if item.packed is not None else packed(item))
        except Exception as error:  # noqa: BLE001 - another instrumentation's text need not be text
            hooks.fault("encoding for the spool", error)
            loose.append(item)
    return encoded, loose


def frame_of(item: Any) -> int:
    """The kind of frame that an item is in the spool."""
    if isinstance(item, EndedSpan):
        return frames.SPANS | frames.LOCAL if item.local_only else frames.SPANS
    return frames.FEEDBACK if isinstance(item, Event) else frames.LOGS


def payload_of(item: Any) -> bytes:
    """An encoded item as a request of its own."""
    from rlhf_otel.export import wire

    return wire.request([item.packed])
