"""The embedded store: one SQLite file that any number of threads and processes read and write at once."""

from __future__ import annotations

import contextlib
import sqlite3
from itertools import islice
from typing import TYPE_CHECKING, Any

from rlhf_otel.store.adding import Adding, Decoded
from rlhf_otel.store.connection import (
    BUSY_TIMEOUT_S,
    MEMORY,
    Door,
    connect_for_reading,
    connect_for_writing,
    connect_memory,
    has_log,
    look,
)
from rlhf_otel.store.encoding import column_id, column_text, text_hash
from rlhf_otel.store.errors import OutdatedError, StoreError, explain
from rlhf_otel.store.files import existing_file, prepare_file
from rlhf_otel.store.joins import Joiner
from rlhf_otel.store.ledger import Ledger
from rlhf_otel.store.messages import Reader
from rlhf_otel.store.migrate import migrate, missing
from rlhf_otel.store.opinions import Opinions
from rlhf_otel.store.retention import Removed, Retention, give_back, oldest_ns
from rlhf_otel.store.rows import (
    HASHED,
    handle_of_row,
    interaction_of_row,
    log_of_row,
    point_of_row,
    span_of_row,
)
from rlhf_otel.store.sql import at_most, migrations, query
from rlhf_otel.store.statements import Statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
    from rlhf_otel.records import Feedback, Handle, Interaction

PAGE = 50
"""How many interactions are read at a time; what bounds memory while they stream."""
_MANY_RATED = 1000
"""From so many ids of rated calls on, looking all of them up for every page costs more than it saves."""
_OF_SETTING = {"model", "provider", "service", "status"}


class Store(Opinions, Ledger):
    """Interactions, spans and feedback on disk, or in memory for the path `:memory:`.

    Safe to share between threads. Use as a context manager, or call `close`. A forked child may go on using it; only
    a store in memory is then a new, empty one there.
    """

    def __init__(self, path: str, writer: Door | None, reader: Door) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader

    @classmethod
    def open(cls, path: str | Path, *, read_only: bool = False) -> Store:
        """Opens the store at `path`, which is made where it is missing, unless `read_only`.

        What an older version wrote is brought up to date, also to be read.

        Raises:
            StoreError: it cannot be opened, is no store of ours or was written by a newer version.
        """
        if str(path) == MEMORY:
            door = Door(MEMORY, lambda: _migrated(connect_memory(), MEMORY), lasting=True)
            store = cls(MEMORY, door, door)
        elif read_only:
            store = cls._for_reading(existing_file(path))
        else:
            store = cls._for_writing(prepare_file(path))
        try:
            store._try_out()
        except OutdatedError:
            cls.open(path).close()
            return cls.open(path, read_only=read_only)
        return store

    @classmethod
    def _for_writing(cls, file: Path) -> Store:
        """Two connections: SQLite lets one read while the other writes."""

        def connect() -> sqlite3.Connection:
            return _migrated(connect_for_writing(file), str(file))

        return cls(str(file), Door(str(file), connect), Door(str(file), connect))

    @classmethod
    def _for_reading(cls, file: Path) -> Store:
        frozen: list[object] = []  # what the file looked like when it was opened as one that does not change

        def connect() -> sqlite3.Connection:
            frozen[:] = [] if has_log(file) else [look(file)]
            return _checked(connect_for_reading(file), str(file))

        door = Door(str(file), connect, stale=lambda: frozen not in ([], [look(file)]))
        return cls(str(file), None, door)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the store; everything that `add` returned for has been on the disk before."""
        for door in (self._reader, self._writer):
            if door is not None:
                door.close()

    def add(
        self,
        interactions: Iterable[Interaction] = (),
        feedback: Iterable[Feedback] = (),
        spans: Iterable[SpanRecord] = (),
    ) -> None:
        """Stores all or nothing; on the disk when it returns.

        What is there already, by trace and span id or by feedback id, stays as it is.

        Raises:
            StoreError: nothing was stored; the message says why and what helps.
        """
        self.add_decoded(Decoded(list(interactions), list(spans), list(feedback)))

    def add_decoded(self, *decoded: Decoded) -> None:
        """Stores what the requests hold, all or nothing; on the disk when it returns.

        What is there already stays as it is: sending a request twice changes nothing.

        Raises:
            StoreError: nothing was stored; the message says why and what helps.
        """
        with self._writing() as connection:
            Adding(connection).add(decoded)

    def retain(
        self, *, max_age_s: float | None = None, max_bytes: int | None = None, now_ns: int | None = None
    ) -> Removed:
        """Removes what is older than `max_age_s` seconds, then the oldest beyond `max_bytes`, and gives the space back.

        Others may read and write meanwhile. By age, calls, spans, log records and data points go, and feedback that is
        as old and about none of what is left. By size, what nobody has rated goes first, then what somebody has, and
        feedback last.

        Raises:
            StoreError: it stopped on the way; the message says why and what helps.
        """
        retention = Retention(self._reading, self._writing)
        if max_age_s is not None:
            retention.by_age(oldest_ns(max_age_s, now_ns))
        if max_bytes is not None:
            retention.by_bytes(max_bytes)
        if any(retention.removed) and self._writer is not None:
            with self._writer.alone() as connection:
                give_back(connection)
        return retention.removed

    def interaction(self, span_id: str, trace_id: str | None = None) -> Interaction | None:
        """The interaction with this span id, the newest where there are several; None where there is none."""
        given = {"span_id": column_id(span_id)} | ({} if trace_id is None else {"trace_id": column_id(trace_id)})
        with self._reading() as connection:
            row = connection.execute(query("interaction_match", *sorted(given)), given).fetchone()
            if row is None:
                return None
            return Statements(connection).applied(interaction_of_row(row, Reader(connection)))

    def interactions(
        self,
        *,
        limit: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
        trace_id: str | None = None,
        session: str | None = None,
        user: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        service: str | None = None,
        status: str | None = None,
        has_feedback: bool | None = None,
        newest_first: bool = True,
    ) -> Iterator[Interaction]:
        """The interactions that match every filter given, by their start; a page at a time, so memory stays flat.

        Args:
            limit: at most so many.
            since_ns: began at or after this time, in nanoseconds since the epoch.
            until_ns: began before this time.
            trace_id: in this trace.
            session: of this session.
            user: of this person, or of whom is known by this as nobody in particular.
            model: this model was requested or answered.
            provider: of this provider.
            service: from the service of this name.
            status: unset, ok or error.
            has_feedback: whether feedback counts on it now.
            newest_first: the order.
        """
        setting = {"model": model, "provider": provider, "service": service, "status": status}
        texts = {"session": session, "user": user, **setting}
        times = {"since_ns": since_ns, "until_ns": until_ns}
        pages = self._pages(texts, times, trace_id, has_feedback, newest_first, join=has_feedback is not None)
        return (one for one, _ in islice(pages, limit))

    def joined(
        self, *, since_ns: int | None = None, until_ns: int | None = None, has_feedback: bool | None = None,
        newest_first: bool = True, **texts: str | None,
    ) -> Iterator[tuple[Interaction, list[Feedback]]]:  # fmt: skip
        """As `interactions`, each with the feedback that counts on it now; `texts` are its filters by a word."""
        return self._pages(
            texts, {"since_ns": since_ns, "until_ns": until_ns}, None, has_feedback, newest_first, join=True
        )

    def find(
        self,
        *,
        span_id: str | None = None,
        response_id: str | None = None,
        message_id: str | None = None,
        session: str | None = None,
        turn: int | None = None,
    ) -> Handle | None:
        """The handle of the newest interaction that goes by all the given ids; None where there is none.

        With `turn` that of the answer in this place of the session, 0 for the first.

        Raises:
            StoreError: no id was given.
        """
        texts = {"response_id": response_id, "message_id": message_id, "session": session}
        given = _texts_given(texts)
        given |= {} if span_id is None else {"span_id": column_id(span_id)}
        if not given:
            raise StoreError(f"{self.path}: find needs a span id, response id, message id or session to go by")
        with self._reading() as connection:
            text = query("interaction_match", *sorted(given))
            if turn is not None:
                text, given = query("interaction_of_turn"), {**given, "turn": turn}
            row = connection.execute(text, given).fetchone()
            return None if row is None else handle_of_row(row)

    def thinned_ns(self) -> int | None:
        """Up to when rated calls alone are left, as the others made room for later ones; None where none had to."""
        with self._reading() as connection:
            (before_ns,) = connection.execute(query("thinned_last")).fetchone()
            return None if before_ns is None else int(before_ns)

    def counts(self) -> dict[str, int]:
        """How many interactions, feedback, pending feedback, spans and distinct messages there are."""
        with self._reading() as connection:
            return dict(connection.execute(query("counts")).fetchone())

    def spans(self, trace_id: str) -> list[SpanRecord]:
        """The spans of the trace that are no calls to a model, by their start."""
        with self._reading() as connection:
            reader = Reader(connection)
            rows = connection.execute(query("span_of_trace"), (column_id(trace_id),))
            return [span_of_row(row, reader) for row in rows]

    def logs(
        self,
        *,
        trace_id: str | None = None,
        span_id: str | None = None,
        event_name: str | None = None,
        since_ns: int | None = None,
        limit: int | None = None,
    ) -> list[LogRecord]:
        """The log records and events that match every filter given, the newest first."""
        given: dict[str, Any] = {} if since_ns is None else {"since_ns": since_ns}
        given |= {} if trace_id is None else {"trace_id": column_id(trace_id)}
        given |= {} if span_id is None else {"span_id": column_id(span_id)}
        given |= {} if event_name is None else {"event_name": column_text(event_name)}
        with self._reading() as connection:
            reader = Reader(connection)
            rows = connection.execute(query("log_page", *sorted(given)), {**given, "limit": at_most(limit)})
            return [log_of_row(row, reader) for row in rows]

    def points(
        self, name: str | None = None, *, since_ns: int | None = None, limit: int | None = None
    ) -> list[MetricPoint]:
        """The data points of the metric `name`, or of all, the newest first."""
        given: dict[str, Any] = {} if since_ns is None else {"since_ns": since_ns}
        given |= {} if name is None else {"name": column_text(name)}
        with self._reading() as connection:
            reader = Reader(connection)
            rows = connection.execute(query("point_page", *sorted(given)), {**given, "limit": at_most(limit)})
            return [point_of_row(row, reader) for row in rows]

    def _pages(
        self, texts: Mapping[str, str | None], times: Mapping[str, int | None], trace_id: str | None,
        has_feedback: bool | None, newest_first: bool, *, join: bool,
    ) -> Iterator[tuple[Interaction, list[Feedback]]]:  # fmt: skip
        """What matches, page after page. No transaction stays open while the caller is at work on one."""
        filters = _texts_given(texts) | {name: ns for name, ns in times.items() if ns is not None}
        filters |= {} if trace_id is None else {"trace_id": column_id(trace_id)}
        clauses = {*filters, "newest_first" if newest_first else "oldest_first"}
        clauses |= {"by_setting"} if clauses & _OF_SETTING else {"any_setting"}
        position: dict[str, int] = {}
        while True:
            with self._reading() as connection:
                ways = _ways_to_feedback(connection, clauses) if has_feedback else {"from_all"}
                text = query("interaction_page", *sorted(clauses | ways))
                rows = connection.execute(text, {**filters, **position, "page": PAGE}).fetchall()
                reader, joiner, statements = Reader(connection), Joiner(connection), Statements(connection)
                found = [statements.applied(interaction_of_row(row, reader)) for row in rows]
                page = [(one, joiner.current(one) if join else []) for one in found]
            yield from (pair for pair in page if has_feedback is None or bool(pair[1]) == has_feedback)
            if len(rows) < PAGE:
                return
            clauses.add("before_last" if newest_first else "after_last")
            position = {"last_ns": rows[-1]["start_ns"], "last_id": rows[-1]["id"]}

    def _reading(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one state of the store throughout."""
        return self._reader.entered("BEGIN")

    def _writing(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A connection that alone may write until it is left."""
        if self._writer is None:
            raise StoreError(f"{self.path}: opened for reading only; open it without read_only to write")
        return self._writer.entered("BEGIN IMMEDIATE")

    def _try_out(self) -> None:
        """Opens the connections now, so that what is wrong with the file is said here and not on first use."""
        try:
            for door in {self._reader, self._writer} - {None}:
                with door.entered("BEGIN"):  # type: ignore[union-attr]
                    pass
        except BaseException:
            self.close()
            raise


def _migrated(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    with _closed_on_error(connection, path):
        migrate(connection, path)
    return connection


def _checked(connection: sqlite3.Connection, path: str) -> sqlite3.Connection:
    with _closed_on_error(connection, path):
        lacking = missing(connection, path)
        if len(lacking) == len(migrations()):
            raise StoreError(f"{path}: an empty file; open it for writing once, so that it becomes a store")
        if lacking:
            raise OutdatedError(f"{path}: written by an older version")
    return connection


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection, path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        connection.close()
        raise explain(error, path, BUSY_TIMEOUT_S) from error
    except BaseException:
        connection.close()
        raise


def _ways_to_feedback(connection: sqlite3.Connection, clauses: set[str]) -> set[str]:
    """The clauses for calls that may be rated: from the few that are, unless a trace or session leaves fewer still."""
    if clauses & {"trace_id", "session"}:
        return {"from_all", "has_feedback"}
    (rare,) = connection.execute(query("feedback_is_rare"), {"many": _MANY_RATED}).fetchone()
    return {"from_rated"} if rare else {"from_all", "has_feedback"}


def _texts_given(texts: Mapping[str, str | None]) -> dict[str, Any]:
    """By name the texts that were asked for, as columns hold them, and the hashes by which they are found."""
    given: dict[str, Any] = {name: held for name, text in texts.items() if (held := column_text(text)) is not None}
    return given | {hashed: text_hash(given[name]) for name, hashed in HASHED.items() if name in given}
