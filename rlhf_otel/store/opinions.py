"""The part of the store that is about feedback: what counts on a call, and what was ever said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlhf_otel.store.connection import Doors
from rlhf_otel.store.encoding import column_text
from rlhf_otel.store.joins import Joiner
from rlhf_otel.store.rows import feedback_of_body
from rlhf_otel.store.sql import at_most, query

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rlhf_otel.records import Feedback, Interaction

_PAGE = 500
"""How much is read at a time where all is."""


class Opinions(Doors):
    """What `Store` tells of feedback."""

    def feedback_on(self, targets: Iterable[Interaction]) -> dict[str, list[Feedback]]:
        """The feedback that counts now on each of `targets`, by span id, oldest first; [] where none does."""
        with self._reading() as connection:
            joiner = Joiner(connection)
            return {target.span_id: joiner.current(target) for target in targets}

    def history(self, interaction: Interaction) -> list[Feedback]:
        """Every feedback ever given on `interaction`, oldest first: superseded, retracted and the retractions too."""
        with self._reading() as connection:
            return Joiner(connection).history(interaction)

    def feedback(self, feedback_id: str) -> Feedback | None:
        """The feedback with this id, whether it counts or not; None where there is none."""
        with self._reading() as connection:
            row = connection.execute(query("feedback_find"), (column_text(feedback_id),)).fetchone()
            return None if row is None else feedback_of_body(row["body"])

    def pending(self, limit: int | None = None) -> list[Feedback]:
        """The feedback, oldest first, whose target is not in the store (yet)."""
        with self._reading() as connection:
            rows = connection.execute(query("feedback_pending"), {"limit": at_most(limit)})
            return [feedback_of_body(row["body"]) for row in rows]

    def given(self, *, limit: int, before: int | None = None) -> list[tuple[int, Feedback]]:
        """The feedback as it came, the newest first, each with its number; `before` is one to go on behind."""
        with self._reading() as connection:
            text = query("feedback_page", "newest_first", *(() if before is None else ("before",)))
            rows = connection.execute(text, {"limit": limit, "before": before})
            return [(row["seq"], feedback_of_body(row["body"])) for row in rows]

    def all_feedback(self) -> Iterator[Feedback]:
        """Everything that was ever said, superseded and taken back included, in the order in which it came."""
        after = -1
        while True:
            with self._reading() as connection:
                text = query("feedback_page", "oldest_first", "after")
                rows = connection.execute(text, {"after": after, "limit": _PAGE}).fetchall()
            yield from (feedback_of_body(row["body"]) for row in rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1]["seq"]
