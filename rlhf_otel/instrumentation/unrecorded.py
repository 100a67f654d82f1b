"""Requests that are no call to a model, and are read all the same for what they tell of some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind

from rlhf_otel.instrumentation.call import Call

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from rlhf_otel.records import StreamEnd


class Unrecorded(Call):
    """A request without a span: its readers run as those of any call, and nothing of it is recorded.

    It is for the files that batches are made of: what is read there becomes calls of their own.
    """

    __slots__ = ()

    def start(self, outer: Span | None = None, kind: SpanKind = SpanKind.CLIENT) -> None:
        """There is no span."""

    def sent(self, body: bytes | None) -> None:
        """Nothing of it is kept."""

    def identified(self) -> None:
        """Nobody rates it."""

    def finish(self, end: StreamEnd = "completed", error: BaseException | None = None) -> None:
        """There is nothing to end."""

    def fail(self, error: BaseException) -> None:
        """What the application makes of it is all that there is to know."""
