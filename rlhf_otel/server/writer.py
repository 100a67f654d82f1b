"""One thread writes: what waits while it commits is one transaction with the next commit.

A commit costs the same few milliseconds for one span as for thousands, so the more clients wait, the cheaper each is.
Nobody is told "done" before SQLite has the transaction on the disk.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from itertools import accumulate, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf_otel.server.answers import LATER, OUR_FAULT, Refusal, our_fault
from rlhf_otel.store import Store, StoreError

if TYPE_CHECKING:
    from rlhf_otel.store.otlp import Decoded

Done = Callable[["Refusal | None"], None]
"""Told once what has become of a request: None where it is on the disk."""

MOST_BYTES = 16 << 20
"""How much goes into one transaction: what must be written again if it fails."""
_log = logging.getLogger(__name__)


class Writer:
    """Writes what it is given, in groups, on a thread of its own.

    Args:
        store: where to; the writer closes it when it is closed itself.
    """

    def __init__(self, store: Store) -> None:
        self.fault = ""
        self._store = store
        self._file = _identity(store.path)
        self._waiting: list[tuple[Decoded, int, Done]] = []
        self._chores: list[Callable[[Store], None]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="rlhf-otel-writer", daemon=True)
        self._thread.start()

    @property
    def path(self) -> str:
        """The file that is written."""
        return self._store.path

    def put(self, decoded: Decoded, size: int, done: Done) -> None:
        """Has `decoded` written with the next group; `done` is called on the writer's thread.

        Args:
            decoded: the records of one request.
            size: about how many bytes they are.
            done: told the outcome.
        """
        with self._changed:
            self._waiting.append((decoded, size, done))
            self._changed.notify()

    def do(self, chore: Callable[[Store], None]) -> None:
        """Has `chore` done on the writer's thread when nothing else waits to be written."""
        with self._changed:
            self._chores.append(chore)
            self._changed.notify()

    def close(self) -> None:
        """Writes what waits, and closes the store."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._chores or self._closing)
                group = self._next_group()
                chore = self._chores.pop(0) if self._chores and not group else None
                if not group and chore is None:
                    return
            if chore is not None:
                self._tried(chore)
            elif group:
                self._write(group)

    def _next_group(self) -> list[tuple[Decoded, int, Done]]:
        """The oldest of what waits, as much as one transaction takes, and one at the least."""
        sizes = accumulate(size for _, size, _ in self._waiting)
        count = 1 + sum(1 for _ in takewhile(lambda size: size < MOST_BYTES, sizes))
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group

    def _write(self, group: list[tuple[Decoded, int, Done]]) -> None:
        refusal = self._commit([decoded for decoded, _, _ in group])
        if refusal is not None and refusal.kind is OUR_FAULT and len(group) > 1:
            for one in group:  # the one that cannot be written must not take the others with it
                self._write([one])
            return
        if refusal is not None and refusal.kind is LATER:  # the others have waited as long, and would wait once more
            with self._changed:
                group, self._waiting = group + self._waiting, []
        for _, _, done in group:
            done(refusal)

    def _commit(self, decoded: list[Decoded]) -> Refusal | None:
        try:
            self._follow_file()
            self._store.add_decoded(*decoded)
        except StoreError as error:
            return self._refusal(str(error))
        except Exception as error:  # noqa: BLE001 - a record that no store can take must not end the writer
            return our_fault(error, "the store could not take a request")
        if self.fault:
            self.fault = ""
            _log.warning("the store takes requests again")
        return None

    def _refusal(self, fault: str) -> Refusal:
        if fault != self.fault:
            self.fault = fault
            _log.error("nothing is taken: %s", fault)
        return Refusal(LATER, "the store cannot be written now; see the log of rlhf-otel serve")

    def _follow_file(self) -> None:
        """Opens the store anew where its file was moved away or replaced: what went there would be lost."""
        if self._file is not None and _identity(self._store.path) != self._file:
            path = self._store.path
            self._store.close()
            self._store = Store.open(path)
            self._file = _identity(path)

    def _tried(self, chore: Callable[[Store], None]) -> None:
        try:
            chore(self._store)
        except Exception as error:  # noqa: BLE001 - tidying up must not end the writer
            _log.error("a chore in the store failed: %s", error)


def _identity(path: str) -> tuple[int, int] | None:
    """What tells one file from another; None where there is none, as in memory."""
    try:
        about = Path(path).stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
