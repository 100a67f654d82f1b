"""Erases for good what a store holds of a person, a conversation, a trace or a call.

The tombstone is laid first, so from then on nothing of it is added, whichever way it comes. What is there then goes in
short transactions between which others write. Whatever stops this on the way, the tombstone is in force, and to erase
once more does the rest.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rlhf_otel.store import orphans
from rlhf_otel.store.encoding import encode
from rlhf_otel.store.errors import StoreError
from rlhf_otel.store.finding import Finder, Found, Row
from rlhf_otel.store.inbox import Inbox
from rlhf_otel.store.messages import Reader, Writer
from rlhf_otel.store.retention import Removed, give_back
from rlhf_otel.store.rows import point_of_row, point_row
from rlhf_otel.store.sql import query
from rlhf_otel.store.tombstones import RETURNING, Subject, Tombstone, Tombstones

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.store.sqlite import Store

CHUNK: Final = 200
"""So many rows are removed in one transaction: others may write in between."""
PATIENCE_S: Final = 30.0
"""How long to wait for what others are at: what was received in a rush, and readers that need the log."""
SHORTEST: Final = 6
"""An id with fewer characters stands anywhere by chance."""
ERASED: Final = "[erased]"
_OF_CALLS, _OF_FEEDBACK = "interaction_message", "sqlite_autoindex_feedback_1"
"""The indexes that have ids as text in their order: when they grow, copies of ids stay behind in their pages."""
_ANEW: Final = ("copy", "empty", "fill", "end")
_Any = TypeVar("_Any")


class Erasing:
    """Erases one subject.

    Args:
        store: opened for writing.
        subject: what is to go.
        feedback_only: only what was said of it, or what this person said; the calls stay.
    """

    def __init__(self, store: Store, subject: Subject, *, feedback_only: bool = False) -> None:
        self._store = store
        self._subject = subject
        self._feedback_only = feedback_only
        self.tombstone = 0
        """The number of the tombstone, once it is laid."""
        self.unread = 0
        """Bytes that were received and could not be read in meanwhile; nothing of the subject will come out of them."""
        self.named = True
        """Whether the calls had ids that the application gave their messages, as far as that is known."""

    def found(self) -> Found:
        """What there is of it now."""
        with self._store._reading() as connection:
            return Finder(connection, self._subject).found(feedback_only=self._feedback_only)

    def run(self) -> Removed:
        """Does it; what was removed.

        Raises:
            StoreError: it stopped on the way; the message says why and what helps.
        """
        self._lay([])
        self.unread = self._read_in()
        found = self.found()
        self.named = not found.calls or any(call.message_id for call in found.calls.values())
        self._lay(found.ids if not self._feedback_only else ())
        self._lay(("feedback", given.id) for given in found.feedback.values())
        if not self._feedback_only:
            self._lay(found.alone, may_return=True)
        self._remove_feedback(list(found.feedback))
        if not self._feedback_only:
            self._without_exemplars(found.measured)
            for table, rows in (("span", [*found.spans]), ("log", found.logs), ("metric_point", found.points),
                                ("interaction", [*found.calls])):  # fmt: skip
                self._remove(table, rows)
        self._unname_audit()
        messages = orphans.remove(self._store._reading, lambda: patiently(self._store))
        if self._feedback_only:
            return Removed(feedback=len(found.feedback))
        return Removed(len(found.calls), len(found.spans), len(found.logs), len(found.points), len(found.feedback),
                       messages)  # fmt: skip

    def _lay(self, ids: Iterable[tuple[str, str]], *, may_return: bool = False) -> None:
        """Lays the tombstone, or has it stand for `ids` as well."""
        if not self.tombstone:
            with patiently(self._store) as connection:
                self.tombstone = Tombstones(connection).lay(self._subject, feedback_only=self._feedback_only)
        for chunk in _chunks(ids):
            with patiently(self._store) as connection:
                Tombstones(connection).cover(self.tombstone, chunk, may_return=may_return)

    def _read_in(self) -> int:
        """Takes apart what was received and lies there as it came; how many bytes of it are left."""
        inbox, give_up = Inbox(self._store), time.monotonic() + PATIENCE_S
        for _ in inbox.read_in():
            if time.monotonic() > give_up:
                break
        with patiently(self._store) as connection:  # what no version can read is looked through as it is
            for seq, body in connection.execute(query("inbox_aside")).fetchall():
                if any(needle in body for needle in _as_sent(self._subject)):
                    connection.execute(query("inbox_remove"), (seq,))
        return inbox.size()

    def _unname_audit(self) -> None:
        """Takes ids of persons, conversations and feedback, which may have those in them, out of the audit log.

        Who read which call stays: ids of calls are numbers, and name nobody.
        """
        with self._store._reading() as connection:
            names = Tombstones(connection)
            entries = [
                (row["id"], row["what"], json.loads(row["what"])) for row in connection.execute(query("audit_whats"))
            ]
            told = [(number, before, json.dumps(self._unnamed(what, names))) for number, before, what in entries]
        for chunk in _chunks((after, number) for number, before, after in told if after != before):
            with patiently(self._store) as connection:
                connection.executemany(query("audit_rename"), chunk)

    def _unnamed(self, value: Any, names: Tombstones) -> Any:
        if isinstance(value, dict):
            return {key: self._unnamed(item, names) for key, item in value.items()}
        if isinstance(value, list):
            return [self._unnamed(item, names) for item in value]
        if not isinstance(value, str):
            return value
        name = self._subject.id
        if self._subject.kind in RETURNING and (value == name or (len(name) >= SHORTEST and name in value)):
            return value.replace(name, ERASED)
        return ERASED if names.covers("feedback", value, self.tombstone) else value

    def _remove(self, table: str, rows: Sequence[Row]) -> None:
        """Removes rows, and notes the content that they refer to."""
        refers, drop = query(f"{table}_refers", "one"), query(f"{table}_drop_one")
        for chunk in _chunks(rows):
            with patiently(self._store) as connection:
                referring: list[Any] = []
                for row in chunk:
                    told = connection.execute(refers, (row.number,)).fetchone()
                    if connection.execute(drop, row).rowcount:
                        referring.append(told)
                orphans.remember(connection, referring)

    def _remove_feedback(self, rows: Sequence[Row]) -> None:
        for chunk in _chunks(rows):
            with patiently(self._store) as connection:
                for row in chunk:
                    if connection.execute(query("feedback_drop_one"), row).rowcount:
                        connection.execute(query("feedback_target_drop_one"), (row.number,))

    def _without_exemplars(self, rows: Sequence[Row]) -> None:
        """Takes out of data points the single measurements of calls that go."""
        for chunk in _chunks(rows):
            with patiently(self._store) as connection:
                tombstones, reader, writer = Tombstones(connection), Reader(connection), Writer(connection)
                for row in chunk:
                    held = connection.execute(query("point_one"), row).fetchone()
                    if held is not None:
                        point = tombstones.without_erased(point_of_row(held, reader))
                        connection.execute(query("point_replace"), {**point_row(point, writer), "id": row.number})


def clean(store: Store, *, named: bool = True) -> bool:
    """Leaves nothing of what was removed in the file, its unused pages and its log; False where readers keep the log.

    Args:
        store: opened for writing.
        named: whether there were ids that an application gave messages; their index is as long as all calls, and
            nobody can write while it is built anew.

    Raises:
        StoreError: it could not be done now.
    """
    if store._writer is None:
        return True
    steps = [[f"REINDEX {index}"] for index in ((_OF_CALLS, _OF_FEEDBACK) if named else (_OF_FEEDBACK,))]
    for statements in (*steps, [query(f"feedback_target_{step}") for step in _ANEW]):
        with patiently(store) as connection:
            for statement in statements:
                connection.execute(statement)
    give_up = time.monotonic() + PATIENCE_S
    while True:
        with store._writer.alone() as connection:
            give_back(connection)
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy or time.monotonic() > give_up:
            return not busy
        time.sleep(0.05)


def tombstones(store: Store) -> list[Tombstone]:
    """All tombstones of a store, the oldest first."""
    with store._reading() as connection:
        return Tombstones(connection).listed()


def tombstone_of(store: Store, subject: Subject, *, feedback_only: bool | None = None) -> Tombstone | None:
    """The tombstone that was laid for `subject` itself, of one kind or of any."""
    with store._reading() as connection:
        stones = Tombstones(connection)
        wanted = stones.hash(*subject).hex()
        found = (each for each in stones.listed() if each.hash == wanted)
        return next((each for each in found if feedback_only in (None, each.feedback_only)), None)


def lift(store: Store, number: int) -> bool:
    """Lets come again what a tombstone refuses; whether there was one. What was erased stays erased."""
    with patiently(store) as connection:
        return Tombstones(connection).lift(number)


def is_erased(store: Store, number: int) -> Callable[[str, str], bool]:
    """Asks, by kind and id, whether something was erased for the tombstone `number`."""
    known: dict[tuple[str, str], bool] = {}

    def asked(kind: str, name: str) -> bool:
        if (kind, name) not in known:
            with store._reading() as connection:
                known[kind, name] = Tombstones(connection).covers(kind, name, number)
        return known[kind, name]

    return asked


@contextlib.contextmanager
def patiently(store: Store) -> Iterator[sqlite3.Connection]:
    """A connection that alone may write, however busy others are: SQLite lets nobody wait in a line.

    Raises:
        StoreError: it could not be had for a long time.
    """
    with contextlib.ExitStack() as stack:
        yield insist(lambda: stack.enter_context(store._writing()))


def insist(call: Callable[[], _Any]) -> _Any:
    """Calls what writes to a store, and again where others were too busy.

    Raises:
        StoreError: it could not be done for a long time.
    """
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except StoreError as error:
            if "locked" not in str(error.__cause__) or time.monotonic() > give_up:
                raise


def _as_sent(subject: Subject) -> list[bytes]:
    """How the id may stand in a request of OTLP."""
    plain = [subject.id.encode("utf-8", "surrogatepass"), encode(subject.id)[1:-1]]
    return plain if subject.kind in RETURNING else [*plain, bytes.fromhex(subject.id)]


def _chunks(values: Iterable[_Any]) -> Iterator[list[_Any]]:
    left = iter(values)
    while chunk := list(islice(left, CHUNK)):
        yield chunk
