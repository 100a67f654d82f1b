"""The way to the database: one connection behind one lock, reopened in a forked child.

SQLite's locks do not survive a fork: a child that went on with a connection of its parent, or even opened its own while
the parent's was open, could lose what it writes when the parent closes. So every connection is closed before a fork and
opened again, on both sides, when it is next needed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING
from urllib.parse import quote

from rlhf_otel.store.errors import DamagedError, StoreError, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MEMORY = ":memory:"
BUSY_TIMEOUT_S = 5.0
"""How long to wait for another process's lock before giving up, in seconds."""
_FORK_WAIT_S = 10.0

_PRAGMAS = (
    "PRAGMA synchronous = FULL",  # a commit is on the disk when it returns
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten
    "PRAGMA foreign_keys = OFF",  # feedback may come before its span
    "PRAGMA wal_autocheckpoint = 4000",
)
_doors: weakref.WeakSet[Door] = weakref.WeakSet()
_inherited: list[sqlite3.Connection] = []  # a parent's connections: closing them here would touch the parent's locks


class Door:
    """Lets one thread at a time to a connection that is opened when first needed.

    Args:
        path: names the file in messages.
        connect: opens the connection.
        stale: asked before each use whether the connection should be opened anew.
        lasting: the connection is all there is, as that of a database in memory: a fork must not close it.
    """

    def __init__(
        self,
        path: str,
        connect: Callable[[], sqlite3.Connection],
        stale: Callable[[], bool] = lambda: False,
        lasting: bool = False,
    ) -> None:
        self._path = path
        self._connect = connect
        self._stale = stale
        self._lasting = lasting
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._closed = False
        _doors.add(self)

    @contextlib.contextmanager
    def entered(self, begin: str) -> Iterator[sqlite3.Connection]:
        """The connection within a transaction that starts with `begin`, commits at the end, rolls back on an error.

        Raises:
            StoreError: for every error of SQLite.
        """
        self._leave_parent()
        with self._lock:
            try:
                connection = self._opened()
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    # After a full disk SQLite has rolled back by itself.
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except (sqlite3.Error, DamagedError) as error:
                raise explain(error, self._path, BUSY_TIMEOUT_S) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The connection without a transaction, for what SQLite does in none.

        Raises:
            StoreError: for every error of SQLite.
        """
        self._leave_parent()
        with self._lock:
            try:
                yield self._opened()
            except sqlite3.Error as error:
                raise explain(error, self._path, BUSY_TIMEOUT_S) from error

    def close(self) -> None:
        """Closes for good."""
        self._leave_parent()
        with self._lock:
            self._closed = True
            self._drop()

    def rest(self) -> Callable[[], None]:
        """Closes the connection until it is needed again, and keeps everybody out until the result is called."""
        if not self._lock.acquire(timeout=_FORK_WAIT_S):
            return lambda: None
        if not self._lasting:
            self._drop()
        return self._lock.release

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise StoreError(f"{self._path}: the store was closed; open it again")
        if self._connection is not None and self._stale():
            self._drop()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _leave_parent(self) -> None:
        """In a child: forgets a connection that the fork hooks could not close, and a lock that nobody will release."""
        if self._pid == os.getpid():
            return
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection, self._lock, self._pid = None, threading.RLock(), os.getpid()


class Doors(ABC):
    """What the parts of a store have in common: where it is, and the ways in."""

    path: str

    @abstractmethod
    def _reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]: ...

    @abstractmethod
    def _writing(self) -> contextlib.AbstractContextManager[sqlite3.Connection]: ...


class _Resting(threading.local):
    """What ends the rest of the doors that this thread keeps closed: two threads may fork at once.

    A lock must be released by the thread that took it, and only when that one's fork is over.
    """

    def __init__(self) -> None:
        self.ends: list[Callable[[], None]] = []


_resting = _Resting()


def _before_fork() -> None:
    _resting.ends.extend(door.rest() for door in tuple(_doors))


def _after_fork() -> None:
    while _resting.ends:
        _resting.ends.pop()()


def _after_fork_in_child() -> None:
    _resting.ends.clear()
    for door in tuple(_doors):
        door._leave_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child)


def connect_memory() -> sqlite3.Connection:
    """A new database that is nowhere on the disk."""
    return _configured(sqlite3.connect(MEMORY, isolation_level=None, check_same_thread=False))


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """Opens the file at `path` for reading and writing, in WAL mode."""
    connection = _configured(_connect(path, "rw"))
    try:
        if not connection.execute("PRAGMA page_count").fetchone()[0]:  # else it would be written to by being opened
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is removed can be given back
        _enter_wal(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """Opens the file at `path` without creating anything, not even the files that SQLite keeps beside it.

    Where nobody has the store open there is no write-ahead log, and the file is read as one that does not change.
    """
    return _configured(_connect(path, "ro" if has_log(path) else "ro&immutable=1"))


def has_log(path: Path) -> bool:
    """Whether a write-ahead log lies beside `path`: somebody has the store open, or did not close it."""
    return path.with_name(path.name + "-wal").exists()


def look(path: Path) -> object:
    """What tells whether the file at `path` has changed since the last look."""
    about = path.stat()
    return has_log(path), about.st_mtime_ns, about.st_size, about.st_ino


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _configured(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.row_factory = sqlite3.Row
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switches to WAL. SQLite does not wait for others here, so several first openers need patience."""
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while not _entered_wal(connection, last_try=time.monotonic() > give_up):
        time.sleep(0.01)


def _entered_wal(connection: sqlite3.Connection, last_try: bool) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last_try or "locked" not in str(error):
            raise
        return False
    return True
