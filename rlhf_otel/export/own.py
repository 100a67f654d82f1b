"""The providers that we set up, with the one processor that feeds the export thread."""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rlhf_otel import __version__, hooks
from rlhf_otel.config import DEFAULT_STORE
from rlhf_otel.export import otlp
from rlhf_otel.export.items import EndedSpan, Event, feedback_of, interaction_of
from rlhf_otel.export.local import StoreSink
from rlhf_otel.export.worker import Sink, Worker

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.records import Interaction

_METRIC_INTERVAL_S = 60.0


class OwnProviders:
    """Our tracer, logger and meter provider, made on first use, and the export thread behind them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.made_tracer_provider: Any = None
        self.made_meter_provider: Any = None
        self._lock = threading.RLock()
        self._joined: Any = None
        self._metrics_due = 0.0
        self._dropped = False
        path = store_path(config)
        self.store_sink = None if path is None else StoreSink(path)
        self._event_store_sink = self.store_sink
        self.worker = Worker(
            self._make_sinks,
            self._prepare,
            queue_size=config.queue_size,
            batch_size=config.batch_size,
            delay_s=config.batch_delay_ms / 1000,
            between=self._export_metrics,
        )

    # --- The providers --------------------------------------------------------------------------------------------

    @functools.cached_property
    def tracer_provider(self) -> Any:
        """Private unless the launcher makes it global."""
        from opentelemetry.sdk.trace import TracerProvider

        with self._lock:
            if self.made_tracer_provider is None:
                provider = TracerProvider(sampler=self._sampler(), resource=self.resource, shutdown_on_exit=False)
                provider.add_span_processor(self.processor)  # type: ignore[arg-type]
                self.made_tracer_provider = provider
            return self.made_tracer_provider

    @functools.cached_property
    def processor(self) -> Any:
        """The one processor of the tracer provider."""
        from rlhf_otel.export.processors import SpanFeed

        return SpanFeed(self.worker)

    @functools.cached_property
    def logger_provider(self) -> Any:
        """For feedback events."""
        from opentelemetry.sdk._logs import LoggerProvider

        from rlhf_otel.export.processors import EventFeed

        provider = LoggerProvider(resource=self.resource, shutdown_on_exit=False)
        provider.add_log_record_processor(EventFeed(self.worker))  # type: ignore[arg-type]
        return provider

    @functools.cached_property
    def meter_provider(self) -> Any:
        """Only where metrics have somewhere to go; None otherwise. Collected by the export thread."""
        exporters = otlp.exporters("metrics", self.config) if otlp.wanted_exporters("metrics", self.config) else []
        if not exporters:
            return None
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

        readers = [PeriodicExportingMetricReader(e, export_interval_millis=math.inf) for e in exporters]
        provider = MeterProvider(readers, resource=self.resource, shutdown_on_exit=False)
        self.made_meter_provider = provider
        return provider

    @functools.cached_property
    def resource(self) -> Any:
        """OpenTelemetry's own resource, with the service name of the settings where it has none."""
        from opentelemetry.sdk.resources import Resource

        given = {"telemetry.distro.name": "rlhf-otel", "telemetry.distro.version": __version__}
        if self.config.service_name and self.config.values["service_name"].source != "OTEL_SERVICE_NAME":
            given["service.name"] = self.config.service_name
        return Resource.create(given)

    def _sampler(self) -> Any:
        """Ours where the setting says something; None lets the SDK read `OTEL_TRACES_SAMPLER`."""
        if not self.config.is_set("sample_rate"):
            return None
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        return ParentBased(TraceIdRatioBased(self.config.sample_rate))

    # --- Deferred work --------------------------------------------------------------------------------------------

    def is_sole_owner_of(self, span: Any) -> bool:
        """Whether `span` comes from our provider and nobody else listens to that."""
        provider = self.made_tracer_provider
        if provider is None or getattr(span, "_span_processor", None) is not provider._active_span_processor:
            return False
        return len(provider._active_span_processor._span_processors) == 1

    def final(self, span: Any, interaction: Interaction, attributes: dict[str, Any]) -> EndedSpan:
        """The ended `span` with its final attributes."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Status, StatusCode

        failed = interaction.status == "error"
        status = Status(StatusCode.ERROR, interaction.error_message) if failed else span.status
        readable = ReadableSpan(
            span.name, span.get_span_context(), span.parent, span.resource, attributes, span.events, span.links,
            kind=span.kind, status=status, start_time=span.start_time, end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )  # fmt: skip
        return EndedSpan(readable, replace(interaction, resource=dict(span.resource.attributes)))

    def mark_drop(self) -> None:
        """Says that the interaction that the export thread is working on shall not leave."""
        self._dropped = True

    def take_drop(self) -> bool:
        """Whether that was said since the last time it was asked."""
        dropped, self._dropped = self._dropped, False
        return dropped

    def join(self, foreign: Any) -> None:
        """Adds the embedded store to a foreign provider, where the setting asks for a store."""
        if self._joined is foreign or not self.config.store or not hasattr(foreign, "add_span_processor"):
            return
        from rlhf_otel.export.processors import SpanFeed

        self._joined = foreign
        foreign.add_span_processor(SpanFeed(self.worker, local_only=True))

    # --- The export thread's side ---------------------------------------------------------------------------------

    @property
    def is_local(self) -> bool:
        """Whether feedback goes into the embedded store."""
        return self._event_store() is not None

    def _make_sinks(self) -> Sequence[Sink]:
        sinks: list[Sink] = [otlp.SpanSink(e) for e in otlp.exporters("traces", self.config)]
        sinks += [otlp.EventSink(e) for e in otlp.exporters("logs", self.config)]
        store = self._event_store()
        return sinks if store is None else [store, *sinks]

    def _event_store(self) -> StoreSink | None:
        """The store; also where feedback would otherwise have nowhere to go."""
        if self._event_store_sink is None and not otlp.wanted_exporters("logs", self.config):
            if not otlp.is_silenced("logs"):
                hooks.say("feedback", "no backend takes log events, so feedback is kept in %s", DEFAULT_STORE)
                self._event_store_sink = StoreSink(DEFAULT_STORE, feedback_only=True)
        return self._event_store_sink

    def _prepare(self, item: Any) -> Any:
        kind, payload, finalize = item
        if kind == "event":
            feedback = feedback_of(payload.log_record)
            return payload if feedback is None else Event(payload, feedback)
        if finalize is not None:
            return finalize(payload)
        interaction = interaction_of(payload)
        return EndedSpan(payload, interaction, local_only=kind == "local")

    def _export_metrics(self) -> None:
        if self.made_meter_provider is None or time.monotonic() < self._metrics_due:
            return
        interval = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")
        self._metrics_due = time.monotonic() + (float(interval) / 1000 if interval.isdigit() else _METRIC_INTERVAL_S)
        self.flush_metrics()

    def flush_metrics(self) -> None:
        """Exports what has been measured."""
        if self.made_meter_provider is not None:
            with otlp.quiet():
                self.made_meter_provider.force_flush()


def store_path(config: Config) -> str | None:
    """Where the embedded store is; None where everything goes to a backend alone, or nowhere."""
    if config.store:
        return str(config.store)
    if otlp.wanted_exporters("traces", config) or otlp.is_silenced("traces"):
        return None
    return DEFAULT_STORE
