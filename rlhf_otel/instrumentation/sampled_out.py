"""What is told of a call whose span was sampled out: little, so that it costs little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from rlhf_otel import hooks
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Handle, Interaction


class SampledOut:
    """A `Call` that is over, as `hooks.SampledOut` has it."""

    __slots__ = ("_call", "duration_s", "end_ns", "failed", "handle", "message", "operation", "session", "size",
                 "span", "user")  # fmt: skip

    def __init__(self, call: Call, handle: Handle, end_ns: int, *, failed: bool) -> None:
        context = call.context
        self._call = call
        self.handle = handle
        self.span: Span = call.span
        self.end_ns = end_ns
        self.duration_s = max(0, end_ns - call.start_ns) / 1e9
        self.failed = failed
        self.operation = call.endpoint.operation
        self.session, self.user, self.message = context.session, context.user, context.message
        self.size = call.size + _said(call.output) + 8 * len(call.stamps)

    def figures(self) -> tuple[Interaction, Sequence[int]]:
        """Without what the request's body says."""
        return self._call.interaction({}), self._call.stamps.packed()

    def finalize(self, **given: Any) -> hooks.Completed:
        """As the call does it."""
        return self._call.finalize(**given)


def _said(messages: Any) -> int:
    """How many characters an answer has, about."""
    parts = (part for message in messages or () for part in message.get("parts", ()))
    return sum(len(value) for part in parts for value in part.values() if isinstance(value, str))
