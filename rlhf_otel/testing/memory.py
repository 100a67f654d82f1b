"""Records what an instrumented application does, in this process and without a network."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from rlhf_otel import codec, hooks, semconv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace.id_generator import IdGenerator

    from rlhf_otel.records import Feedback, Interaction


class _KeptSpans(SpanProcessor):
    def __init__(self, changed: threading.Condition) -> None:
        self.kept: list[ReadableSpan] = []
        self._changed = changed

    def on_end(self, span: ReadableSpan) -> None:
        with self._changed:
            self.kept.append(span)
            self._changed.notify_all()


class _KeptLogs(LogRecordProcessor):
    def __init__(self, changed: threading.Condition) -> None:
        self.kept: list[Any] = []
        self._changed = changed

    def on_emit(self, log_record: Any) -> None:
        with self._changed:
            self.kept.append(log_record.log_record)
            self._changed.notify_all()

    def shutdown(self) -> None:
        """Nothing is held open."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is waiting."""
        return True


class Captured:
    """What was recorded, in the order in which it ended: as our own records, and as OpenTelemetry has it."""

    def __init__(self, ids: IdGenerator | None = None) -> None:
        self._changed = threading.Condition()
        self._spans = _KeptSpans(self._changed)
        self._logs = _KeptLogs(self._changed)
        self._reader = InMemoryMetricReader()
        self.tracer_provider = TracerProvider(sampler=ALWAYS_ON, id_generator=ids, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(self._spans)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(self._logs)
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans that have ended."""
        with self._changed:
            return list(self._spans.kept)

    @property
    def logs(self) -> list[Any]:
        """The log records and events."""
        with self._changed:
            return list(self._logs.kept)

    @property
    def metrics(self) -> list[Any]:
        """The metrics as they stand now, each with its name and data points."""
        data = self._reader.get_metrics_data()
        groups = data.resource_metrics if data else ()
        return [metric for group in groups for scope in group.scope_metrics for metric in scope.metrics]

    @property
    def interactions(self) -> list[Interaction]:
        """The calls to models, read back from what their spans carry."""
        return [_interaction(span) for span in self.spans if codec.is_interaction(span.attributes or {})]

    @property
    def feedback(self) -> list[Feedback]:
        """The feedback given, read back from what its events carry."""
        return [_feedback(record) for record in self.logs if record.event_name == semconv.EVALUATION_EVENT]

    def wait_for(self, *, interactions: int = 0, feedback: int = 0, timeout: float = 5.0) -> None:
        """Waits until other threads have done at least so much.

        Raises:
            TimeoutError: they have not, within `timeout` seconds.
        """

        def arrived() -> bool:
            return len(self.interactions) >= interactions and len(self.feedback) >= feedback

        with self._changed:
            if not self._changed.wait_for(arrived, timeout):
                counts = f"{len(self.interactions)} interactions and {len(self.feedback)} feedback"
                raise TimeoutError(f"within {timeout} s came {counts}")

    def clear(self) -> None:
        """Forgets spans and log records; metrics go on counting."""
        with self._changed:
            self._spans.kept.clear()
            self._logs.kept.clear()

    def close(self) -> None:
        """Lets go of the providers."""
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()
        self.meter_provider.shutdown()


@contextlib.contextmanager
def capture(*, content: bool = True, strict: bool = True, ids: IdGenerator | None = None) -> Iterator[Captured]:
    """Redirects what is recorded to memory for the length of a `with` block. Nothing is sent and nothing stored.

    Call `rlhf_otel.instrument()` before, as the application does: this says where records go, not what is recorded.

    Args:
        content: whether prompts and answers are read.
        strict: whether a fault of the instrumentation is raised instead of logged.
        ids: where ids come from, `FixedIds()` for the same ones in every run.

    Raises:
        RuntimeError: no part of rlhf_otel offers to make telemetry (`hooks.connect` was taken away).
    """
    if hooks.connect is None:
        raise RuntimeError("rlhf_otel.hooks.connect is not set, so nothing can be recorded")
    captured = Captured(ids)
    telemetry = hooks.connect(
        tracer_provider=captured.tracer_provider,
        meter_provider=captured.meter_provider,
        logger_provider=captured.logger_provider,
        content=content,
    )
    before = hooks.telemetry, hooks.strict
    hooks.telemetry, hooks.strict = telemetry, strict
    try:
        yield captured
    finally:
        hooks.telemetry, hooks.strict = before
        captured.close()


def _interaction(span: ReadableSpan) -> Interaction:
    context = span.get_span_context()
    assert context is not None, "a span that was started has a context"
    return codec.interaction_from_attributes(
        span.attributes or {},
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent else None,
        name=span.name,
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        status=span.status.status_code.name.lower(),
        error_message=span.status.description,
        resource=dict(span.resource.attributes),
    )


def _feedback(record: Any) -> Feedback:
    return codec.feedback_from_attributes(
        record.attributes or {},
        trace_id=f"{record.trace_id:032x}" if record.trace_id else "",
        span_id=f"{record.span_id:016x}" if record.span_id else "",
        time_ns=record.timestamp or 0,
    )
