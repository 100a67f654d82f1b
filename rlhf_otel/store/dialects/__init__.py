"""What other emitters call things, in the words of the GenAI conventions of today: one small file each.

A dialect takes the attributes of a span that speaks it and gives them back translated. What it has translated it
removes, what it does not know it leaves: nothing is kept twice, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhf_otel import codec, semconv
from rlhf_otel.records import Feedback, LogRecord, SpanRecord


def translated(attributes: Mapping[str, Any], span: Any, scope: Any) -> dict[str, Any] | None:
    """The attributes of `span` in today's words; None where it does not tell of a call to a model."""
    return dict(attributes)


def feedback_in(span: SpanRecord) -> list[Feedback]:
    """The feedback that `span` carries, as some emitters send it."""
    return []


def feedback_of(log: LogRecord) -> Feedback | None:
    """The feedback that a log record carries; None for any other log record."""
    if log.event_name != semconv.EVALUATION_EVENT:
        return None
    return codec.feedback_from_attributes(
        log.attributes, trace_id=log.trace_id, span_id=log.span_id, time_ns=log.time_ns or log.observed_ns
    )
