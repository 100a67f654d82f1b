"""The file in which calls and feedback wait to be looked at: beside the store, for its owner alone.

What is in here is on its way and nowhere else. It is what would have been written to the spool, in the same bytes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rlhf_otel import hooks
from rlhf_otel.config import DEFAULT_STORE
from rlhf_otel.store.connection import BUSY_TIMEOUT_S, MEMORY, Door
from rlhf_otel.store.files import in_full, prepare_file

if TYPE_CHECKING:
    from rlhf_otel.config import Config

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,      -- of the span, or of the feedback
    frame INTEGER NOT NULL,       -- the kind of frame that it would be in the spool
    goes_to TEXT NOT NULL,        -- where the settings of its process say that it is to go, a line each
    time_ns INTEGER NOT NULL,     -- when it was recorded
    is_edited INTEGER NOT NULL DEFAULT 0,
    payload BLOB NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One call, or one feedback, that waits."""

    id: str
    frame: int
    goes_to: str
    time_ns: int
    is_edited: bool
    payload: bytes


def path_of(config: Config) -> Path:
    """Where the queue is: beside the store."""
    store = config.store if config.store and config.store != MEMORY else DEFAULT_STORE
    return in_full(store).parent / "review.db"


class Queue:
    """The file. Any number of threads and processes may use it at once.

    Args:
        path: of the file, which is made when something is added.
        most_bytes: how much may wait; the oldest goes beyond that.
        max_age_s: how long it may wait.
    """

    def __init__(self, path: Path, most_bytes: int, max_age_s: float) -> None:
        self.path, self._most_bytes, self._max_age_s = path, most_bytes, max_age_s
        self._door = Door(str(path), self._connect)

    def _connect(self) -> sqlite3.Connection:
        file = prepare_file(self.path)
        made = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        made.execute("PRAGMA journal_mode = DELETE")  # what is discarded is not to stay in a log
        made.execute("PRAGMA secure_delete = ON")
        made.execute("PRAGMA synchronous = FULL")
        made.execute(_SCHEMA)
        return made

    def add(self, rows: Iterable[Row]) -> None:
        """Has `rows` wait; what waits already stays as it is.

        Raises:
            StoreError: none of them does.
        """
        with self._writing() as connection:
            connection.executemany(
                "INSERT INTO waiting (id, frame, goes_to, time_ns, is_edited, payload) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO NOTHING",
                [(row.id, row.frame, row.goes_to, row.time_ns, row.is_edited, row.payload) for row in rows],
            )
            self._let_go(connection)

    def rows(self) -> list[Row]:
        """What waits, the oldest first."""
        if not self.path.exists():
            return []
        with self._door.entered("BEGIN") as connection:
            found = connection.execute(
                "SELECT id, frame, goes_to, time_ns, is_edited, payload FROM waiting ORDER BY seq"
            )
            return [Row(*row) for row in found]

    def count(self) -> int:
        """How many wait."""
        if not self.path.exists():
            return 0
        with self._door.entered("BEGIN") as connection:
            return int(connection.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def replace(self, row: Row) -> bool:
        """Has `row` say something else, and say that it was edited; False where it does not wait any more."""
        with self._writing() as connection:
            changed = connection.execute(
                "UPDATE waiting SET payload = ?, is_edited = 1 WHERE id = ?", (row.payload, row.id)
            )
            return changed.rowcount > 0

    def remove(self, ids: Sequence[str]) -> int:
        """Takes rows away, and every byte of them; how many there were."""
        with self._writing() as connection:
            return connection.executemany("DELETE FROM waiting WHERE id = ?", [(one,) for one in ids]).rowcount

    def rest(self) -> None:
        """Closes the file until it is needed again."""
        self._door.rest()()

    def _writing(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._door.entered("BEGIN IMMEDIATE")

    def _let_go(self, connection: sqlite3.Connection) -> None:
        """Lets go of what is too old, and of the oldest where there is too much."""
        oldest_ns = time.time_ns() - int(self._max_age_s * 1e9)
        gone = connection.execute("DELETE FROM waiting WHERE time_ns < ?", (oldest_ns,)).rowcount
        # Of the newest so many as fit; a single one always does.
        gone += connection.execute(
            "DELETE FROM waiting WHERE seq < (SELECT max(seq) FROM waiting) AND seq IN (SELECT seq FROM ("
            "SELECT seq, sum(length(payload)) OVER (ORDER BY seq DESC) AS so_far FROM waiting) WHERE so_far > ?)",
            (self._most_bytes,),
        ).rowcount
        if gone:
            hooks.count("dropped_unreviewed", gone)
            hooks.say("review", "%d that nobody has looked at in time, or that were too much, are gone", gone)
