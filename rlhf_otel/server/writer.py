"""One thread writes: what waits while it commits is one transaction with the next commit.

A commit costs the same few milliseconds for one span as for thousands, so the more clients wait, the cheaper each is.
Nobody is told "done" before SQLite has the transaction on the disk. A few spans are taken apart at once; more than that
is written down as it came, into the store's inbox, and taken apart between the requests.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf_otel.server.answers import LATER, OUR_FAULT, Refusal, our_fault
from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.adding import Decoded
from rlhf_otel.store.inbox import Inbox, SignalName, decoded_bytes

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback

Done = Callable[["Refusal | None"], None]
"""Told once what has become of a request: None where it is on the disk."""

MOST_BYTES = 16 << 20
"""How much goes into one transaction: what must be written again if it fails."""
AT_ONCE_BYTES = 8_192
"""How much is taken apart before it is acknowledged: a few milliseconds' worth."""
REST_S = 0.05
"""While clients are in the middle of requests, there is so much time between two steps of taking apart."""
_RETRY_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits to be written: serialised OTLP, or feedback."""

    done: Done
    signal: SignalName = "logs"
    raw: bytes = b""
    feedback: Sequence[Feedback] = ()

    def decoded(self) -> Decoded:
        """What it holds."""
        return decoded_bytes(self.signal, self.raw) if self.raw else Decoded(feedback=list(self.feedback))


class Writer:
    """Writes what it is given, in groups, on a thread of its own.

    Attributes:
        fault: why nothing can be written, in words; empty while all is well.
        expected: how many requests are under way; kept by whoever puts them.
        backlog: how many bytes lie in the inbox.

    Args:
        store: where to; the writer closes it when it is closed itself.
        inbox_bytes: how much may lie in the inbox; beyond that it is read in before anything else is taken.
    """

    def __init__(self, store: Store, inbox_bytes: int) -> None:
        self.fault = ""
        self.expected = 0
        Inbox(store).try_again()  # this may be the version that can
        self.backlog = Inbox(store).size()
        self._inbox_bytes = inbox_bytes
        self._store = store
        self._file = _identity(store.path)
        self._waiting: list[Waiting] = []
        self._stepped = 0.0
        self._reading_in: Iterator[int] = iter(())
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="rlhf-otel-writer", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """The file that is written."""
        return self._store.path

    def put(self, signal: SignalName, raw: bytes, done: Done) -> None:
        """Has a serialised request written with the next group; `done` is called on the writer's thread."""
        self._put(Waiting(done, signal, raw))

    def put_feedback(self, feedback: Sequence[Feedback], done: Done) -> None:
        """The same for feedback."""
        self._put(Waiting(done, feedback=feedback))

    def _put(self, waiting: Waiting) -> None:
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify()

    def close(self) -> None:
        """Writes what waits, and closes the store. What is in its inbox stays there until it is opened again."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work, self._patience_s())
                group = self._next_group()
                if not group and self._closing:
                    return
            while self.backlog > self._inbox_bytes and not self.fault:
                self._read_in()
            if not group and self.backlog and not self._rest_s():
                self._read_in()
            if group:
                self._write(group)

    def _has_work(self) -> bool:
        return bool(self._waiting or self._closing)

    def _patience_s(self) -> float | None:
        """How long to wait for a request where there is something else to do; None where there is nothing."""
        if not self.backlog:
            return None
        return _RETRY_S if self.fault else self._rest_s()

    def _rest_s(self) -> float:
        """How long until the next step of taking apart: none where nobody would have to wait for the end of it."""
        return max(0.0, self._stepped + REST_S - time.monotonic()) if self.expected else 0.0

    def _next_group(self) -> list[Waiting]:
        """The oldest of what waits, as much as one transaction takes, and one at the least."""
        sizes = accumulate(len(each.raw) for each in self._waiting)
        count = 1 + sum(1 for _ in takewhile(lambda size: size < MOST_BYTES, sizes))
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _write(self, group: list[Waiting]) -> None:
        refusal = self._commit(group)
        if refusal is not None and refusal.kind is OUR_FAULT and len(group) > 1:
            for one in group:  # the one that cannot be written must not take the others with it
                self._write([one])
            return
        if refusal is not None and refusal.kind is LATER:  # the others have waited as long, and would wait once more
            with self._changed:
                group, self._waiting = group + self._waiting, []
        for each in group:
            each.done(refusal)

    def _commit(self, group: list[Waiting]) -> Refusal | None:
        size = sum(len(each.raw) for each in group)
        large = [each for each in group if each.raw] if size > AT_ONCE_BYTES else []
        try:
            self._follow_file()
            if large:
                Inbox(self._store).put((each.signal, each.raw) for each in large)
                self.backlog += size
            if len(large) < len(group):
                self._store.add_decoded(*(each.decoded() for each in group if not (large and each.raw)))
        except StoreError as error:
            return self._refusal(error)
        except Exception as error:  # noqa: BLE001 - a record that no store can take must not end the writer
            return our_fault(error, "the store could not take a request")
        self._works_again()
        return None

    def _read_in(self) -> None:
        """One step of it; after the last, what others may have read in is not counted any more."""
        try:
            size = next(self._reading_in, None)
            if size is None:
                self._reading_in = Inbox(self._store).read_in()
                size = next(self._reading_in, None)
        except StoreError as error:
            self._refusal(error)
            return
        self._stepped = time.monotonic()
        self._works_again()
        self.backlog = 0 if size is None else max(0, self.backlog - size)

    def _refusal(self, error: StoreError) -> Refusal:
        if str(error) != self.fault:
            self.fault = str(error)
            _log.error("nothing is taken: %s", self.fault)
        return Refusal(LATER, "the store cannot be written now; see the log of rlhf-otel serve")

    def _works_again(self) -> None:
        if self.fault:
            self.fault = ""
            _log.warning("the store takes requests again")

    def _follow_file(self) -> None:
        """Opens the store anew where its file was moved away or replaced: what went there would be lost."""
        if self._file is not None and _identity(self._store.path) != self._file:
            path = self._store.path
            self._store.close()
            self._store = Store.open(path)
            self._file = _identity(path)
            self._reading_in, self.backlog = iter(()), Inbox(self._store).size()


def _identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another; None where there is none, as in memory."""
    try:
        about = Path(path).stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
