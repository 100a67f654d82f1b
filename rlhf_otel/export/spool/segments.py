"""One file of the spool: what is written to it, who still needs something in it, and when it goes."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rlhf_otel.export.forked import uninterrupted
from rlhf_otel.export.spool import frames, locks
from rlhf_otel.store.files import make_folders

SUFFIX = ".seg"
CLASSES = {frames.SPANS: "spans", frames.LOGS: "logs", frames.FEEDBACK: "events"}
"""Kind of frame -> the first word of the name of the segments that have such frames, and no others."""
_BINARY = getattr(os, "O_BINARY", 0)
_numbers = itertools.count()


class Owner(Protocol):
    """Whoever keeps segments."""

    lock: Any

    def gone(self, segment: Segment) -> None:
        """Takes notice that `segment` is closed."""


class Place(NamedTuple):
    """Where an item is written."""

    segment: Segment
    start: int
    end: int


class Segment:
    """A file that is open and ours. The lock of the spool guards all that changes.

    An item in it is needed as long as somebody holds it in memory, which `left` counts, or a backlog is to read it:
    what comes after the place in `marks`. Once nobody needs anything, a closed segment is deleted; the live one,
    which is still written to, is emptied.

    Attributes:
        size: how far it is written.
        shared: up to where its items have been handed to the outboxes.
        begin: where the first item stands, behind the header.
    """

    def __init__(self, path: Path, descriptor: int, begin: int, size: int, owner: Owner) -> None:
        self.path = path
        self.begin = begin
        self.size = size
        self.shared = begin
        self.left = 0
        self.marks: dict[Any, int] = {}
        self.is_live = False
        self.is_gone = False
        self._descriptor = descriptor
        self._owner = owner

    @property
    def is_needed(self) -> bool:
        """Whether something in it has not been dealt with."""
        return self.left > 0 or bool(self.marks)

    def append(self, data: bytes) -> int:
        """Writes `data` at the end; where it begins. Whatever is raised, the file is as it was before.

        Raises:
            OSError: it cannot be written.
        """
        start, rest = self.size, memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self.size = start + len(data)
        except BaseException:  # Ctrl-C as well: where the next item stands must be known
            self.size = start
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, start)
            raise
        return start

    def read(self, start: int, end: int) -> bytes:
        """The bytes between two places; fewer where the file has been cut short by somebody else."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        except OSError:
            return b""

    def hold(self, count: int = 1) -> None:
        """Says that `count` more items are held in memory."""
        with self._owner.lock:
            self.left += count

    def release(self) -> None:
        """Says that an item is no longer held in memory."""
        with self._owner.lock:
            self.left -= 1
            if self.left <= 0:
                self.settle()

    def settle(self) -> None:
        """Empties or deletes the file where nothing in it is needed."""
        if self.is_needed or self.is_gone:
            return
        if not self.is_live:
            self.delete()
        elif self.size > self.begin:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.begin)
                self.size = self.shared = self.begin

    def delete(self) -> None:
        """Deletes the file, whatever is in it."""
        with contextlib.suppress(OSError):
            if os.name == "nt":  # which deletes no open file  # pragma: no cover
                self.let_go()
            self.path.unlink()
        self.let_go()

    def let_go(self) -> None:
        """Closes the file as it is: whoever comes next may adopt it."""
        if not self.is_gone:
            with uninterrupted(), contextlib.suppress(OSError):
                self.is_gone = True
                os.close(self._descriptor)
            self._owner.gone(self)


def create(folder: Path, kind: int, header: bytes, owner: Owner) -> Segment:
    """A new segment in `folder`, which is made where it is missing.

    Raises:
        OSError: it cannot be made, written or locked.
    """
    make_folders(folder)
    while True:
        path = folder / f"{CLASSES[kind]}-{time.time_ns()}-{os.getpid()}-{next(_numbers)}{SUFFIX}"
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            if (made := _made(path, descriptor, header, owner)) is not None:
                return made


def _made(path: Path, descriptor: int, header: bytes, owner: Owner) -> Segment | None:
    """None where somebody took the empty file for one that was left behind."""
    try:
        if not _is_ours(path, descriptor):
            os.close(descriptor)
            return None
        segment = Segment(path, descriptor, 0, 0, owner)
        segment.append(header)
    except OSError:
        with contextlib.suppress(OSError):
            os.close(descriptor)
            path.unlink()
        raise
    segment.begin = segment.shared = segment.size
    segment.is_live = True
    return segment


def adopt(path: Path, owner: Owner, *, to: list[str] | None) -> Segment | None:
    """The segment at `path`, where nobody owns it any more and its items go `to` these places; None else.

    One without an item is deleted. With `to=None` it may go anywhere.
    """
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | _BINARY)
        if _is_ours(path, descriptor):
            with path.open("rb") as file:
                header = frames.header_of(file.read(65_536))
            size = os.fstat(descriptor).st_size
            if not size or (header is not None and size == header[1]):
                path.unlink()
            elif header is not None and to in (None, header[0]["to"]):
                return Segment(path, descriptor, header[1], size, owner)
    except OSError:
        pass
    if descriptor >= 0:
        os.close(descriptor)
    return None


def is_owned(path: Path) -> bool:
    """Whether a process lives that has the segment at `path`."""
    try:
        descriptor = os.open(path, os.O_RDWR | _BINARY)
    except OSError:
        return False
    try:
        return not locks.take(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _is_ours(path: Path, descriptor: int) -> bool:
    """Whether the file could be locked, and is still the one at `path`."""
    if not locks.take(descriptor):
        return False
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
