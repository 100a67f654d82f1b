"""What is added to a store in one transaction, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlhf_otel.store.encoding import column_id, text_hash
from rlhf_otel.store.messages import Writer
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
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.records import Feedback, Interaction, LogRecord, MetricPoint, SpanRecord


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


class Adding:
    """Adds records within one transaction; what is there already stays as it is."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._writer = Writer(connection)

    def add(self, decoded: Decoded) -> None:
        """Everything in `decoded`."""
        for interaction in decoded.interactions:
            self._add_interaction(interaction)
        for feedback in decoded.feedback:
            self._add_feedback(feedback)
        for span in decoded.spans:
            self._connection.execute(query("span_add"), span_row(span, self._writer))
        for log in decoded.logs:
            self._connection.execute(query("log_add"), log_row(log, self._writer))
        for point in decoded.points:
            self._connection.execute(query("point_add"), point_row(point, self._writer))

    def _add_interaction(self, interaction: Interaction) -> None:
        """Looks first, so that a call that comes again leaves no content behind."""
        identity = {"trace_id": column_id(interaction.trace_id), "span_id": column_id(interaction.span_id)}
        if self._connection.execute(query("interaction_exists"), identity).fetchone() is None:
            self._connection.execute(query("interaction_add"), interaction_row(interaction, self._writer))

    def _add_feedback(self, feedback: Feedback) -> None:
        cursor = self._connection.execute(query("feedback_add"), feedback_row(feedback))
        if cursor.rowcount:
            seq = cursor.lastrowid
            targets = (
                (kind, key, trace, _target_hash(kind, key), seq, feedback.turn)
                for kind, key, trace in feedback_targets(feedback)
            )
            self._connection.executemany(query("feedback_target_add"), targets)


def _target_hash(kind: int, key: bytes | str) -> int | None:
    return text_hash(str(key)) if kind in (RESPONSE, SESSION, TURN) else None
