"""The spool of one process: writes what was prepared, adopts what dead processes have left, keeps to its bounds.

Nothing here raises for what the disk does: where nothing can be written, items have no place and stay in memory, as
with the durability `memory`. It is tried again later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.export.forked import uninterrupted
from rlhf_otel.export.spool import frames, segments
from rlhf_otel.export.spool.backlog import Backlog, items_of
from rlhf_otel.export.spool.folder import Found, listed
from rlhf_otel.export.spool.segments import Place, Segment
from rlhf_otel.store.files import in_full

SEGMENT_BYTES = 4 << 20
LOOK_EVERY_S = 5.0
_TRY_AGAIN_S = 30.0
_MOST_ADOPTED = 4
"""So many segments are adopted at a time: several processes share the work, and a flush does not wait for all of it."""


class Spool:
    """The segments that this process writes or has adopted, in one folder.

    `append` and what follows from it may be called on any thread, under `lock`; the rest on the export thread.
    """

    def __init__(self, folder: str | Path, to: Sequence[str], most_bytes: int) -> None:
        """Touches nothing before the first item.

        Args:
            folder: where the segments are.
            to: where items are to go, in words. Segments of others that go elsewhere are left alone.
            most_bytes: how much all segments in the folder may take.

        Attributes:
            records: what listeners are told of items that are about to be dropped.
        """
        self.folder = in_full(folder)
        self.to = sorted(to)
        self.most_bytes = most_bytes
        self._segment_bytes = max(1, min(SEGMENT_BYTES, most_bytes // 8))
        self.records: Callable[[Sequence[Any]], list[Any]] = list
        self._reset()
        hooks.after_fork(self._after_fork)

    def _reset(self) -> None:
        self.lock = threading.RLock()
        self._live: dict[int, Segment] = {}
        self._segments: set[Segment] = set()
        self._look_at = 0.0
        self._unusable_until = 0.0
        self._is_writing = False
        self._failure = ""

    def _after_fork(self) -> None:
        """The segments are the parent's; their locks would outlive it as long as the child has them open."""
        inherited = list(self._segments)
        self._reset()
        for segment in inherited:
            segment.let_go()

    @property
    def segments(self) -> list[Segment]:
        """Those that are open, to be asked for under `lock`."""
        return list(self._segments)

    @property
    def is_usable(self) -> bool:
        """Whether the last attempt to write succeeded, as far as there was one."""
        return time.monotonic() >= self._unusable_until

    # --- Writing --------------------------------------------------------------------------------------------------

    def append(self, items: Sequence[tuple[int, bytes]]) -> list[Place | None]:
        """Writes items, each a kind of frame and an export request, in one go for each kind of segment.

        Returns:
            Where each of them stands; None for what could not be written. Each is held in memory once, by the caller,
            who is to have called `make_room` and to hold `lock`; and, once it does not any more, to call `complain`.
        """
        places: list[Place | None] = [None] * len(items)
        if self._is_writing:  # a signal handler or a finalizer has come in between, on the same thread
            return places
        self._is_writing = True
        try:
            self._append(items, places)
        finally:
            self._is_writing = False
        return places

    def _append(self, items: Sequence[tuple[int, bytes]], places: list[Place | None]) -> None:
        for of_kind in sorted({kind & ~frames.LOCAL for kind, _ in items}):
            numbers = [number for number, (kind, _) in enumerate(items) if kind & ~frames.LOCAL == of_kind]
            if numbers and self.is_usable:
                try:
                    for number, place in zip(numbers, self._write(of_kind, [items[n] for n in numbers]), strict=True):
                        places[number] = place
                except OSError as error:
                    self._unusable_until = time.monotonic() + _TRY_AGAIN_S
                    self._failure = error.strerror or str(error)

    def complain(self) -> None:
        """Says that writing failed, where it did: not under the lock, as a line may lead to anything."""
        failure, self._failure = self._failure, ""
        if failure:
            self._fail(failure)

    def _write(self, kind: int, items: Sequence[tuple[int, bytes]]) -> list[Place]:
        segment = self._live.get(kind)
        made = [frames.frame(*item) for item in items]
        data = b"".join(made)
        if segment is None or (segment.size > segment.begin and segment.size + len(data) > self._segment_bytes):
            segment = self._begin(kind)
        end = segment.append(data)
        segment.left += len(made)
        return [Place(segment, end, end := end + len(each)) for each in made]

    def _begin(self, kind: int) -> Segment:
        with uninterrupted():
            segment = segments.create(self.folder, kind, frames.header(self.to), self)
            self._segments.add(segment)
        self._close(kind)
        self._live[kind] = segment
        return segment

    def _close(self, kind: int) -> None:
        """The live segment of a kind is written to no more."""
        if (before := self._live.pop(kind, None)) is not None:
            before.is_live = False
            before.settle()

    def gone(self, segment: Segment) -> None:
        """Takes notice that `segment` is closed, and nothing is read from it any more."""
        self._segments.discard(segment)
        for backlog in list(segment.marks):
            backlog.forget(segment)

    def _fail(self, why: str) -> None:
        self._unusable_until = time.monotonic() + _TRY_AGAIN_S
        # Where all goes into the embedded store, and the disk takes nothing, that has a line of its own.
        level = logging.WARNING if any(not place.startswith("store ") for place in self.to) else logging.INFO
        said = "%s takes nothing (%s); what is not delivered yet is in memory only"
        hooks.say("spool", said, self.folder, why, level=level)

    # --- Bounds ---------------------------------------------------------------------------------------------------

    def make_room(self, kind: int, size: int) -> None:
        """Drops the oldest items, feedback last, where `size` more bytes would be too much.

        Looks at the folder only when a segment is to begin: what the live one may still grow by has been counted. Not
        to be called with `lock`, as it tells listeners.
        """
        live = self._live.get(kind & ~frames.LOCAL)
        if not self.is_usable or (live is not None and live.size + size <= self._segment_bytes):
            return
        found = listed(self.folder)
        total = sum(each.size for each in found) + max(size, self._segment_bytes)
        for each in sorted(found, key=lambda each: each.goes_late):
            if total <= self.most_bytes:
                return
            if self._evicted(each):
                total -= each.size
        if total > self.most_bytes:
            self._fail(f"more than {self.most_bytes} bytes are waiting there")

    def _evicted(self, found: Found) -> bool:
        """Drops a segment: one of ours that is not written to, or one that nobody owns."""
        with self.lock:
            segment = next((each for each in self._segments if each.path == found.path), None)
            if segment is not None and segment.is_live:
                return False
        if segment is None:
            segment = self._adopted(found.path, None)
            if segment is None:
                return not found.path.exists()
            Backlog(self, of_shared=False).mark(segment, segment.begin)  # nobody has read anything of it
        unread = self._unread(segment)
        items = [item for each in unread for item in items_of(each)]
        if items:
            hooks.announce("buffer_full", self.records(items))
        with self.lock:
            for backlog, mark in segment.marks.items():
                backlog.lost += sum(each.start >= mark for each in unread)
            segment.delete()
        if items:
            hooks.count("dropped_spool_full", len(items))
            hooks.announce("drop", len(items))
            said = "the spool %s is full (%d bytes); the oldest items are dropped"
            hooks.say("spool full", said, self.folder, self.most_bytes)
        return True

    @staticmethod
    def _unread(segment: Segment) -> list[frames.Frame]:
        """The frames of a segment that are nowhere but in it."""
        start = min(segment.marks.values(), default=segment.size)
        found = frames.frames(segment.read(start, segment.size), start)
        return [each for each in found if isinstance(each, frames.Frame) and each.kind != frames.ERASED]

    # --- What others have left ------------------------------------------------------------------------------------

    def due_in(self) -> float:
        """Seconds until it is time to look for segments that were left behind."""
        return max(0.0, self._look_at - time.monotonic())

    def look_around(self, backlog: Backlog, *, anywhere: bool = False) -> None:
        """Every few seconds, has `backlog` read segments whose owners are gone, where their items go the same way.

        Args:
            backlog: reads them.
            anywhere: take them wherever they go, and now.
        """
        if self.due_in() > 0 and not anywhere:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        with self.lock:
            for kind, live in list(self._live.items()):
                if not live.path.exists():  # somebody has cleared the folder: nothing that is written there survives
                    self._close(kind)
            known = {segment.path for segment in self._segments}
        for found in listed(self.folder):
            if len(backlog) >= _MOST_ADOPTED:
                self._look_at = 0.0  # as soon as these are read
                return
            if found.path not in known:
                self._adopt(found.path, backlog, None if anywhere else self.to)

    def _adopt(self, path: Path, backlog: Backlog, to: list[str] | None) -> None:
        segment = self._adopted(path, to)
        if segment is None:
            return
        backlog.mark(segment, segment.begin)
        hooks.count("spool_adopted")
        hooks.logger.debug("adopted %s", path)

    def _adopted(self, path: Path, to: list[str] | None) -> Segment | None:
        with uninterrupted():
            segment = segments.adopt(path, self, to=to)
            if segment is not None:
                with self.lock:
                    self._segments.add(segment)
            return segment

    def let_go(self) -> None:
        """Leaves what is not delivered to whoever comes next."""
        with self.lock:
            for kind in list(self._live):
                self._close(kind)
            for segment in list(self._segments):
                segment.let_go()
