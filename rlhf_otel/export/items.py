"""What travels from the processors to the sinks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlhf_otel import codec, semconv
from rlhf_otel.records import Feedback, Interaction

if TYPE_CHECKING:
    from rlhf_otel.export.wire import Packed


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """A span with its final attributes, and the interaction that it tells of if it tells of one.

    Attributes:
        readable: the SDK's span; None where only the rest is needed any more.
        interaction: None also for what came back from the spool, which is in bytes alone.
        local_only: the span belongs to a provider that has exporters of its own.
        packed: the span in bytes, once they were needed.
        written: what is written in its place, where the span itself has not been redacted.
    """

    readable: Any
    interaction: Interaction | None
    local_only: bool = False
    packed: Packed | None = None
    written: Any = None


def ended(span: Any, interaction: Interaction, local_only: bool = False) -> EndedSpan:
    """A span of ours, with `interaction` where a model was to answer: all else is a span and no more."""
    return EndedSpan(span, None if codec.has_no_answer(span.attributes or {}) else interaction, local_only)


@dataclass(frozen=True, slots=True)
class Event:
    """What a person has said, as the SDK's log record, and all of it in bytes, as far as there is need.

    Attributes:
        readable: the SDK's log record.
        feedback: what is in it; None also where a person has said something of consent.
        packed: the record in bytes.
    """

    readable: Any
    feedback: Feedback | None
    packed: Packed | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Any other log record."""

    readable: Any
    packed: Packed | None = None


def remade(
    span: Any, attributes: Mapping[str, Any], status: Any = None, end_ns: int | None = None, events: Any = None
) -> Any:
    """A copy of the SDK span `span` with other attributes, and another status, end and events where they are given."""
    from opentelemetry.sdk.trace import ReadableSpan

    return ReadableSpan(
        span.name, span.get_span_context(), span.parent, span.resource, attributes,
        span.events if events is None else events, span.links,
        kind=span.kind, status=status or span.status, start_time=span.start_time,
        end_time=end_ns or span.end_time, instrumentation_scope=span.instrumentation_scope,
    )  # fmt: skip


def interaction_of(span: Any) -> Interaction | None:
    """The interaction that a finished SDK span tells of; None for a span that is no call to a model."""
    attributes = span.attributes or {}
    if not codec.is_interaction(attributes):
        return None
    context, parent = span.get_span_context(), span.parent
    return codec.interaction_from_attributes(
        attributes, trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}",
        parent_span_id=f"{parent.span_id:016x}" if parent else None, start_ns=span.start_time or 0,
        end_ns=span.end_time or 0, name=span.name, status=span.status.status_code.name.lower(),
        error_message=span.status.description, resource=dict(span.resource.attributes),
    )  # fmt: skip


def feedback_of(record: Any) -> Feedback | None:
    """The feedback that a log record carries; None for any other log record."""
    if record.event_name != semconv.EVALUATION_EVENT:
        return None
    return codec.feedback_from_attributes(
        record.attributes or {},
        trace_id=f"{record.trace_id:032x}" if record.trace_id else "",
        span_id=f"{record.span_id:016x}" if record.span_id else "",
        time_ns=record.timestamp or record.observed_timestamp or 0,
    )
