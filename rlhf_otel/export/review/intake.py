"""Where what has ended is put while it waits to be looked at: into the queue, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from rlhf_otel.export.intake import GROUP_S, Intake, frame_of, payload_of
from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.export.otlp import packed
from rlhf_otel.export.outbox import Limits
from rlhf_otel.export.review.queue import Queue, Row
from rlhf_otel.export.worker import Worker


class ReviewIntake(Intake):
    """Takes calls and feedback; beside it lies the way out, for what need not wait."""

    def __init__(
        self,
        queue: Queue,
        prepare: Callable[[Any], Any],
        outgoing: Intake,
        *,
        goes_to: Sequence[str],
        spans: Limits,
        events: Limits,
    ) -> None:
        """`goes_to` is where `outgoing` leads, in words."""
        worker = Worker(
            lambda: [_Waiting(queue, "\n".join(sorted(goes_to)))],
            prepare,
            spans=replace(spans, delay_s=GROUP_S),
            events=replace(events, delay_s=GROUP_S),
            name="rlhf-otel-review",
            is_last=False,
        )
        super().__init__(worker, prepare, None, sync=False, spans=spans, events=events)
        self._outgoing = outgoing

    @property
    def waiting(self) -> int:
        """How many items are not in the queue yet, or not acknowledged where they go without it."""
        return super().waiting + self._outgoing.waiting

    @property
    def homeless(self) -> int:
        """How many of them are in memory alone."""
        return super().waiting + self._outgoing.homeless

    def flush(self, timeout: float) -> bool:
        """Has everything in the queue, and delivers what does not go there."""
        until = time.monotonic() + timeout
        written = super().flush(timeout)
        return self._outgoing.flush(max(0.0, until - time.monotonic())) and written

    def close(self, timeout: float, stuck_s: float | None = None) -> bool:
        """The same, and lets go of the file."""
        written = super().close(timeout)
        return self._outgoing.close(timeout, stuck_s) and written


class _Waiting:
    """The queue as a sink."""

    name = "review"
    carries: Literal["spans", "events"] = "spans"

    def __init__(self, queue: Queue, goes_to: str) -> None:
        self._queue, self._goes_to = queue, goes_to

    def wants(self, item: Any) -> bool:
        """Calls and what is said of them. Other spans and records stay where they are: nobody could judge them."""
        if isinstance(item, EndedSpan):
            return item.interaction is not None
        return isinstance(item, Event) and item.feedback is not None

    def send(self, items: Sequence[Any]) -> bool:
        """On the disk when it returns."""
        self._queue.add(self._row(item) for item in items)
        return True

    def _row(self, item: Any) -> Row:
        if isinstance(item, EndedSpan):
            name, time_ns = item.interaction.span_id, item.interaction.end_ns  # type: ignore[union-attr]
        else:
            name, time_ns = item.feedback.id, item.feedback.time_ns
        return Row(name, frame_of(item), self._goes_to, time_ns, False, payload_of(packed(item)))

    def close(self) -> None:
        """Closes the file until something waits again."""
        self._queue.rest()
