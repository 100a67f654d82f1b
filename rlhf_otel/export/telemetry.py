"""Whose provider a call's span belongs to, and so where and when the rest of the work on it is done.

A global provider that the application set is *foreign*: the span is complete, final and redacted when the call returns,
and goes to that provider's exporters alone. Otherwise the provider is ours, its one processor feeds the export thread,
and the work is done there. A processor that somebody adds to our provider makes it foreign from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context

from rlhf_otel import __version__, app_context, codec, consents, handles, hooks, semconv, totals
from rlhf_otel.export import discreet, forms, limits, whose
from rlhf_otel.export.arms import Arms
from rlhf_otel.export.capturing import Capturing
from rlhf_otel.export.events import details, numbers_of, target_context
from rlhf_otel.export.hold import hold_of, samples
from rlhf_otel.export.items import EndedSpan, Event, ended
from rlhf_otel.export.metrics import Instruments
from rlhf_otel.export.own import is_stand_in
from rlhf_otel.export.pipeline import Pipeline
from rlhf_otel.export.sizes import size_of
from rlhf_otel.hooks import Completed

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.export.own import OwnProviders
    from rlhf_otel.export.spans import CallSpan
    from rlhf_otel.hooks import SampledOut
    from rlhf_otel.parts import Parts
    from rlhf_otel.records import Feedback, Handle, Interaction

_SPAN_MODES, _EVENT_MODES = ("SPAN_ONLY", "SPAN_AND_EVENT"), ("EVENT_ONLY", "SPAN_AND_EVENT")


class ProviderTelemetry:
    """Telemetry on providers that are not ours: given ones, or the global ones. Everything is done in place."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        *,
        tracer_provider: Any = None,
        meter_provider: Any = None,
        logger_provider: Any = None,
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.captures_content = config.captures_content
        self.reviews = bool(config.review_before_submit)
        self.capturing = Capturing(config)
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._logger_provider = logger_provider
        self._limit = limits.effective_limit(config.max_attribute_bytes)
        self._general_limit = limits.effective_limit()
        self._tracer_of: tuple[Any, Any] = (None, None)
        self._instruments_of: tuple[Any, Instruments | None] = (None, None)
        self._arms = Arms()

    def may_record(self) -> bool:
        """Not where a person is to look first: these providers wait for nobody."""
        if self.reviews:
            hooks.count("not_reviewable")
            hooks.say("review", "not recording: review_before_submit needs our own provider, without other processors")
        return not self.reviews

    # --- Spans ----------------------------------------------------------------------------------------------------

    def tracer(self) -> Any:
        """The tracer of the provider that holds now."""
        provider = self._tracer_provider or trace.get_tracer_provider()
        if self._tracer_of[0] is not provider:
            self._tracer_of = (provider, provider.get_tracer(semconv.SCOPE, __version__, semconv.SCHEMA_URL))
        return self._tracer_of[1]

    def start_span(self, name: str, kind: trace.SpanKind, attributes: Mapping[str, Any], start_ns: int) -> Any:
        """A new span of that tracer."""
        return self.tracer().start_span(name, kind=kind, attributes=attributes, start_time=start_ns)

    def end_later(self, span: Any, end_ns: int, finalize: Callable[..., Completed], size: int) -> bool:
        """Nothing is put off on a provider that is not ours."""
        return False

    def adopted(self, span: Any, completed: Completed, end_ns: int) -> None:
        """Nothing: there is no other place than the providers that were given."""

    def sampled_out(self, call: SampledOut) -> bool:
        """Counts and measures the call, of which nothing is read, and keeps nothing."""
        hooks.count("sampled_out")
        totals.process.call(call.handle.span_id, call.session, call.duration_s, failed=call.failed)
        if self._instruments() is not None:
            self.measure(*call.figures())
        return False

    def ended(self, handle: Handle, session: str | None, operation: str, *, failed: bool) -> None:
        """Nothing: who sees all calls can count the answers of a session."""

    def limited(self, interaction: Interaction, capture: Parts | None) -> Interaction:
        """What of a call may be recorded, which is all of it where nobody has said anything else."""
        return self.capturing.of_call(interaction, capture)

    def complete(self, interaction: Interaction) -> Completed:
        """The pipeline, in place: a span that has been started cannot be dropped, only its content can."""
        return self._announced(self.pipeline(interaction, deferred=False))

    def _announced(self, completed: Completed) -> Completed:
        interaction, _, dropped = completed
        self._arms.remember(interaction)
        hooks.count("interactions")
        if semconv.SAMPLED_REASON not in interaction.attributes:  # else it was counted and measured when it ended
            totals.process.call(
                interaction.span_id, interaction.session, interaction.duration_s, failed=interaction.status == "error"
            )
        hooks.announce("drop" if dropped else "interaction", interaction)
        if interaction.status == "error":
            hooks.count("errors")
            hooks.announce("error", interaction)
        if hooks.logger.isEnabledFor(logging.DEBUG):
            name, span_id, status = interaction.name, interaction.span_id, interaction.status
            hooks.logger.debug("captured %s %s in %.3f s (%s)", name, span_id, interaction.duration_s, status)
        if self.config.capture in _EVENT_MODES and not dropped and not self.reviews:
            self._emit_details(interaction)
        return completed

    def attributes(self, completed: Completed) -> dict[str, Any]:
        """What the span carries: everything, without the content where that goes to events alone."""
        attributes = codec.interaction_attributes(completed.interaction, completed.encoded)
        for key in codec.CONTENT_ATTRIBUTES & attributes.keys():
            if self.config.capture not in _SPAN_MODES and not self.reviews:
                del attributes[key]
            elif self._limit is not None:
                attributes[key] = limits.fit(attributes[key], self._limit)
        if (general := self._general_limit) is not None:
            return {key: limits.shorten(value, general) for key, value in attributes.items()}
        return attributes

    # --- Metrics --------------------------------------------------------------------------------------------------

    def measure(self, interaction: Interaction, stamps: Sequence[int]) -> None:
        """Records the client histograms, where there is a meter."""
        if semconv.SAMPLED_REASON in interaction.attributes:
            return
        if (instruments := self._instruments()) is not None:
            instruments.measure(interaction, stamps)
            self._measured()

    def _measured(self) -> None:
        """Something was measured."""

    def _instruments(self) -> Instruments | None:
        if not self.config.capture_metrics or self.reviews:
            return None
        provider = self._meter()
        if self._instruments_of[0] is not provider:
            self._instruments_of = (provider, self._make_instruments(provider))
        return self._instruments_of[1]

    def _meter(self) -> Any:
        return self._meter_provider or metrics.get_meter_provider()

    def _make_instruments(self, provider: Any) -> Instruments | None:
        # The API's stand-in records nothing; not asking it saves its cost on each call.
        if provider is None or is_stand_in(provider):
            return None
        meter = provider.get_meter(semconv.SCOPE, __version__, schema_url=semconv.SCHEMA_URL)
        config = self.config
        return Instruments(meter, next_names=config.metric_names == "next", labels=config.feedback_labels)

    # --- Events ---------------------------------------------------------------------------------------------------

    def emit(self, feedback: Feedback, *, told: bool = True) -> str:
        """Emits the feedback event in the context of the rated span; nothing for those who do not take part."""
        if app_context.is_out() or consents.process.are_out(feedback.session, feedback.rater):
            hooks.count("opted_out")
            return ""
        feedback = self._rated(self.pipeline.feedback(self.capturing.of_feedback(feedback)))
        (self._count if forms.is_carried(feedback, self) else self._emit)(feedback)
        hooks.count("feedback")
        totals.process.feedback(feedback)
        hooks.announce("feedback", feedback)
        hooks.logger.debug("feedback %s on %s: %s", feedback.id, feedback.span_id, feedback.kind)
        return self._status(feedback) if told else ""

    def _count(self, feedback: Feedback) -> None:
        """Records the metrics of feedback, where there is a meter."""
        if (instruments := self._instruments()) is not None:
            instruments.count(feedback, *self._arms.of(feedback.span_id))
            self._measured()

    def _emit(self, feedback: Feedback) -> None:
        attributes = forms.event_attributes(feedback, self.config.feedback_as)
        context = target_context(*numbers_of(feedback.trace_id, feedback.span_id))
        self._log(semconv.EVALUATION_EVENT, attributes, context, feedback.time_ns)
        self._count(feedback)

    def _rated(self, feedback: Feedback) -> Feedback:
        return feedback

    def state(self, said: consents.Statement) -> None:
        """Emits what a person has said of all their calls, or of those of a session."""
        self._log(semconv.CONSENT_EVENT, codec.statement_attributes(said), Context(), said.time_ns)

    def _emit_details(self, interaction: Interaction) -> None:
        target = target_context(*numbers_of(interaction.trace_id, interaction.span_id))
        self._log(semconv.DETAILS_EVENT, details(interaction), target, interaction.end_ns)

    def _status(self, feedback: Feedback) -> str:
        return "sent"

    def _log(self, name: str, attributes: dict[str, Any], context: Any, time_ns: int) -> None:
        logger = self._loggers().get_logger(semconv.SCOPE, __version__, schema_url=semconv.SCHEMA_URL)
        logger.emit(
            event_name=name,
            attributes=attributes,
            context=context,
            timestamp=time_ns,
            severity_number=_logs.SeverityNumber.INFO,
        )

    def _loggers(self) -> Any:
        return self._logger_provider or _logs.get_logger_provider()


class Telemetry(ProviderTelemetry):
    """The telemetry of the launcher and of `instrument()`: the application's providers where it has any, else ours."""

    def __init__(
        self, config: Config, pipeline: Pipeline, own: OwnProviders, on_foreign: Callable[[], None] = lambda: None
    ) -> None:
        """`on_foreign` is called when the application's own provider is met for the first time."""
        super().__init__(config, pipeline)
        self.own = own
        own.pipeline, own.capturing, own.counted = pipeline, self.capturing, self._count
        self._on_foreign = on_foreign
        self._counts_answers = samples(config)
        self.hold = hold_of(config, self._bring_back)
        self._detects = config.signals and config.detect_signals
        self._finish = self._finish_deferred  # bound once: one for each call in the queue adds up

    def may_record(self) -> bool:
        """With `review_before_submit` only on our own provider, as long as nobody else listens to it."""
        if self.reviews and not self.is_foreign and self.own.call_spans.are_ours_alone:
            return True
        return super().may_record()

    def start_span(self, name: str, kind: trace.SpanKind, attributes: Mapping[str, Any], start_ns: int) -> Any:
        """A new span: a light one where the provider is ours and nobody else listens to it."""
        if not self.is_foreign and (spans := self.own.call_spans).are_ours_alone:
            return spans.start(name, kind, attributes, start_ns)
        return super().start_span(name, kind, attributes, start_ns)

    def tracer(self) -> Any:
        """That of our provider, unless the application has set a global one."""
        provider = whose.tracer_provider()
        if provider is None:
            provider = self.own.tracer_provider
        if self._tracer_of[0] is not provider:
            if provider is not self.own.made_tracer_provider:
                self.own.join(provider)
                self._on_foreign()
            self._tracer_of = (provider, provider.get_tracer(semconv.SCOPE, __version__, semconv.SCHEMA_URL))
        return self._tracer_of[1]

    @property
    def is_foreign(self) -> bool:
        """Whether spans go to a provider that the application set."""
        provider = whose.tracer_provider()
        return provider is not None and provider is not self.own.made_tracer_provider

    def end_later(self, span: Any, end_ns: int, finalize: Callable[..., Completed], size: int) -> bool:
        """Ends a light span, unless somebody has ended it already, or has begun to listen to our provider."""
        if not self.own.may_defer(span):
            return False
        self.own.end_later(span, end_ns, self._finish, finalize, size)
        return True

    def _finish_deferred(self, span: CallSpan, finalize: Callable[..., Completed]) -> EndedSpan | None:
        """On the export thread: what the ended span is exported as; None for what a processor dropped."""
        return self._exported(
            finalize(attributes=span.added, resource=span.made_by.resource_attributes),
            lambda attributes, status: span.final(attributes, status, discreet.events(span.noted, self.pipeline)),
        )

    def _exported(self, completed: Completed, final: Callable[[dict[str, Any], Any], Any]) -> EndedSpan | None:
        if completed.dropped:
            return None
        interaction = completed.interaction
        failed = interaction.status == "error"
        status = trace.Status(trace.StatusCode.ERROR, interaction.error_message) if failed else None
        return ended(discreet.named(final(self.attributes(completed), status), self.pipeline), interaction)

    def sampled_out(self, call: SampledOut) -> bool:
        """The same, and keeps the call where the provider is ours."""
        super().sampled_out(call)
        self.ended(call.handle, call.session, call.operation, failed=call.failed)
        made_by = getattr(call.span, "made_by", None)
        return made_by is not None and made_by.are_ours_alone and self.hold.add(call)

    def ended(self, handle: Handle, session: str | None, operation: str, *, failed: bool) -> None:
        """Counts the answers of a session where a share of them is stored."""
        if self._counts_answers and session is not None:
            self.hold.turns.note(session, handle, operation, failed=failed)

    def _bring_back(self, call: SampledOut) -> None:
        self.own.intake.put(("call", self._finish_held, call), call.size)

    def _finish_held(self, call: SampledOut) -> EndedSpan | None:
        """On the export thread: what a call is exported as that somebody has rated; None where a processor drops it."""
        span = call.span
        return self._exported(
            call.finalize(attributes=span.added, resource=span.made_by.resource_attributes),
            lambda attributes, status: span.final(attributes, status, call.end_ns),
        )

    def _rated(self, feedback: Feedback) -> Feedback:
        return self.hold.rated(feedback)

    def adopted(self, span: Any, completed: Completed, end_ns: int) -> None:
        """Keeps a copy, by the same ids, of a span that is on neither our provider nor the application's global one.

        Else the embedded store would know nothing of the call, nor what the feedback in it is about.
        """
        self.tracer()  # resolves where spans go now
        active = getattr(self._tracer_of[0], "_active_span_processor", None)
        foreign = self.is_foreign
        if active is None or getattr(span, "_span_processor", active) is active:
            return
        if completed.dropped or (foreign and not self.config.store) or not span.get_span_context().trace_flags.sampled:
            return
        ended = self.own.copied(span, completed.interaction, self.attributes(completed), end_ns, local_only=foreign)
        self.own.intake.put(("call", lambda: ended), size_of(ended.readable))

    def complete(self, interaction: Interaction) -> Completed:
        """The pipeline; on the export thread a processor may drop the whole interaction."""
        completed = self._announced(self.pipeline(interaction, deferred=self.own.intake.is_preparing_aside))
        if self._detects and not completed.dropped:
            self._notice(completed.interaction)
        return completed

    @staticmethod
    def _notice(interaction: Interaction) -> None:
        """Looks for signals; what fails there is no reason to lose the call."""
        try:
            if hooks.notice is not None:
                hooks.notice(interaction)
        except Exception as error:  # noqa: BLE001 - content of any form
            hooks.fault("detecting signals", error)

    def _emit(self, feedback: Feedback) -> None:
        """Past the SDK's logger, where the provider is ours and nobody else listens to it; it is counted later then."""
        events = self.own.events
        if self._loggers() is self.own.logger_provider and (self.reviews or events.are_ours_alone):
            event = Event(events.made(feedback, forms.event_attributes(feedback, self.config.feedback_as)), None)
            self.own.intake.put_event(event, 0 if self.own.intake.keeps else size_of(event), is_feedback=True)
        else:
            super()._emit(feedback)

    def _measured(self) -> None:
        self.own.measured()

    def _meter(self) -> Any:
        provider = whose.meter_provider()
        return self.own.meter_provider if provider is None else provider

    def _loggers(self) -> Any:
        provider = None if self.reviews else whose.logger_provider()
        return self.own.logger_provider if provider is None else provider

    def _status(self, feedback: Feedback) -> str:
        if self.reviews:
            return "waiting"
        if self._loggers() is not self.own.logger_provider:
            return "sent"
        if not self.own.is_local:
            return "spooled" if self.own.intake.keeps else "sent"
        made_here = handles.find(feedback.span_id)
        if made_here is not None and made_here.sampled and not self.own.is_bypassed:
            return "joined"
        if feedback.span_id:
            return "joined" if self.find(span_id=feedback.span_id) else "pending"
        ids = {"response_id": feedback.response_id, "message_id": feedback.message_id, "session": feedback.session}
        return "joined" if self.find(turn=feedback.turn, **ids) else "pending"

    def find(self, *, turn: int | None = None, **ids: str | None) -> Any:
        """The handle of a stored interaction that goes by one of these ids; None without a store."""
        store = self.own.store_sink
        return store.find(turn=turn, **ids) if store is not None and any(ids.values()) else None
