"""The providers that we set up, with the one processor that feeds the export thread."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from rlhf_otel import __version__, codec, hooks, semconv
from rlhf_otel.config import DEFAULT_STORE
from rlhf_otel.export import discreet, otlp
from rlhf_otel.export.capturing import Capturing
from rlhf_otel.export.forked import threadless
from rlhf_otel.export.intake import Intake
from rlhf_otel.export.items import EndedSpan, Event, Record, ended, feedback_of, interaction_of, remade
from rlhf_otel.export.local import MEMORY, StoreSink, records_of
from rlhf_otel.export.outbox import Limits
from rlhf_otel.export.pipeline import Pipeline
from rlhf_otel.export.worker import Worker

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.export.events import Events
    from rlhf_otel.export.outbox import Sink
    from rlhf_otel.export.readings import Metrics
    from rlhf_otel.export.spans import CallSpan, CallSpans
    from rlhf_otel.export.spool.spool import Spool
    from rlhf_otel.records import Feedback, Interaction


Made = TypeVar("Made")
_LAST_S = 1.0
"""How long other settings wait for what still goes by the old ones."""
_MOST_AT_ONCE = 1024
"""So many of what is on the disk are taken into memory before they are sent: a burst waits in the queue."""


class made_once(Generic[Made]):  # noqa: N801 - used as a decorator
    """`functools.cached_property` under the lock of the object, which is renewed after a fork; up to Python 3.11 that
    one has a lock of its own, which is not.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, _: type) -> Made:
        kept, name = owner.__dict__, self._make.__name__
        with owner._lock:
            if name not in kept:
                kept[name] = self._make(owner)
            return cast("Made", kept[name])


def is_stand_in(provider: Any) -> bool:
    """Whether a global meter or logger provider is the API's own, which records nothing: nobody has set one."""
    return type(provider).__module__.startswith(("opentelemetry.metrics", "opentelemetry._logs"))


class OwnProviders:
    """Our tracer, logger and meter provider, made on first use, and the export thread behind them."""

    def __init__(self, config: Config) -> None:
        self.made_tracer_provider: Any = None
        self.pipeline = Pipeline()
        self.capturing = Capturing(config)
        self.counted: Callable[[Feedback], None] = lambda feedback: None
        self.is_bypassed = False
        self._renew_lock()
        hooks.after_fork(self._renew_lock)
        self._joined: Any = None
        self._metrics: Metrics | None = None
        self._way: Any = None
        self.reconfigure(config)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def reconfigure(self, config: Config) -> None:
        """Lets other settings say where everything goes. For providers that are global, and so cannot be made anew."""
        way = (config.durability, config.spool, config.spool_bytes, spool_destinations(config), _limits(config),
               config.review_before_submit)  # fmt: skip
        if self._way not in (None, way) and self.intake.waiting:
            self.intake.close(_LAST_S)  # it goes where it was to go
        self.config = config
        self.__dict__.pop("call_spans", None)
        path = store_path(config)
        self.store_sink = None if path is None else self._store_at(path)
        self._event_store_sink = self.store_sink
        self._sends_events = otlp.is_silenced("logs") or bool(otlp.wanted_exporters("logs", config))
        if self._way != way:
            self._way = way
            self._lay_way(config)

    def _lay_way(self, config: Config) -> None:
        """What is on the disk says where it is to go, so each way has a spool of its own, and all before and behind."""
        spans, events = _limits(config)
        self.spool = _spool(config)
        if self.spool is not None:
            self.spool.records = records_of
        most = sys.maxsize if self.spool is None else _MOST_AT_ONCE
        self.worker = Worker(
            self._make_sinks, self._prepare, spans=spans, events=events, readings=self, spool=self.spool,
            most_at_once=most,
        )  # fmt: skip
        sync = config.durability == "sync"
        self.outgoing = Intake(self.worker, self._prepare, self.spool, sync=sync, spans=spans, events=events)
        self.intake = self._reviewed(config) if config.review_before_submit else self.outgoing

    def _reviewed(self, config: Config) -> Intake:
        """What waits until a person has approved it."""
        from rlhf_otel.export.review.intake import ReviewIntake
        from rlhf_otel.export.review.queue import Queue, path_of

        spans, events = _limits(config)
        queue = Queue(path_of(config), config.review_bytes, config.review_age)
        return ReviewIntake(
            queue, self._prepare, self.outgoing, goes_to=spool_destinations(config), spans=spans, events=events
        )

    def _store_at(self, path: str, *, feedback_only: bool = False) -> StoreSink:
        def redacted(interaction: Interaction) -> Interaction:
            return self.pipeline.redacted(self.capturing.of_call(interaction))

        most = self.config.queue_size
        return StoreSink(
            path, feedback_only=feedback_only, most_in_memory=most, redacted=redacted,
            is_spooled=lambda: self.intake.keeps,
        )  # fmt: skip

    # --- The providers --------------------------------------------------------------------------------------------

    @made_once
    def tracer_provider(self) -> Any:
        """Private unless the launcher makes it global."""
        from opentelemetry.sdk.trace import TracerProvider

        provider = threadless(TracerProvider)(sampler=self._sampler(), resource=self.resource, shutdown_on_exit=False)
        provider.add_span_processor(self.processor)
        self.made_tracer_provider = provider
        return provider

    @made_once
    def processor(self) -> Any:
        """The one processor of the tracer provider."""
        from rlhf_otel.export.processors import SpanFeed

        return SpanFeed(self)

    @made_once
    def logger_provider(self) -> Any:
        """For feedback events."""
        from opentelemetry.sdk._logs import LoggerProvider

        from rlhf_otel.export.processors import EventFeed

        provider = threadless(LoggerProvider)(resource=self.resource, shutdown_on_exit=False)
        provider.add_log_record_processor(EventFeed(self))
        return provider

    @made_once
    def events(self) -> Events:
        """What makes feedback events there."""
        from rlhf_otel.export.events import Events

        return Events(self.logger_provider)

    @made_once
    def meter_provider(self) -> Any:
        """Only where metrics have somewhere to go; None otherwise. Collected by the export thread."""
        if not self.config.capture_metrics or not otlp.wanted_exporters("metrics", self.config):
            return None
        from rlhf_otel.export.readings import Metrics

        self._metrics = Metrics(self.resource, lambda: otlp.exporters("metrics", self.config))
        return self._metrics.provider

    def measured(self) -> None:
        """Says that something was measured, which the export thread may have to be told."""
        if self._metrics is not None and self._metrics.measured() and not self.worker.is_current_thread:
            self.worker.wake()

    def due_in(self) -> float | None:
        """Seconds until metrics are exported; None where there is nothing to export."""
        return None if self._metrics is None else self._metrics.due_in()

    def export(self) -> None:
        """Exports what has been measured."""
        if self._metrics is not None:
            self._metrics.export()

    @made_once
    def resource(self) -> Any:
        """OpenTelemetry's own resource, with the service name of the settings where it has none."""
        from opentelemetry.sdk.resources import Resource

        given = {"telemetry.distro.name": "rlhf-otel", "telemetry.distro.version": __version__}
        if self.config.service_name and self.config.values["service_name"].source != "OTEL_SERVICE_NAME":
            given["service.name"] = self.config.service_name
        own = {
            semconv.SERVICE_VERSION: self.config.app_version,
            semconv.DEPLOYMENT_ENVIRONMENT: self.config.environment,
        }
        given.update((name, value) for name, value in own.items() if value)
        made = Resource.create(given)
        return discreet.resource(made) if self.config.redact else made

    def _sampler(self) -> Any:
        """Ours where the setting says something; None lets the SDK read `OTEL_TRACES_SAMPLER`."""
        if not self.config.is_set("sample_rate"):
            return None
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

        return ParentBased(TraceIdRatioBased(self.config.sample_rate))

    # --- Deferred work --------------------------------------------------------------------------------------------

    @made_once
    def call_spans(self) -> CallSpans:
        """What starts the spans of calls as long as nobody but us listens to the tracer provider."""
        from rlhf_otel.export.spans import CallSpans

        return CallSpans(self.tracer_provider, self.config.hold_age or None)

    def may_defer(self, span: Any) -> bool:
        """Whether the work on `span` may be put off: one of `call_spans`, to which still nobody else listens."""
        made_by = getattr(span, "made_by", None)
        if made_by is None:
            return False
        return bool(span.is_recording()) and made_by.are_ours_alone and made_by is self.__dict__.get("call_spans")

    def end_later(self, span: CallSpan, end_ns: int, finish: Callable[..., Any], finalize: Any, size: int) -> None:
        """Ends `span` for the application; `finish(span, finalize)`, on the export thread, says what is exported."""
        span.end_later(end_ns)
        if span.get_span_context().trace_flags.sampled:
            self.intake.put(("call", finish, span, finalize), size)

    def copied(
        self, span: Any, interaction: Interaction, attributes: dict[str, Any], end_ns: int, *, local_only: bool
    ) -> EndedSpan:
        """What a span of somebody else's is kept as by us, which need not have ended."""
        from opentelemetry.trace import Status, StatusCode

        failed = interaction.status == "error"
        status = Status(StatusCode.ERROR, interaction.error_message) if failed else None
        readable = remade(span, attributes, status, end_ns)
        return ended(readable, replace(interaction, resource=dict(span.resource.attributes)), local_only)

    def join(self, foreign: Any) -> None:
        """Takes notice of a foreign provider, and adds the embedded store to it where the setting asks for a store."""
        self.is_bypassed = not self.config.store
        if self._joined is foreign or not self.config.store or not hasattr(foreign, "add_span_processor"):
            return
        from rlhf_otel.export.processors import SpanFeed

        self._joined = foreign
        foreign.add_span_processor(SpanFeed(self, local_only=True))

    # --- The export thread's side ---------------------------------------------------------------------------------

    @property
    def is_local(self) -> bool:
        """Whether feedback goes into the embedded store."""
        return self._event_store() is not None

    def _make_sinks(self) -> Sequence[Sink]:
        spooled = self.spool is not None
        sinks: list[Sink] = [otlp.SpanSink(e) for e in otlp.exporters("traces", self.config, spooled=spooled)]
        sinks += [otlp.EventSink(e) for e in otlp.exporters("logs", self.config, spooled=spooled)]
        store = self._event_store()
        return sinks if store is None else [store, *sinks]

    def _event_store(self) -> StoreSink | None:
        """The store; also where feedback would otherwise have nowhere to go."""
        if self._event_store_sink is None and not self._sends_events:
            self._event_store_sink = self._store_at(DEFAULT_STORE, feedback_only=True)
        if self._event_store_sink is not None and (self.store_sink is None or self.is_bypassed):
            hooks.say("feedback", "no backend takes log events, so feedback is kept in %s", self._event_store_sink.path)
        return self._event_store_sink

    def _prepare(self, item: Any) -> Any:
        if not isinstance(item, tuple):
            return self._read(item)  # it has been prepared before it was written
        kind, payload, *rest = item
        if kind == "event":
            feedback = feedback_of(payload.log_record)
            is_kept = feedback is not None or payload.log_record.event_name == semconv.CONSENT_EVENT
            return Event(payload, feedback) if is_kept else Record(payload)
        if kind == "call":
            return payload(*rest)
        return self._from_elsewhere(payload, local_only=kind == "local")

    def _read(self, item: Any) -> Any:
        """`item` with the interaction that its span tells of, where nobody has looked yet."""
        if isinstance(item, Event) and item.feedback is None and hasattr(item.readable, "feedback"):
            self.counted(item.readable.feedback)
            return replace(item, feedback=feedback_of(item.readable))
        if not isinstance(item, EndedSpan) or item.readable is None or item.interaction is not None:
            return item
        interaction = interaction_of(item.readable)
        return item if interaction is None else replace(item, interaction=interaction)

    def _from_elsewhere(self, span: Any, *, local_only: bool) -> EndedSpan:
        """A span of another instrumentation, or one of ours whose work was done before it ended.

        What another one wrote has not been redacted. The span is its own and goes on as it is; what we write of it is
        redacted.
        """
        if not self.config.redact and self.intake.writes_at_once:
            return EndedSpan(span, None, local_only=local_only)  # read later, by the thread that has the time
        interaction = interaction_of(span)
        if interaction is None:
            return EndedSpan(span, None, local_only=local_only)
        limited, written = self.capturing.of_call(interaction), None
        redacted = self.pipeline.redacted(limited)
        if limited is not interaction and not local_only:
            span = self._remade(span, redacted)  # content that is switched off goes nowhere, whoever wrote it
        elif redacted is not interaction and (self.spool is not None or self.config.review_before_submit):
            written = self._remade(span, redacted)
        return EndedSpan(span, redacted, local_only=local_only, written=written)

    def _remade(self, span: Any, interaction: Interaction) -> Any:
        """`span` as `interaction` tells of it, and with events that tell no more."""
        kept = [event for event in span.events if not event.name.startswith("gen_ai.")]
        events = discreet.events(kept, self.pipeline)
        return remade(span, codec.interaction_attributes(interaction), events=events)


def store_path(config: Config) -> str | None:
    """Where the embedded store is; None where everything goes to a backend alone, or nowhere."""
    if config.store:
        return str(config.store)
    if otlp.wanted_exporters("traces", config) or otlp.is_silenced("traces"):
        return None
    return DEFAULT_STORE


def spool_destinations(config: Config) -> list[str]:
    """Where what is written to the spool is to go; none where it would go nowhere that outlives the process."""
    to, path = otlp.destinations(config), store_path(config)
    if path is not None and path != MEMORY:
        from rlhf_otel.store.files import in_full

        to.append(f"store {in_full(path)}")
    return to


def spools(config: Config) -> bool:
    """Whether anything is written to the spool."""
    return config.durability != "memory" and bool(spool_destinations(config))


def _spool(config: Config) -> Spool | None:
    if not spools(config):
        return None
    from rlhf_otel.export.spool.spool import Spool

    return Spool(config.spool, spool_destinations(config), config.spool_bytes)


def _limits(config: Config) -> tuple[Limits, Limits]:
    """Those of spans and those of events."""
    size, most = config.queue_bytes, config.max_export_bytes
    spans = Limits(config.queue_size, config.batch_size, config.batch_delay_ms / 1000, size, most)
    events = Limits(
        config.feedback_queue_size, config.feedback_batch_size, config.feedback_batch_delay_ms / 1000, size, most
    )
    return spans, events
