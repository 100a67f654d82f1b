"""What a store holds of a person, a conversation, a trace or a call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.encoding import column_id, column_text, encode, id_of_column, inflate, text_hash, text_of_column
from rlhf_otel.store.joins import Joiner
from rlhf_otel.store.messages import Reader
from rlhf_otel.store.rows import feedback_of_body, interaction_of_row, log_of_row, point_of_row, span_of_row
from rlhf_otel.store.sql import query
from rlhf_otel.store.tombstones import Record, Subject, names

if TYPE_CHECKING:
    import sqlite3


class Row(NamedTuple):
    """A row: its number, and what tells it from another that has the number by the time that it is removed."""

    number: int
    check: Any


@dataclass(slots=True)
class Found:
    """What was found, by table.

    Attributes:
        calls: the rows of `interaction`, each with the call in it: its ids alone.
        spans: the spans around them, each with its id.
        logs: log records and events.
        points: data points that say whose they are.
        measured: data points that have single measurements of these calls, and are not theirs.
        feedback: on these calls or by this person, and what takes it back.
        alone: kind and id of the traces and conversations that are of nobody else.
    """

    calls: dict[Row, Interaction] = field(default_factory=dict)
    spans: dict[Row, str] = field(default_factory=dict)
    logs: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    measured: list[Row] = field(default_factory=list)
    feedback: dict[Row, Feedback] = field(default_factory=dict)
    alone: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.calls, self.spans, self.logs, self.points, self.feedback))

    @property
    def ids(self) -> Iterator[tuple[str, str]]:
        """Kind and id of every call and span: what names one of them is about what was found."""
        for call in self.calls.values():
            yield "span", call.span_id
            yield from ((kind, told) for kind, told in (("response", call.response_id), ("message", call.message_id))
                        if told)  # fmt: skip
        yield from (("span", span) for span in self.spans.values())


def records_of(connection: sqlite3.Connection, found: Found) -> Iterator[tuple[str, Record]]:
    """Everything that was found, whole, each with the name of what it is; within the same transaction."""
    reader = Reader(connection)
    for row, call in found.calls.items():
        given = {"span_id": row.check, "trace_id": column_id(call.trace_id)}
        for held in connection.execute(query("interaction_match", "span_id", "trace_id"), given):
            yield "calls", interaction_of_row(held, reader)
    for name, rows, text, read in (
        ("spans", [*found.spans], "span_one", span_of_row),
        ("logs", found.logs, "log_one", log_of_row),
        ("points", found.points, "point_one", point_of_row),
    ):
        for row in rows:
            for held in connection.execute(query(text), row):
                yield name, read(held, reader)
    yield from (("feedback", given) for given in found.feedback.values())


class Finder:
    """Finds within one transaction that reads.

    Args:
        connection: to the store.
        subject: what to find.
    """

    def __init__(self, connection: sqlite3.Connection, subject: Subject) -> None:
        self._connection = connection
        self._subject = subject
        self._reader = Reader(connection)
        self._needle = encode(subject.id)[1:-1]  # as it stands in JSON
        self._found = Found()

    def found(self, *, feedback_only: bool = False) -> Found:
        """All of it; with `feedback_only` the calls, and nothing around them."""
        self._find_calls()
        if self._subject.kind != "span" and not feedback_only:
            self._find_spans()
        self._find_feedback()
        if not feedback_only:
            traces = {call.trace_id for call in self._found.calls.values()} if self._subject.kind != "span" else set()
            traces |= {self._subject.id} if self._subject.kind == "trace" else set()
            spans = {call.span_id for call in self._found.calls.values()} | set(self._found.spans.values())
            spans |= {self._subject.id} if self._subject.kind == "span" else set()
            self._find_logs(traces, spans)
            self._find_points(spans)
        return self._found

    def _find_calls(self) -> None:
        kind, name = self._subject
        is_text = kind in ("user", "session")
        held = column_text(name) if is_text else column_id(name)
        given = {"id": held, "hash": text_hash(str(held)) if is_text else 0}
        self._take(self._connection.execute(query("erasure_calls", kind), given))
        if kind in ("user", "session"):
            self._find_neighbours("trace", {call.trace_id for call in self._found.calls.values()})
        if kind == "user":
            self._find_neighbours("session", {call.session for call in self._found.calls.values() if call.session})

    def _take(self, rows: Iterable[sqlite3.Row]) -> None:
        for row in rows:
            self._found.calls[Row(row["id"], row["span_id"])] = Interaction(
                trace_id=id_of_column(row["trace_id"]), span_id=id_of_column(row["span_id"]), start_ns=0, end_ns=0,
                response_id=text_of_column(row["response_id"]), message_id=text_of_column(row["message_id"]),
                session=text_of_column(row["session"]),
            )  # fmt: skip

    def _find_neighbours(self, kind: str, ids: set[str]) -> None:
        """Of these traces or conversations, the calls that name nobody; and whether there are any of others."""
        text = query("erasure_neighbours", kind)
        for name in sorted(ids):
            held = column_id(name) if kind == "trace" else column_text(name)
            given = {"id": held, "hash": text_hash(str(held)) if kind == "session" else 0}
            rows = self._connection.execute(text, given).fetchall()
            others = [row for row in rows if Row(row["id"], row["span_id"]) not in self._found.calls]
            if self._subject.kind == "user":
                self._take(row for row in others if row["is_anybodys"])
                others = [row for row in others if not row["is_anybodys"]]
            if not others:
                self._found.alone.append((kind, name))

    def _find_spans(self) -> None:
        traces = {call.trace_id for call in self._found.calls.values()}
        traces |= {self._subject.id} if self._subject.kind == "trace" else set()
        for trace in sorted(traces):
            for row in self._connection.execute(query("erasure_spans"), (column_id(trace),)):
                self._found.spans[Row(row["id"], row["span_id"])] = id_of_column(row["span_id"])
        for row in self._naming("erasure_span_bodies"):
            span = span_of_row(row, self._reader)
            if self._subject in set(names(span)):
                self._found.spans[Row(row["id"], row["span_id"])] = span.span_id

    def _find_logs(self, traces: set[str], spans: set[str]) -> None:
        held_traces, held_spans = set(map(column_id, traces)), set(map(column_id, spans))
        for row in self._connection.execute(query("erasure_log_bodies")):
            is_theirs = row["trace_id"] in held_traces or row["span_id"] in held_spans
            if is_theirs or (self._is_named(row["body"]) and self._says(log_of_row(row, self._reader))):
                self._found.logs.append(Row(row["id"], row["hash"]))

    def _find_points(self, spans: set[str]) -> None:
        for row in self._connection.execute(query("erasure_point_bodies")):
            raw = inflate(row["body"])
            measured = b'"exemplars"' in raw
            if self._needle not in raw and not measured:
                continue
            point = point_of_row(row, self._reader)
            if self._says(point):
                self._found.points.append(Row(row["id"], row["hash"]))
            elif measured and any(each.get("span_id") in spans for each in point.exemplars):
                self._found.measured.append(Row(row["id"], row["hash"]))

    def _find_feedback(self) -> None:
        joiner = Joiner(self._connection)
        wanted: dict[str, Feedback] = {}
        for call in self._found.calls.values():
            wanted.update((each.id, each) for each in joiner.history(call))
        rows = [row for row in self._naming("erasure_feedback_bodies") if self._says(feedback_of_body(row["body"]))]
        wanted.update((given.id, given) for given in (feedback_of_body(row["body"]) for row in rows))
        taking_back = [
            feedback_of_body(row["body"])
            for name in wanted
            for row in self._connection.execute(query("feedback_retracting"), (column_text(name),))
        ]
        wanted.update((each.id, each) for each in taking_back)
        for name, given in wanted.items():
            held = column_text(name)
            row = self._connection.execute(query("feedback_seq"), (held,)).fetchone()
            self._found.feedback[Row(row["seq"], held)] = given

    def _naming(self, text: str) -> Iterator[Any]:
        """The rows of a query whose bodies have the id in them anywhere."""
        return (row for row in self._connection.execute(query(text)) if self._is_named(row["body"]))

    def _is_named(self, body: bytes) -> bool:
        return self._needle in inflate(body)

    def _says(self, record: Any) -> bool:
        """Whether `record` says that it is of the subject."""
        return self._subject in set(names(record))
