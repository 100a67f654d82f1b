"""Erases from the spool what is of one person, conversation, trace or call.

A segment has one owner. Where that is gone, whoever erases takes its place. A process that lives is asked by a file in
the folder, which holds no id but keyed hashes: it looks for such files before it sends anything, erases in its own
segments and in memory, and refuses what comes later from before. Erased frames become zeros of the same length.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.export.spool import frames, locks
from rlhf_otel.export.spool.backlog import items_of
from rlhf_otel.export.spool.folder import listed
from rlhf_otel.export.spool.looking import is_item
from rlhf_otel.otel_records import LogRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.tombstones import RETURNING, Record, Subject, began, hashed, names

if TYPE_CHECKING:
    from rlhf_otel.export.review.queue import Queue, Row
    from rlhf_otel.export.spool.segments import Place, Segment
    from rlhf_otel.export.spool.spool import Spool

_PREFIX, _SUFFIX = "erase-", ".json"
_KEPT_NS: Final = 24 * 3600 * 10**9
"""Requests are left for so long: for what was under way when they were made."""
_BINARY = getattr(os, "O_BINARY", 0)
Asked = Callable[[str, str], bool]
"""Whether a kind and an id are of what is to be erased."""


class Cover:
    """Tells which records are to be erased.

    Args:
        is_subject: asks of an id of a person, conversation, trace or call.
        laid_ns: a person or conversation that goes on after that is not concerned.
        feedback_only: only feedback is.
        is_erased: asks of any id whether the store has erased it, by this very tombstone.
    """

    def __init__(
        self,
        is_subject: Asked,
        laid_ns: int,
        *,
        feedback_only: bool = False,
        is_erased: Asked = lambda kind, name: False,
    ) -> None:
        self._is_subject = is_subject
        self._laid_ns = laid_ns
        self._feedback_only = feedback_only
        self._is_erased = is_erased
        self._ids: set[tuple[str, str]] = set()

    def notice(self, record: Record) -> None:
        """Remembers the ids of a call that is concerned: what is about it need not say whose it is."""
        if isinstance(record, Interaction) and (kinds := self._why(record)):
            ids = [("span", record.span_id), ("response", record.response_id), ("message", record.message_id)]
            ids += [("trace", record.trace_id)] if kinds != {"span"} else []
            self._ids.update((kind, name) for kind, name in ids if name)

    def covers(self, record: Record) -> bool:
        """Whether it is to be erased."""
        if self._feedback_only and not isinstance(record, Feedback):
            return False
        return bool(self._why(record)) or any(self._is_about(each, record) for each in names(record))

    def _why(self, record: Record) -> set[str]:
        """The kinds of the ids by which `record` says that it is of the subject."""
        found = {kind for kind, name in names(record) if self._is_subject(kind, name)}
        if self._feedback_only and not isinstance(record, Feedback):
            return found
        is_new = began(record) >= self._laid_ns
        return {kind for kind in found if not (is_new and (self._feedback_only or kind in RETURNING))}

    def _is_about(self, told: tuple[str, str], record: Record) -> bool:
        kind, _ = told
        if kind in RETURNING or (kind == "trace" and isinstance(record, Interaction) and record.user is not None):
            return False  # a trace may have calls of several people
        return told in self._ids or self._is_erased(*told)


class Erased(NamedTuple):
    """What came of it: items that are gone, and items that wait for their owners, which live, to erase them."""

    items: int = 0
    left: int = 0


def erase(folder: Path, cover: Cover, needle: bytes, *, dry_run: bool = False) -> Erased:
    """Erases from the segments in `folder` whose owners are gone, and counts what is in others.

    Args:
        folder: of the spool.
        cover: tells what is concerned.
        needle: the id as it may stand in what is damaged, and cannot be told otherwise.
        dry_run: only count.
    """
    _notice_all(folder, cover)
    items = left = 0
    for found in listed(folder):
        with contextlib.suppress(OSError), _opened(found.path) as (descriptor, is_ours):
            data = found.path.read_bytes()
            parts = list(frames.frames(data))
            going = [each for each in parts if _is_covered(each, data, cover, needle)]
            if not is_ours:
                left += len(going)
                continue
            items += len(going)
            if dry_run:
                continue
            for each in going:
                _write(descriptor, each)
            rest = (each for each in parts if each not in going)
            if going and not any(isinstance(each, frames.Damage) or is_item(each) for each in rest):
                found.path.unlink()
    return Erased(items, left)


def waiting(folder: Path, cover: Cover) -> Iterator[Record]:
    """What of it waits in the spool, whoever is to send it."""
    _notice_all(folder, cover)
    for found in listed(folder):
        with contextlib.suppress(OSError):
            yield from filter(cover.covers, _records(found.path.read_bytes()))


def in_review(queue: Queue, cover: Cover) -> list[tuple[Row, Record]]:
    """What of it waits for somebody to approve it."""
    told = [(row, record) for row in queue.rows() for record in _of_frame(frames.Frame(row.frame, row.payload, 0, 0))]
    for _, record in told:
        cover.notice(record)
    return [(row, record) for row, record in told if cover.covers(record)]


def ask(folder: Path, subject: Subject, laid_ns: int, *, feedback_only: bool = False) -> None:
    """Asks processes that live to erase `subject`; forgets requests of long ago.

    Raises:
        OSError: the request cannot be written.
    """
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        if time.time_ns() - path.stat().st_mtime_ns > _KEPT_NS:
            path.unlink(missing_ok=True)
    key = secrets.token_bytes(32)
    told = {"key": key.hex(), "hash": hashed(key, *subject).hex(), "laid_ns": laid_ns, "feedback_only": feedback_only}
    part = folder / f".{_PREFIX}{time.time_ns()}.part"
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(told, file)
    part.replace(folder / f"{_PREFIX}{time.time_ns()}{_SUFFIX}")


class Requests:
    """What others have asked this process to erase, since it began."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Cover] = {}
        self._looked_at = 0

    def __bool__(self) -> bool:
        return bool(self._known)

    def look(self) -> list[Cover]:
        """Those that are new. One look at the folder's time where there are none."""
        try:
            changed = self._folder.stat().st_mtime_ns
            if changed == self._looked_at:
                return []
            new = [path for path in self._folder.glob(f"{_PREFIX}*{_SUFFIX}") if path.name not in self._known]
            covers = {path.name: _cover_of(path) for path in new}
        except (OSError, ValueError, KeyError, TypeError):
            return []
        self._looked_at = changed
        self._known |= covers
        return list(covers.values())

    def cover(self, item: Any) -> bool:
        """Whether an item is to be erased."""
        records = records_in(item)
        for each in self._known.values():
            for record in records:
                each.notice(record)
            if any(map(each.covers, records)):
                return True
        return False


def erase_own(spool: Spool, cover: Cover) -> int:
    """Erases from the segments of this process; how many items. The application is not held up while they are read."""
    with spool.lock:
        held = [(segment, segment.begin, segment.size) for segment in spool.segments]
    read = [(segment, begin, segment.read(begin, size)) for segment, begin, size in held]
    for _, _, data in read:
        for record in _records(data):
            cover.notice(record)
    erased = 0
    for segment, begin, data in read:
        for part in frames.frames(data):
            if isinstance(part, frames.Frame) and _is_covered(part, b"", cover, b""):
                erased += _blank(spool, segment, part._replace(start=begin + part.start, end=begin + part.end))
    return erased


def erase_place(spool: Spool, place: Place) -> None:
    """Erases the item that stands there."""
    found = next(frames.frames(place.segment.read(place.start, place.end), place.start), None)
    if isinstance(found, frames.Frame):
        _blank(spool, place.segment, found)


def records_in(item: Any) -> list[Record]:
    """What an item tells of."""
    from rlhf_otel.export import local, wire
    from rlhf_otel.store.otlp import decode_logs, decode_traces

    if isinstance(item, EndedSpan) and item.interaction is not None:
        return [item.interaction]
    if isinstance(item, Event) and item.feedback is not None:
        return [item.feedback]
    if item.packed is not None:
        is_span = isinstance(item, EndedSpan)
        request = wire.REQUESTS["traces" if is_span else "logs"].FromString(wire.request([item.packed]))
        decoded = decode_traces(request) if is_span else decode_logs(request)
        return [*decoded.interactions, *decoded.spans, *decoded.feedback, *decoded.logs]
    if isinstance(item, EndedSpan):
        return [local.span_record(item.readable)]
    log = item.readable
    trace, span = f"{log.trace_id or 0:032x}", f"{log.span_id or 0:016x}"
    return [LogRecord(time_ns=log.timestamp or 0, attributes=dict(log.attributes or {}), trace_id=trace, span_id=span)]


def _cover_of(path: Path) -> Cover:
    told = json.loads(path.read_text(encoding="utf-8"))
    key, wanted = bytes.fromhex(told["key"]), bytes.fromhex(told["hash"])
    return Cover(
        lambda kind, name: hashed(key, kind, name) == wanted, told["laid_ns"], feedback_only=told["feedback_only"]
    )


def _notice_all(folder: Path, cover: Cover) -> None:
    for found in listed(folder):
        with contextlib.suppress(OSError):
            for record in _records(found.path.read_bytes()):
                cover.notice(record)


def _records(data: bytes) -> Iterator[Record]:
    for each in frames.frames(data):
        if isinstance(each, frames.Frame) and is_item(each):
            yield from _of_frame(each)


def _of_frame(frame: frames.Frame) -> Iterator[Record]:
    for item in items_of(frame):
        yield from records_in(item)


def _is_covered(part: frames.Frame | frames.Damage, data: bytes, cover: Cover, needle: bytes) -> bool:
    """Whether it goes; a frame has one item, and of damaged bytes all that can be told is whether the id is in them."""
    if isinstance(part, frames.Damage):
        return bool(needle) and needle in data[part.start : part.end]
    return is_item(part) and any(map(cover.covers, _of_frame(part)))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int, bool]]:
    """The file, and whether it is nobody's, and so ours for now."""
    descriptor = os.open(path, os.O_RDWR | _BINARY)
    try:
        yield descriptor, locks.take(descriptor)
    finally:
        os.close(descriptor)


def _blank(spool: Spool, segment: Segment, part: frames.Frame) -> bool:
    """Puts zeros in the place of a frame of ours, where it still stands there; whether it did.

    By another descriptor: what is written by the segment's own goes to the end of the file, wherever it should.
    """
    with spool.lock, contextlib.suppress(OSError):
        there = next(frames.frames(segment.read(part.start, part.end), part.start), None)
        if segment.is_gone or there != part:
            return False
        descriptor = os.open(segment.path, os.O_RDWR | _BINARY)
        try:
            _write(descriptor, part)
        finally:
            os.close(descriptor)
        for backlog, mark in segment.marks.items():
            backlog.lost += part.start >= mark
        return True
    return False


def _write(descriptor: int, part: frames.Frame | frames.Damage) -> None:
    """Puts zeros in its place; in a frame of their own where it was one."""
    size = part.end - part.start
    os.lseek(descriptor, part.start, os.SEEK_SET)
    os.write(descriptor, frames.blank(size) if isinstance(part, frames.Frame) else bytes(size))
