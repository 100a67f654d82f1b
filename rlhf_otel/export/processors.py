"""The SDK processors that hand on what has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LogRecordProcessor
from opentelemetry.sdk.trace import SpanProcessor

from rlhf_otel import semconv
from rlhf_otel.export.sizes import size_of

if TYPE_CHECKING:
    from rlhf_otel.export.own import OwnProviders


class SpanFeed(SpanProcessor):
    """Takes every sampled span that ends, except those on which work is put off."""

    def __init__(self, own: OwnProviders, *, local_only: bool = False) -> None:
        """`local_only` spans go to the embedded store and not to our exporters: their provider has its own."""
        self._own = own
        self._kind = "local" if local_only else "span"

    def on_end(self, span: Any) -> None:
        """Queues the span."""
        if span.get_span_context().trace_flags.sampled:
            self._own.intake.put((self._kind, span), size_of(span))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Delivers what has ended; keeps the time and tells the truth."""
        return self._own.intake.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Delivers what has ended."""
        self._own.intake.flush(3.0)


class EventFeed(LogRecordProcessor):
    """Takes every event."""

    def __init__(self, own: OwnProviders) -> None:
        self._own = own

    def on_emit(self, log_record: Any) -> None:
        """Queues the event, as it is now."""
        from opentelemetry.sdk._logs import ReadableLogRecord

        record = ReadableLogRecord(
            log_record=log_record.log_record,
            resource=log_record.resource,
            instrumentation_scope=log_record.instrumentation_scope,
            limits=log_record.limits,
        )
        is_feedback = log_record.log_record.event_name in (semconv.EVALUATION_EVENT, semconv.CONSENT_EVENT)
        says_consent = log_record.log_record.event_name == semconv.CONSENT_EVENT  # which need not be looked at
        intake = self._own.outgoing if says_consent else self._own.intake
        intake.put_event(("event", record), size_of(record), is_feedback=is_feedback)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Delivers what was emitted; keeps the time and tells the truth."""
        return self._own.intake.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Delivers what was emitted."""
        self._own.intake.flush(3.0)
