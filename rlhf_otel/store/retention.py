"""Lets go of what is old: by age, by size, and with it everything that nothing refers to any more.

Feedback goes last. Messages are shared, so they are looked after: those that no call names are found while others go on
writing, and are removed in short transactions that look once more at what has come meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rlhf_otel.store.messages import references
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3
    from contextlib import AbstractContextManager

    Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]

CHUNK = 500
"""So many rows are removed in one transaction: others may write in between."""
_RECORDS = ("interaction", "span", "log", "metric_point")
_SHARED = ("message", "shape", "setting")


class Removed(NamedTuple):
    """What was let go of: how many of each kind."""

    interactions: int = 0
    spans: int = 0
    logs: int = 0
    points: int = 0
    feedback: int = 0
    messages: int = 0


class Retention:
    """Removes from a store.

    Args:
        reading: a transaction that reads.
        writing: a transaction that alone may write.
    """

    def __init__(self, reading: Transaction, writing: Transaction) -> None:
        self._reading = reading
        self._writing = writing
        self._removed: dict[str, int] = dict.fromkeys((*_RECORDS, "feedback", "message"), 0)

    @property
    def removed(self) -> Removed:
        """What has been removed so far."""
        names = ("interaction", "span", "log", "metric_point", "feedback", "message")
        return Removed(*(self._removed[name] for name in names))

    def by_age(self, oldest_ns: int) -> None:
        """Removes what is older; feedback where besides nothing is left that it is about."""
        for table in _RECORDS:
            self._remove(table, query(f"{table}_drop", "any"), {"before": oldest_ns})
        while self._remove("feedback", query("feedback_drop", "orphaned"), {"before": oldest_ns}):
            pass  # what took back one that has gone is without a target only now
        self._remove_unused()

    def by_bytes(self, max_bytes: int) -> None:
        """Removes the oldest until the rest is no larger: first what nobody has rated, then what somebody has."""
        for tables, which in ((_RECORDS, "unrated"), (("interaction",), "any"), (("feedback",), "any")):
            while (size := self._size()) > max_bytes:
                if not self._remove_share(tables, which, (size - max_bytes) / size):
                    break
                self._remove_unused()

    def _remove_share(self, tables: tuple[str, ...], which: str, share: float) -> int:
        """Removes the oldest of the rows of `tables`, about this share of them; how many it were."""
        removed = 0
        for table in tables:
            with self._reading() as connection:
                (count,) = connection.execute(query(f"{table}_count", which)).fetchone()
                at = max(1, min(count, int(count * share) + 1)) - 1
                row = connection.execute(query(f"{table}_nth", which), {"at": at}).fetchone() if count else None
            if row is not None:
                before = {"before": row[0] + 1}
                if table == "interaction" and which == "unrated":
                    with self._writing() as connection:
                        connection.execute(query("thinned_add"), before)
                removed += self._remove(table, query(f"{table}_drop", which), before)
        return removed

    def _remove(self, table: str, text: str, given: Mapping[str, Any]) -> int:
        total = 0
        while True:
            with self._writing() as connection:
                count = connection.execute(text, {**given, "chunk": CHUNK}).rowcount
                if table == "feedback":
                    connection.execute(query("feedback_target_drop"))
            total += count
            self._removed[table] += count
            if count < CHUNK:
                return total

    def _size(self) -> int:
        """The bytes of the file that hold anything."""
        with self._reading() as connection:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int((pages - free) * size)

    def _remove_unused(self) -> None:
        """Removes messages, shapes and settings that nothing refers to."""
        with self._reading() as connection:
            unused = _Unused(connection)
        while unused.left:
            with self._writing() as connection:
                if not unused.is_still_true(connection):
                    return
                for table in _SHARED:
                    chunk = unused.next_of(table, CHUNK)
                    connection.executemany(query(f"{table}_drop_one"), [(number,) for number in chunk])
                    if table == "message":
                        self._removed["message"] += len(chunk)
                connection.execute(query("removals_add"))


class _Unused:
    """What nothing referred to when it was looked for, less what has come to be referred to since."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._bases: dict[int, int | None] = dict(connection.execute(query("message_bases")))
        self._left: dict[str, set[int]] = {
            "message": set(self._bases),
            "shape": {number for (number,) in connection.execute(query("shape_ids"))},
            "setting": {number for (number,) in connection.execute(query("setting_ids"))},
        }
        self._seen = dict.fromkeys(_RECORDS, 0)
        self._settings: dict[int, int] = {}
        self._keep_new(connection)
        self._bases = {number: self._bases[number] for number in self._left["message"]}

    @property
    def left(self) -> bool:
        """Whether there is anything."""
        return any(self._left.values())

    def next_of(self, table: str, most: int) -> list[int]:
        """Some of it, which then counts as gone."""
        chunk = sorted(self._left[table])[:most]
        self._left[table].difference_update(chunk)
        return chunk

    def is_still_true(self, connection: sqlite3.Connection) -> bool:
        """Looks at what has come since; False where rows have gone at the end, so that their numbers come again."""
        for table, seen in self._seen.items():
            (last,) = connection.execute(query(f"{table}_last")).fetchone()
            if last < seen:
                return False
        self._keep_new(connection)
        return True

    def _keep_new(self, connection: sqlite3.Connection) -> None:
        for table in _RECORDS:
            for number, shape, setting, content in connection.execute(
                query(f"{table}_refers", "after"), (self._seen[table],)
            ):
                self._seen[table] = max(self._seen[table], number)
                self._keep(connection, shape, setting, content)

    def _keep(self, connection: sqlite3.Connection, shape: int | None, setting: int | None, content: Any) -> None:
        if setting is not None:
            self._left["setting"].discard(setting)
            if setting not in self._settings:
                (self._settings[setting],) = connection.execute(query("setting_resource"), (setting,)).fetchone()
            shape = self._settings[setting]
        self._left["shape"].discard(shape or 0)
        if content is not None:
            messages, shapes = references(content)
            self._left["shape"].difference_update(shapes)
            for message in messages:
                for number in self._chain(message):
                    self._left["message"].discard(number)

    def _chain(self, message: int) -> Iterator[int]:
        """`message` and those that it is based on, up to the first that is kept already."""
        number: int | None = message
        while number is not None and number in self._left["message"]:
            yield number
            number = self._bases.get(number)


def oldest_ns(max_age_s: float, now_ns: int | None = None) -> int:
    """The time before which things are older than `max_age_s` seconds."""
    return (time.time_ns() if now_ns is None else now_ns) - int(max_age_s * 1e9)


def give_back(connection: sqlite3.Connection) -> None:
    """Gives pages that hold nothing back to the disk; a file of the first version is written anew once for it."""
    if connection.execute("PRAGMA auto_vacuum").fetchone()[0]:
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` takes one step, which is one page
    else:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
