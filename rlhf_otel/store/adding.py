"""What is added to a store in one transaction, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rlhf_otel.semconv import CONSENT_EVENT
from rlhf_otel.store.dialects.events import content_of, filled
from rlhf_otel.store.encoding import column_id, column_text, text_hash
from rlhf_otel.store.messages import FIELDS, Reader, Writer
from rlhf_otel.store.rows import (
    RESPONSE,
    SESSION,
    TURN,
    feedback_row,
    feedback_targets,
    interaction_row,
    log_row,
    point_row,
    span_row,
)
from rlhf_otel.store.sql import in_chunks, query
from rlhf_otel.store.statements import Statements
from rlhf_otel.store.tombstones import Tombstones

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
    from rlhf_otel.records import Feedback, Interaction


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one request holds.

    Attributes:
        interactions: the spans that are calls to a model.
        spans: all other spans.
        feedback: what people, or others, said of calls.
        logs: the log records that are no feedback.
        points: the data points of metrics.
        rejected: how many items of the request cannot be kept.
        message: why, in words for the one who sent it; may be a mere warning.
    """

    interactions: list[Interaction] = field(default_factory=list)
    spans: list[SpanRecord] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    points: list[MetricPoint] = field(default_factory=list)
    rejected: int = 0
    message: str = ""


_Identity = tuple[Any, ...]  # trace and span, as the columns hold them


class Adding:
    """Adds records within one transaction; what is there already stays as it is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._writer = Writer(connection)
        self._reader = Reader(connection)
        self._to_fill: set[_Identity] = set()

    def add(self, batch: Iterable[Decoded]) -> None:
        """Everything in `batch` that was not erased for good."""
        batch = self._allowed(batch)
        self._add_interactions([interaction for decoded in batch for interaction in decoded.interactions])
        self._add_feedback([feedback for decoded in batch for feedback in decoded.feedback])
        for decoded in batch:
            for span in decoded.spans:
                self._connection.execute(query("span_add"), span_row(span, self._writer))
            for log in decoded.logs:
                self._add_log(log)
            for point in decoded.points:
                self._connection.execute(query("point_add"), point_row(point, self._writer))
        self._writer.flush()
        for trace_id, span_id in self._to_fill:
            self._fill(trace_id, span_id)
        self._writer.flush()

    def _allowed(self, batch: Iterable[Decoded]) -> list[Decoded]:
        """`batch` without what was erased for good."""
        tombstones = Tombstones(self._connection)
        if not tombstones:
            return list(batch)
        allowed = [tombstones.allowed(decoded) for decoded in batch]
        tombstones.note()
        return allowed

    def _add_interactions(self, interactions: list[Interaction]) -> None:
        """Looks first, so that a call that comes again leaves no content behind."""
        identities = [(column_id(each.trace_id), column_id(each.span_id)) for each in interactions]
        present = self._present(identities)
        new: list[Interaction] = []
        for identity, interaction in zip(identities, interactions, strict=True):
            if identity not in present:
                present.add(identity)
                new.append(interaction)
                if interaction.input is None or interaction.output is None:
                    self._to_fill.add(identity)
        self._writer.prepare(new)
        rows = [interaction_row(interaction, self._writer) for interaction in new]
        self._connection.executemany(query("interaction_add"), rows)

    def _present(self, identities: list[_Identity]) -> set[_Identity]:
        """Those of `identities` that are in the store, and maybe others that share a span id with them."""
        spans = list({span for _, span in identities})
        return {tuple(row) for row in in_chunks(self._connection, query("interactions_present"), spans)}

    def _add_log(self, log: LogRecord) -> None:
        content = content_of(log)
        cursor = self._connection.execute(query("log_add"), log_row(log, content, self._writer))
        if cursor.rowcount and log.event_name == CONSENT_EVENT:
            Statements(self._connection).add(log, cursor.lastrowid or 0)
        if cursor.rowcount and content:
            self._to_fill.add((column_id(log.trace_id), column_id(log.span_id)))

    def _fill(self, trace_id: bytes | str, span_id: bytes | str) -> None:
        """Gives an interaction the content that came in events, whichever of the two came first."""
        of_span = {"trace_id": trace_id, "span_id": span_id}
        events = self._connection.execute(query("log_content"), of_span).fetchall()
        row = self._connection.execute(query("interaction_content"), of_span).fetchone() if events else None
        if row is not None:
            told = [self._reader.unpack(event["content"]) for event in events]
            content = filled(self._reader.unpack(row["content"]), told)
            if content is not None:
                packed = self._writer.pack([content[field] for field in FIELDS])
                self._connection.execute(query("interaction_fill"), {"id": row["id"], "content": packed})

    def _add_feedback(self, given: list[Feedback]) -> None:
        """Looks first as well: row upon row is added at once only where it is known which are new."""
        if not given:
            return
        ids = [column_text(each.id) for each in given]
        present = {row["id"] for row in in_chunks(self._connection, query("feedback_present"), ids)}
        (seq,) = self._connection.execute(query("feedback_last")).fetchone()
        rows, targets = [], []
        for identity, feedback in zip(ids, given, strict=True):
            if identity not in present:
                present.add(identity)
                seq += 1
                rows.append(feedback_row(feedback, seq))
                targets += [(kind, key, trace, _target_hash(kind, key), seq, feedback.turn)
                            for kind, key, trace in feedback_targets(feedback)]  # fmt: skip
        self._connection.executemany(query("feedback_add"), rows)
        self._connection.executemany(query("feedback_target_add"), targets)


def _target_hash(kind: int, key: bytes | str) -> int | None:
    return text_hash(str(key)) if kind in (RESPONSE, SESSION, TURN) else None
