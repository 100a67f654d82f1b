"""What was written and did not fit into memory: where in which segments to read on, the oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks
from rlhf_otel.export.items import EndedSpan, Event, Record
from rlhf_otel.export.spool import frames
from rlhf_otel.export.spool.segments import Place, Segment

if TYPE_CHECKING:
    from rlhf_otel.export.spool.spool import Spool

_CHUNK = 1 << 20


class Backlog:
    """The places from which one reader has still to read; everything behind such a place, for a segment in it."""

    def __init__(self, spool: Spool, *, of_shared: bool) -> None:
        """With `of_shared` only what has been handed to the outboxes is read, else all that is written."""
        self._spool = spool
        self._of_shared = of_shared
        self._segments: dict[Segment, None] = {}
        self.lost = 0  # items that were dropped before they were read

    def __len__(self) -> int:
        return len(self._segments)

    def __contains__(self, segment: Segment) -> bool:
        return segment in self._segments

    def mark(self, segment: Segment, start: int) -> None:
        """Has everything of `segment` from `start` on read later."""
        with self._spool.lock:
            if segment.is_gone:
                return
            segment.marks[self] = min(start, segment.marks.get(self, start))
            self._segments[segment] = None

    def forget(self, segment: Segment) -> None:
        """Reads no more of `segment`."""
        self._segments.pop(segment, None)
        segment.marks.pop(self, None)

    def read(self) -> list[tuple[Any, Place]]:
        """The next items, about a megabyte of them, each held by the reader; none where all has been read."""
        with self._spool.lock:
            segment = min(self._segments, key=_age, default=None)
            if segment is None:
                return []
            start, end = segment.marks[self], self._end(segment)
        found = _frames(segment, start, end)
        items = [
            (item, Place(segment, each.start, each.end))
            for each in found
            if isinstance(each, frames.Frame)
            for item in items_of(each)
        ]
        for each in found:
            if isinstance(each, frames.Damage):
                hooks.count("spool_skipped")
                hooks.say(
                    "spool damage", "%s is damaged at byte %d; what stands there is skipped", segment.path, each.start
                )
        return self._taken(segment, start, found[-1].end if found else end, items)

    def _end(self, segment: Segment) -> int:
        return segment.shared if self._of_shared else segment.size

    def _taken(self, segment: Segment, start: int, end: int, items: list[Any]) -> list[Any]:
        """`items` of `segment`, unless it was dropped meanwhile; reading goes on at `end`."""
        with self._spool.lock:
            if segment.is_gone:
                return []
            if segment.marks.get(self) == start:
                segment.marks[self] = end
            segment.left += len(items)
            if segment.marks.get(self, end) >= self._end(segment):
                self.forget(segment)
            segment.settle()
            return items


def _age(segment: Segment) -> str:
    return segment.path.name.partition("-")[2]


def _frames(segment: Segment, start: int, end: int) -> list[frames.Frame | frames.Damage]:
    """The frames from `start` on, about a megabyte of them."""
    chunk = min(end - start, _CHUNK)
    found = list(frames.frames(segment.read(start, start + chunk), start))
    if chunk < end - start and found and isinstance(found[-1], frames.Damage):
        # The chunk ends within a frame, which is left to the next time; one that is larger than that is read now.
        found = found[:-1] if len(found) > 1 else list(frames.frames(segment.read(start, end), start))
    return found


def items_of(frame: frames.Frame) -> list[Any]:
    """The items in a frame, as they came from the spool: with their bytes and nothing else."""
    if frame.kind == frames.ERASED:
        return []
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

    from rlhf_otel.export import wire

    kind, is_local = frame.kind & ~frames.LOCAL, bool(frame.kind & frames.LOCAL)
    try:
        packed = list(wire.unpacked(frame.payload, "traces" if kind == frames.SPANS else "logs"))
    except DecodeError:
        hooks.count("spool_skipped")
        return []
    if kind == frames.SPANS:
        return [EndedSpan(None, None, local_only=is_local, packed=each) for each in packed]
    return [Event(None, None, packed=each) if kind == frames.FEEDBACK else Record(None, packed=each) for each in packed]
