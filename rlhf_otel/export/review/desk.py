"""What a person does with what waits: looks at it, changes its words, sends it on, or throws it away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rlhf_otel.export.items import EndedSpan
from rlhf_otel.export.local import records_of
from rlhf_otel.export.own import OwnProviders, spool_destinations
from rlhf_otel.export.review import texts
from rlhf_otel.export.review.queue import Queue, Row, path_of
from rlhf_otel.export.sizes import size_of
from rlhf_otel.export.spool.backlog import items_of
from rlhf_otel.export.spool.frames import Frame
from rlhf_otel.redact import redactor_for

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.records import Feedback, Interaction

REDACTED = "[REDACTED]"


class ReviewError(Exception):
    """Something cannot be done; the message says what to do instead."""


@dataclass(slots=True)
class Waiting:
    """A call with what was said of it, or what was said of a call that does not wait.

    Attributes:
        call: None where only feedback waits.
        feedback: on this call, the oldest first.
        rows: all of it as it lies in the queue, the call first.
    """

    call: Interaction | None
    feedback: list[Feedback] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def id(self) -> str:
        """By which it is named: the call's span id, or the feedback's id."""
        return self.rows[0].id

    @property
    def stamp(self) -> str:
        """Of all that it says now: what somebody has seen is what they approve."""
        told = hashlib.sha256()
        for row in self.rows:
            told.update(f"{row.id!r} {len(row.payload)} ".encode())
            told.update(row.payload)
        return told.hexdigest()[:32]

    @property
    def is_edited(self) -> bool:
        """Whether somebody has changed anything in it."""
        return any(row.is_edited for row in self.rows)

    @property
    def texts(self) -> dict[str, str]:
        """Every text in it, by name; those of feedback behind its id."""
        found: dict[str, str] = {}
        for number, row in enumerate(self.rows):
            said = texts.texts(row.frame, row.payload)
            is_first = number == 0
            found |= {name if is_first else f"feedback.{number - 1}.{name}": text for name, text in said.items()}
        return found


@dataclass(frozen=True, slots=True)
class Sent:
    """What has become of what was approved: `sent`, or `kept` in the spool until its destination takes it."""

    sent: int
    kept: int


class Desk:
    """The queue, and the way on from it.

    Args:
        config: the settings, which say where the queue is and where things go from it.
    """

    Error = ReviewError

    def __init__(self, config: Config) -> None:
        self._config = config
        self.queue = Queue(path_of(config), config.review_bytes, config.review_age)

    def waiting(self) -> list[Waiting]:
        """What waits, the oldest first; each call with its feedback."""
        found = [(row, record) for row in self.queue.rows() for record in records_of(_items(row))]
        calls = {record.span_id: Waiting(record, rows=[row]) for row, record in found if hasattr(record, "input")}
        alone: list[Waiting] = []
        for row, record in found:
            if hasattr(record, "input"):
                continue
            if (about := calls.get(_target(record, calls))) is None:
                alone.append(Waiting(None, [record], [row]))
            else:
                about.feedback.append(record)
                about.rows.append(row)
        return [*calls.values(), *alone]

    def named(self, ids: Iterable[str]) -> list[Waiting]:
        """What the beginnings of `ids` stand for.

        Raises:
            ReviewError: one stands for nothing, or for several.
        """
        waiting = self.waiting()
        return [_only(one, [each for each in waiting if each.id.startswith(one)]) for one in ids]

    def change(self, waiting: Waiting, change: texts.Change) -> bool:
        """Changes texts by the names that `Waiting.texts` has; whether any was. New secrets are redacted as always."""
        redactor = redactor_for(self._config)
        is_changed = False
        for number, row in enumerate(waiting.rows):
            start = "" if number == 0 else f"feedback.{number - 1}."
            payload = texts.changed(
                row.frame, row.payload, lambda name, text, start=start: change(start + name, text),  # type: ignore[misc]
                None if redactor is None else redactor.value,
            )  # fmt: skip
            if payload != row.payload:
                is_changed = self.queue.replace(replace(row, payload=payload)) or is_changed
        return is_changed

    def set(self, waiting: Waiting, given: Mapping[str, str]) -> bool:
        """Has texts say something else.

        Raises:
            ReviewError: there is no text of such a name.
        """
        if unknown := sorted(given.keys() - waiting.texts.keys()):
            raise ReviewError(f"there is no text {unknown[0]} in {waiting.id}; there are {', '.join(waiting.texts)}")
        return self.change(waiting, given.get)

    def replace_words(self, waiting: Waiting, old: str, new: str = REDACTED) -> bool:
        """Has every text say `new` where it says `old`."""
        return self.change(waiting, lambda _, text: text.replace(old, new))

    @staticmethod
    def counted(waiting: Sequence[Waiting]) -> str:
        """How many calls and how many feedback it is, in words."""
        calls, feedback = sum(each.call is not None for each in waiting), sum(len(each.feedback) for each in waiting)
        return f"{calls} call{'' if calls == 1 else 's'} and {feedback} feedback" if waiting else "nothing"

    def discard(self, waiting: Sequence[Waiting]) -> int:
        """Throws away, every byte; how many calls and feedback it were."""
        return self.queue.remove([row.id for each in waiting for row in each.rows])

    def approve(self, waiting: Sequence[Waiting], timeout: float = 10.0, *, anywhere: bool = False) -> Sent:
        """Sends on, the way that it would have gone without a review.

        Args:
            waiting: what is approved.
            timeout: seconds to wait for the destination; the spool keeps what it does not take by then.
            anywhere: also what the settings of its process said goes elsewhere.

        Raises:
            ReviewError: it would go elsewhere, or neither spool nor destination has taken it, so that it still waits.
        """
        rows = [row for each in waiting for row in each.rows]
        if not rows:
            return Sent(0, 0)
        own = OwnProviders(self._config)
        self._check_destinations(rows, anywhere=anywhere)
        items = [item for row in rows for item in _items(row)]
        until = time.monotonic() + timeout
        if own.spool is not None:
            own.intake.keep(items)
        else:
            for item in items:
                (own.worker.put if isinstance(item, EndedSpan) else own.worker.put_event)(item, size_of(item))
        is_kept = own.intake.keeps and not own.intake.homeless
        if is_kept:  # before the destination is waited for: who interrupts that has approved it all the same
            self.queue.remove([row.id for row in rows])
        is_sent = own.intake.close(max(0.1, until - time.monotonic()))
        if not (is_kept or is_sent):
            raise ReviewError("neither the destination nor the spool takes it now, so it still waits; "
                              "`rlhf-otel doctor` finds out why")  # fmt: skip
        self.queue.remove([row.id for row in rows])
        return Sent(len(rows), 0) if is_sent else Sent(0, len(rows))

    def _check_destinations(self, rows: Sequence[Row], *, anywhere: bool) -> None:
        """What was recorded for one backend is not sent to another's, or into a store, because a setting is missing."""
        here = sorted(spool_destinations(self._config))
        for told in sorted({row.goes_to for row in rows}):
            if told.splitlines() != here and not anywhere:
                raise ReviewError(
                    f"by its application's settings this goes to {_listed(told.splitlines())}, by those here to "
                    f"{_listed(here)}: give the same (OTEL_EXPORTER_OTLP_ENDPOINT, RLHF_OTEL_STORE), or --anywhere"
                )


def _listed(destinations: Sequence[str]) -> str:
    return " and ".join(destinations) or "nowhere"


def _items(row: Row) -> list[Any]:
    return items_of(Frame(row.frame, row.payload, 0, 0))


def _target(feedback: Feedback, calls: Mapping[str, Waiting]) -> str:
    """The span id of the call that waits and that `feedback` is about; empty where there is none."""
    if feedback.span_id:
        return feedback.span_id
    names: tuple[tuple[str, Callable[[Interaction], str | None]], ...] = (
        ("response_id", lambda call: call.response_id),
        ("message_id", lambda call: call.message_id),
        ("session", lambda call: call.session),
    )
    for name, of in names:
        if (key := getattr(feedback, name)) is not None:
            found = [span_id for span_id, each in calls.items() if each.call is not None and of(each.call) == key]
            return found[-1] if found else ""
    return ""


def _only(one: str, found: Sequence[Waiting]) -> Waiting:
    if len(found) == 1:
        return found[0]
    said = "nothing that waits" if not found else f"{len(found)} of what waits"
    raise ReviewError(f"{said} begins with {one!r}; `rlhf-otel review list` says what there is")
