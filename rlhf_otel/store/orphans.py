"""Removes content that nothing refers to any more, where it is known which may be concerned.

`retention` looks at all content; here it is that of a few removed records, which has to be gone within seconds. What
refers to it is looked for in a snapshot while others go on writing, and every transaction that removes some of it looks
once more at what has come meanwhile.

A message that others are deflated against may go when they are not any more: they are stored anew, each for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.store.encoding import deflate
from rlhf_otel.store.errors import DamagedError
from rlhf_otel.store.messages import NUMERAL, Chains, numeral, references
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.store.retention import Transaction

CHUNK = 200
"""So many rows are removed, or stored anew, in one transaction: others may write in between."""
_AT_ONCE = 500
MESSAGE, SHAPE, SETTING = range(3)
_TABLES: Final = ("message", "shape", "setting")
_REFERRING: Final = ("interaction", "span", "log", "metric_point")


def remember(connection: sqlite3.Connection, referring: Iterable[sqlite3.Row]) -> None:
    """Notes what records that are removed in this transaction refer to; `referring` is what `*_refers` says of them."""
    noted: set[tuple[int, int]] = set()
    for _, resource, setting, content in referring:
        if setting is not None:
            noted.add((SETTING, setting))
            noted.update((SHAPE, of) for (of,) in connection.execute(query("setting_resource"), (setting,)))
        noted |= {(SHAPE, resource)} if resource else set()
        if content is not None:
            messages, shapes = references(content)
            noted.update((SHAPE, number) for number in shapes)
            for number in messages:
                noted.update((MESSAGE, each) for each in _upwards(connection, number, noted))
    connection.executemany(query("orphan_add"), noted)


def _upwards(connection: sqlite3.Connection, number: int, known: set[tuple[int, int]]) -> Iterator[int]:
    """A message and those it is based on, which may be there for its sake alone."""
    left: int | None = number
    while left and (MESSAGE, left) not in known:
        yield left
        row = connection.execute(query("message_body"), (left,)).fetchone()
        left = None if row is None else row["base"]


def remove(reading: Transaction, writing: Transaction) -> int:
    """Removes what was noted and nothing refers to, and forgets the notes; how many messages it were."""
    removed = 0
    while True:
        with reading() as connection:
            search = _Search(connection)
        if not search.noted:
            return removed
        while search.is_open:
            with writing() as connection:
                if not search.is_still_true(connection):
                    break
                removed += search.step(connection)


class _Search:
    """What was noted, what of it nothing refers to, and which messages are deflated against that."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.noted = {(kind, number) for kind, number in connection.execute(query("orphan_list"))}
        self._left: tuple[set[int], ...] = tuple(
            {number for of, number in self.noted if of == kind} for kind in (MESSAGE, SHAPE, SETTING)
        )
        self._numerals = {numeral(number) for number in self._left[MESSAGE] | self._left[SHAPE]}
        self._seen = dict.fromkeys((*_REFERRING, "setting"), 0)
        self._last_message = min(self._left[MESSAGE], default=0)
        self._tainted: set[int] = set()  # deflated against what goes, and there since; those that stay are stored anew
        (self._removals,) = connection.execute(query("removals")).fetchone()
        self.is_open = True
        if self.noted:
            self._catch_up(connection)

    def is_still_true(self, connection: sqlite3.Connection) -> bool:
        """Looks at what has come since; False where numbers may have come again, so that all has to be looked at."""
        (removals,) = connection.execute(query("removals")).fetchone()
        if removals != self._removals:
            return False
        for table, seen in self._seen.items():
            (last,) = connection.execute(query(f"{table}_last")).fetchone()
            if last < seen:
                return False
        self._catch_up(connection)
        return True

    def step(self, connection: sqlite3.Connection) -> int:
        """One transaction of it: first those that stay are made independent, then the others go; how many have gone."""
        staying = sorted(self._tainted - self._left[MESSAGE], reverse=True)[:CHUNK] if self._left[MESSAGE] else []
        if staying:
            self._store_anew(connection, staying)
            return 0
        removed = 0
        for kind, table in enumerate(_TABLES):
            # From the newest: whenever this is killed, what is left can be read.
            chunk = sorted(self._left[kind], reverse=True)[:CHUNK]
            if chunk:
                connection.executemany(query(f"{table}_drop_one"), [(number,) for number in chunk])
                self._left[kind].difference_update(chunk)
                self._forget(connection, [(kind, number) for number in chunk])
                removed += len(chunk) if kind == MESSAGE else 0
        if not any(self._left):
            self._forget(connection, self.noted)
            self.is_open = False
        connection.execute(query("removals_add"))
        self._removals += 1
        (self._last_message,) = connection.execute(query("message_last")).fetchone()
        (self._seen["setting"],) = connection.execute(query("setting_last")).fetchone()
        return removed

    def _forget(self, connection: sqlite3.Connection, notes: Iterable[tuple[int, int]]) -> None:
        connection.executemany(query("orphan_drop"), list(notes))

    def _store_anew(self, connection: sqlite3.Connection, numbers: list[int]) -> None:
        """From the newest: what a message is deflated against is still as it was when that is read."""
        chains = Chains(connection)
        for number in numbers:
            with contextlib.suppress(DamagedError):  # nobody can read it, nor could before
                connection.execute(query("message_alone"), (deflate(chains.raw(number)), number))
        self._tainted.difference_update(numbers)

    def _catch_up(self, connection: sqlite3.Connection) -> None:
        """First what is referred to, then what is deflated against the rest: few, and those are stored anew."""
        for number, resource in connection.execute(query("setting_refers"), (self._seen["setting"],)):
            self._seen["setting"] = number
            if number not in self._left[SETTING]:
                self._keep(SHAPE, resource)
        for table in _REFERRING:
            cursor = connection.execute(query(f"{table}_refers", "after"), (self._seen[table],))
            while rows := cursor.fetchmany(_AT_ONCE):
                self._seen[table] = max(self._seen[table], *(row[0] for row in rows))
                if self._may_refer(rows):
                    for _, shape, setting, content in rows:
                        self._see(connection, shape, setting, content)
        for number, base in connection.execute(query("message_bases_after"), (self._last_message,)):
            self._last_message = number
            if base in self._left[MESSAGE] or base in self._tainted:
                self._tainted.add(number)

    def _may_refer(self, rows: list[Any]) -> bool:
        """Whether any of `rows` may: packed contents one after the other are packed numbers again."""
        if not self._left[SHAPE].isdisjoint([row[1] for row in rows]):
            return True
        if not self._left[SETTING].isdisjoint([row[2] for row in rows]):
            return True
        content = b"".join([row[3] for row in rows if row[3] is not None])
        return not self._numerals.isdisjoint(NUMERAL.findall(content))

    def _see(self, connection: sqlite3.Connection, shape: int | None, setting: int | None, content: Any) -> None:
        if setting in self._left[SETTING]:
            self._left[SETTING].discard(setting)
            (shape,) = connection.execute(query("setting_resource"), (setting,)).fetchone()
        if shape is not None:
            self._keep(SHAPE, shape)
        if content is None or self._numerals.isdisjoint(NUMERAL.findall(content)):
            return
        messages, shapes = references(content)
        for kind, numbers in ((MESSAGE, messages), (SHAPE, shapes)):
            for number in numbers:
                self._keep(kind, number)

    def _keep(self, kind: int, number: int) -> None:
        """Something refers to it."""
        if number in self._left[kind]:
            self._left[kind].discard(number)
            if not (number in self._left[MESSAGE] or number in self._left[SHAPE]):
                self._numerals.discard(numeral(number))
