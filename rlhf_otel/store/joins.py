"""Which feedback is about which interaction, worked out when it is read, and which of it counts now.

Nothing is resolved when feedback comes in: its span may come later, and a better match may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rlhf_otel.store.encoding import column_id, column_text, text_hash
from rlhf_otel.store.rows import (
    MESSAGE,
    RESPONSE,
    SESSION,
    SPAN,
    TRACE,
    TURN,
    UNKNOWN_TRACES,
    feedback_of_body,
    feedback_spans,
    feedback_targets,
)
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Hashable, Iterable

    from rlhf_otel.records import Feedback, Interaction

_Identity = tuple["bytes | str", "bytes | str"]  # trace and span, as the columns hold them
_WEAKER_KEYS = {RESPONSE: "response", MESSAGE: "message", SESSION: "session", TRACE: "trace"}


class _Event(NamedTuple):
    """A feedback with what orders it: when it was given, then when it arrived."""

    time_ns: int
    seq: int
    feedback: Feedback


class Joiner:
    """Joins within one read transaction; remembers what it has resolved."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._resolved: dict[int, frozenset[_Identity]] = {}

    def current(self, interaction: Interaction) -> list[Feedback]:
        """What counts now on `interaction`, oldest first: the latest of each rater on each aspect, unless retracted."""
        latest: dict[Hashable, _Event] = {}
        for event in self._events(interaction):
            if event.feedback.kind != "retraction":
                latest[_vote(event.feedback)] = event
        kept = (event.feedback for event in sorted(latest.values(), key=_order))
        return [feedback for feedback in kept if not self._retractions(feedback)]

    def history(self, interaction: Interaction) -> list[Feedback]:
        """Every feedback ever given on `interaction`, oldest first, and every retraction of one."""
        events = {event.seq: event for event in self._events(interaction)}
        for event in tuple(events.values()):
            events.update((retraction.seq, retraction) for retraction in self._retractions(event.feedback))
        return [event.feedback for event in sorted(events.values(), key=_order)]

    def _events(self, interaction: Interaction) -> list[_Event]:
        """The feedback on `interaction`, oldest first."""
        found: dict[int, _Event] = {}
        for kind, key in _names(interaction):
            rows = self._connection.execute(query("feedback_of_target"), (kind, key))
            found.update((event.seq, event) for event in _events_of(rows))
        return sorted((event for event in found.values() if self._concerns(event, interaction)), key=_order)

    def _retractions(self, feedback: Feedback) -> list[_Event]:
        """What takes `feedback` back; where it is a later version of another, also what takes that back after it."""
        found = self._retracting(feedback.id)
        base, mark, version = feedback.id.rpartition("#")
        if mark and version.isdigit() and len(version) >= len(str(feedback.time_ns)):
            found += [event for event in self._retracting(base) if event.time_ns > feedback.time_ns]
        return found

    def _retracting(self, feedback_id: str) -> list[_Event]:
        return _events_of(self._connection.execute(query("feedback_retracting"), (column_text(feedback_id),)))

    def _concerns(self, event: _Event, interaction: Interaction) -> bool:
        """Whether `interaction` is what the feedback is about; by its span id this shows without a look at others."""
        identity = column_id(interaction.trace_id), column_id(interaction.span_id)
        if interaction.span_id in feedback_spans(event.feedback):
            named = (
                trace for kind, key, trace in feedback_targets(event.feedback) if (kind, key) == (SPAN, identity[1])
            )
            if any(trace is None or identity[0] in (trace, *UNKNOWN_TRACES) for trace in named):
                return True
        if event.seq not in self._resolved:
            self._resolved[event.seq] = self._resolve(event.feedback)
        return identity in self._resolved[event.seq]

    def _resolve(self, feedback: Feedback) -> frozenset[_Identity]:
        """The interactions in the store that `feedback` is about, by the strongest id that finds any."""
        targets = feedback_targets(feedback)
        by_span = query("interaction_of_span")
        spans = [{"key": key, "trace_id": trace} for kind, key, trace in targets if kind == SPAN]
        matches = [tuple(row) for given in spans for row in self._connection.execute(by_span, given)]
        for kind, key, _ in targets:
            if matches:
                break
            if kind == TURN:
                given = {"session": key, "session_hash": text_hash(str(key)), "turn": feedback.turn}
                rows = self._connection.execute(query("interaction_of_turn"), given)
                matches = [(row["trace_id"], row["span_id"]) for row in rows]
            elif kind != SPAN:
                text = query("interaction_of_key", _WEAKER_KEYS[kind])
                given = {"key": key, "hash": text_hash(str(key)), "time_ns": feedback.time_ns}
                matches = [tuple(row) for row in self._connection.execute(text, given)]
        return frozenset((trace, span) for trace, span in matches)


def _names(interaction: Interaction) -> list[tuple[int, bytes | str]]:
    """Every kind and key by which feedback may name `interaction`."""
    names: list[tuple[int, bytes | str]] = [
        (SPAN, column_id(interaction.span_id)),
        (TRACE, column_id(interaction.trace_id)),
    ]
    weaker = ((RESPONSE, interaction.response_id), (MESSAGE, interaction.message_id),
              (SESSION, interaction.session), (TURN, interaction.session))  # fmt: skip
    names.extend((kind, column_text(key) or "") for kind, key in weaker if key)
    return names


def _vote(feedback: Feedback) -> Hashable:
    """What a later feedback must share to take the place of `feedback`.

    A comparison is about all the answers that it compares, in whatever order: a vote on A against B stays beside one on
    A against C.
    """
    compared = frozenset((feedback.chosen, feedback.rejected, *feedback.ranking)) - {None}
    spot = tuple(feedback.range) if feedback.range is not None else None
    choice = str(feedback.metadata.get("choice"))  # of a call that gave several answers, the one that is meant
    return compared, feedback.step, spot, choice, feedback.name, feedback.rater


def _events_of(rows: Iterable[sqlite3.Row]) -> list[_Event]:
    feedback = ((row["seq"], feedback_of_body(row["body"])) for row in rows)
    return [_Event(given.time_ns, seq, given) for seq, given in feedback]


def _order(event: _Event) -> tuple[int, int]:
    return event.time_ns, event.seq
