"""The spans of calls on a provider of ours: the SDK's spans, without the half of them that is rarely used.

A span of the SDK brings a lock, a checked copy of its attributes, lists for events and links and a copy of itself for
its processors. Of a call whose attributes are made on the export thread, nobody needs these, and they are most of what
a span costs. So they are made when somebody asks for one of them: an event hook of the application that sets an
attribute on the current span, say. From then on the span is as any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, TracerProvider, _Span
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from rlhf_otel import __version__, codec, semconv

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

_SAMPLED = int(TraceFlags.SAMPLED)
_RANDOM = int(getattr(TraceFlags, "RANDOM_TRACE_ID", 0))  # newer than the oldest OpenTelemetry that we support
_FLAGS = {flags: TraceFlags(flags) for flags in (0, _SAMPLED, _RANDOM, _SAMPLED | _RANDOM)}
_UNSET = Status(StatusCode.UNSET)


class CallSpan(Span):
    """A span of the SDK in every way; what it does not have yet is made when it is first looked at."""

    may_wait = True
    """Nearly always what there is to say of it is only asked for on the export thread."""

    def __init__(
        self,
        spans: CallSpans,
        name: str,
        context: SpanContext,
        *,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        start_ns: int,
    ) -> None:
        self.made_by = spans
        self._name = name
        self._context = context
        self._parent = parent
        self._kind = kind
        self._given = attributes
        self._start_time = start_ns
        self._end_time: int | None = None

    def __getattr__(self, name: str) -> Any:
        """Makes the rest of the span; whichever of several threads comes first makes it for all."""
        if name.startswith("__"):  # a protocol asks, maybe of a copy that has nothing yet
            raise AttributeError(name)
        kept = self.__dict__
        rest = kept.get("_rest")
        if rest is None:
            rest = kept.setdefault("_rest", self.made_by.rest_of(self._name, self.get_span_context(), self._given))
        if name not in vars(rest):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        for key, value in vars(rest).items():
            kept.setdefault(key, value)
        return kept[name]

    def end_later(self, end_ns: int) -> None:
        """Ends the span for the application; its processors are not told, as `final` is what they get."""
        self._end_time = end_ns

    @property
    def added(self) -> dict[str, Any]:
        """How it was sampled, and the attributes that somebody else has set, but for those that we know better."""
        if not self._is_touched:
            return self.made_by.sampling
        ours = self._given.keys() | codec.RECORD_ATTRIBUTES
        others = {key: value for key, value in dict(self._attributes or {}).items() if key not in ours}
        return {**others, **self.made_by.sampling}

    @property
    def noted(self) -> Sequence[Any]:
        """The events that somebody else has put on the span."""
        return self._events if self._is_touched else ()

    def final(self, attributes: dict[str, Any], status: Status | None, events: Sequence[Any] = ()) -> ReadableSpan:
        """What is exported: `attributes` and `events`, and the links that somebody else has put on the span."""
        touched = self._is_touched
        return ReadableSpan(
            self._name, self._context, self._parent, self.made_by.resource, attributes,
            events, self._links if touched else (), kind=self._kind,
            status=status or (self._status if touched else _UNSET), start_time=self._start_time,
            end_time=self._end_time, instrumentation_scope=self.made_by.scope,
        )  # fmt: skip

    @property
    def _is_touched(self) -> bool:
        """Whether somebody has asked for the rest of the span."""
        return "_rest" in vars(self)


class SampledOutSpan(NonRecordingSpan):
    """A span that records nothing, as it was sampled out; it is sampled after all where somebody rates its call."""

    def __init__(
        self, spans: CallSpans, name: str, context: SpanContext, *,
        parent: SpanContext | None, kind: SpanKind, start_ns: int,
    ) -> None:  # fmt: skip
        super().__init__(context)
        self.made_by = spans
        self.parent = parent
        self._name, self._kind, self._start_ns = name, kind, start_ns

    @property
    def added(self) -> dict[str, Any]:
        """How it was sampled: by feedback."""
        return {**self.made_by.sampling, semconv.SAMPLED_REASON: "feedback"}

    def final(self, attributes: dict[str, Any], status: Status | None, end_ns: int) -> ReadableSpan:
        """What is exported. Its parent may be nowhere, as that was sampled out with it."""
        context = self.get_span_context()
        flags = _FLAGS[context.trace_flags & _RANDOM | _SAMPLED]
        return ReadableSpan(
            self._name, SpanContext(context.trace_id, context.span_id, False, flags, context.trace_state), self.parent,
            self.made_by.resource, attributes, kind=self._kind, status=status or _UNSET, start_time=self._start_ns,
            end_time=end_ns, instrumentation_scope=self.made_by.scope,
        )  # fmt: skip


def rate_of(sampler: Any) -> float | None:
    """The share of traces that `sampler` keeps; None where it does not say, as one that goes by something else."""
    rate = getattr(getattr(sampler, "_root", sampler), "rate", None)
    return rate if isinstance(rate, float) else None


def keeps_nothing(sampler: Any) -> bool:
    """Whether no trace is to begin here at all, which is no matter of chance."""
    return bool(getattr(sampler, "_root", sampler).get_description() == "AlwaysOffSampler")


class CallSpans:
    """Starts spans as the tracer of `provider` does: same ids, same sampling, same parents."""

    def __init__(self, provider: TracerProvider, hold_s: float | None = None) -> None:
        """With `hold_s`, calls that are sampled out are kept for so long in case somebody rates them."""
        rate = rate_of(provider.sampler)
        self._holds = hold_s is not None and not keeps_nothing(provider.sampler)
        self.sampling: dict[str, Any] = {}
        if rate is not None and rate < 1:
            kept = {semconv.SAMPLED_HOLD: hold_s} if self._holds else {}
            self.sampling = {semconv.SAMPLED_RATE: rate, **kept}
        tracer: Any = provider.get_tracer(semconv.SCOPE, __version__, semconv.SCHEMA_URL)
        self.scope = tracer._instrumentation_scope
        self._provider = provider
        self._resource_attributes: tuple[Resource | None, dict[str, Any]] = (None, {})
        self._ids = provider.id_generator
        is_random = getattr(self._ids, "is_trace_id_random", bool)()
        self._root_flags = _RANDOM if is_random else 0

    def start(self, name: str, kind: SpanKind, attributes: Mapping[str, Any], start_ns: int) -> trace.Span:
        """A new span beneath the current one; one that records nothing where the sampler says so."""
        parent: SpanContext | None = trace.get_current_span().get_span_context()
        if parent is not None and parent.is_valid:
            trace_id, flags = parent.trace_id, parent.trace_flags & _RANDOM
        else:
            parent, trace_id, flags = None, self._ids.generate_trace_id(), self._root_flags
        sampled: Any = self._provider.sampler.should_sample(None, trace_id, name, kind, attributes, ())
        if sampled.decision.is_sampled():
            flags |= _SAMPLED
        context = SpanContext(trace_id, self._ids.generate_span_id(), False, _FLAGS[flags], sampled.trace_state)
        if not flags & _SAMPLED and self._holds:
            return SampledOutSpan(self, name, context, parent=parent, kind=kind, start_ns=start_ns)
        if not sampled.decision.is_recording():
            return NonRecordingSpan(context)
        return CallSpan(self, name, context, parent=parent, kind=kind, attributes=sampled.attributes, start_ns=start_ns)

    @property
    def resource(self) -> Resource:
        """That of the provider, which has another in the child of a fork."""
        return self._provider.resource

    @property
    def resource_attributes(self) -> dict[str, Any]:
        """Its attributes, as a plain dictionary."""
        if self._resource_attributes[0] is not self.resource:
            self._resource_attributes = (self.resource, dict(self.resource.attributes))
        return self._resource_attributes[1]

    @property
    def are_ours_alone(self) -> bool:
        """Whether nobody but us listens to the provider."""
        return len(self._provider._active_span_processor._span_processors) == 1

    def rest_of(self, name: str, context: SpanContext, attributes: Mapping[str, Any]) -> Span:
        """What a span of the SDK has besides."""
        provider = self._provider
        return _Span(
            name, context, resource=self.resource, attributes=attributes, sampler=provider.sampler,
            span_processor=provider._active_span_processor, limits=provider._span_limits,
            instrumentation_scope=self.scope,
        )  # fmt: skip
