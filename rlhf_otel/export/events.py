"""Feedback events on our own logger provider, past the SDK's logger as long as nobody but us listens there.

The SDK makes three objects for an event and checks and copies each attribute; the application waits for that, and for
nothing else of a vote but its way to the disk. Whoever needs the SDK's own record gets it: `Emitted.as_the_sdk`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from opentelemetry import _logs, trace

from rlhf_otel import __version__, codec, semconv
from rlhf_otel.records import Feedback, Interaction

MOST_ATTRIBUTES = 128
"""Beyond that the SDK drops some."""
_LIMITS = tuple(f"OTEL_{of}ATTRIBUTE_{what}_LIMIT" for of in ("", "LOGRECORD_") for what in ("COUNT", "VALUE_LENGTH"))
"""Variables by which the SDK cuts attributes."""


class Emitted(NamedTuple):
    """A feedback event, under the names of the SDK's log record, with the logger that it goes by."""

    attributes: Mapping[str, Any]
    trace_id: int
    span_id: int
    timestamp: int
    observed_timestamp: int
    feedback: Feedback
    logger: Any

    @property
    def event_name(self) -> str:
        """What it is called."""
        return semconv.EVALUATION_EVENT

    @property
    def as_the_sdk(self) -> Any:
        """The record that the SDK would have made."""
        from opentelemetry.sdk._logs import LogRecordLimits, ReadableLogRecord

        record = _logs.LogRecord(
            timestamp=self.timestamp, observed_timestamp=self.observed_timestamp,
            context=target_context(self.trace_id, self.span_id), severity_number=_logs.SeverityNumber.INFO,
            attributes=dict(self.attributes), event_name=self.event_name,
        )  # fmt: skip
        resource, scope = self.logger.resource, self.logger.instrumentation_scope
        return ReadableLogRecord(record, resource, scope, LogRecordLimits())


class Events:
    """What makes feedback events of our logger provider.

    Args:
        provider: the SDK's, with our processor.
    """

    def __init__(self, provider: Any) -> None:
        self._logger = provider.get_logger(semconv.SCOPE, __version__, schema_url=semconv.SCHEMA_URL)
        self._processors = getattr(provider, "_multi_log_record_processor", None)
        is_known = hasattr(self._logger, "resource") and hasattr(self._logger, "instrumentation_scope")
        self._is_plain = is_known and not any(os.environ.get(name) for name in _LIMITS)

    @property
    def are_ours_alone(self) -> bool:
        """Whether nobody but us listens, and nobody wants attributes cut."""
        return self._is_plain and len(getattr(self._processors, "_log_record_processors", ())) == 1

    def made(self, feedback: Feedback, attributes: Mapping[str, Any]) -> Emitted:
        """The event that carries `feedback`, in the context of the rated span."""
        ids = numbers_of(feedback.trace_id, feedback.span_id)
        return Emitted(attributes, *ids, feedback.time_ns, time.time_ns(), feedback, self._logger)


def numbers_of(trace_id: str, span_id: str) -> tuple[int, int]:
    """Ids as OpenTelemetry has them; 0 for one that is unknown."""
    return int(trace_id or "0", 16), int(span_id or "0", 16)


def target_context(trace_id: int, span_id: int) -> Any:
    """The context of a span that may have ended long ago, in another process."""
    context = trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(1))
    return trace.set_span_in_context(trace.NonRecordingSpan(context))


def details(interaction: Interaction) -> dict[str, Any]:
    """The attributes of the event that has the content of a call: messages as structures and not as JSON."""
    content = {
        semconv.INPUT_MESSAGES: interaction.input,
        semconv.OUTPUT_MESSAGES: interaction.output,
        semconv.SYSTEM_INSTRUCTIONS: interaction.system,
    }
    kept = {key: list(value) for key, value in content.items() if value}
    return {**codec.interaction_attributes(interaction), **kept}
