"""One span per call: whose, when somebody else traces the same call.

anthropic from version 2 on traces by itself. For a client whose user did not ask for that, it is switched off for the
calls that we record. For a client that was built with `open_telemetry=`, its span is the one that is kept: ours is
never started, and our attributes go onto the SDK's. Spans that other instrumentations hold for the call are adopted
alike.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind

from rlhf_otel import handles, hooks, semconv
from rlhf_otel.instrumentation import detached, runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.trace import Span

    from rlhf_otel.instrumentation.call import Call

_CHOSEN = "_rlhf_otel_traces_itself"
"""Kept on a client, which need not have a hash, or not yet."""
_taken: weakref.WeakSet[Any] = weakref.WeakSet()
_KINDS = (SpanKind.CLIENT, SpanKind.INTERNAL)
"""By the GenAI conventions, and by OpenInference; a gateway's server span is no call that it makes."""
_CHAT_WORDS = {"chat": ("chat", "generate_content"), "text_completion": ("text_completion", "completion")}
_DATADOG = ("openai.request", "anthropic.request")
"""What ddtrace calls its own spans, where OpenTelemetry's are made by ddtrace too."""
_MODEL_NAMES = (semconv.REQUEST_MODEL, "llm.model_name", "langfuse.observation.model.name")


class _Inherited(dict[str, Any]):
    """The option of a client that nobody chose, on its way to a copy of it."""


def remember_choice(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the method by which a client of anthropic gets its `open_telemetry` option."""

    @functools.wraps(original)
    def set_option(client: Any, option: Any) -> Any:
        vars(client)[_CHOSEN] = not (option is None or isinstance(option, _Inherited))
        return original(client, option)

    return set_option


def inherit_choice(original: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the method by which a copy of a client gets that client's option."""

    @functools.wraps(original)
    def copy_option(client: Any, option: Any) -> Any:
        copied = original(client, option)
        return _Inherited(copied) if option is None and not vars(client).get(_CHOSEN) else copied

    return copy_option


def is_chosen(client: Any) -> bool:
    """Whether the user of `client` asked the SDK to trace; of one older than our patch, what it was asked shows."""
    return bool(vars(client).get(_CHOSEN)) or "tracer_provider" in getattr(client, "_open_telemetry", ())


def sdk_will_trace(client: Any) -> bool:
    """Whether the SDK starts a span of its own for the next call of `client`, for us to adopt."""
    return is_chosen(client) and client._tracer is not None


class AdoptingTracer:
    """The SDK's tracer, which tells a call of the span that it starts."""

    def __init__(self, tracer: Any, call: Call) -> None:
        self._tracer = tracer
        self._call = call

    def start_span(self, *args: Any, **kwargs: Any) -> Span:
        """Starts the SDK's span and has the call adopt it; where it records nothing, the call starts its own."""
        span: Span = self._tracer.start_span(*args, **kwargs)
        try:
            self._call.start(span if span.is_recording() else None)
            handles.begin(self._call.handle)
        except Exception as error:  # noqa: BLE001 - the SDK traces on, whatever befalls us
            hooks.fault("adopting the span of the SDK", error)
        return span


def outer_span(operation: str, package: str, model: str | None) -> Span | None:
    """The span that another instrumentation has started for the very call that is about to be made, if there is one.

    It is still open, of a kind that calls to models have, says that it is a model call of this operation, and has not
    been adopted by an earlier call (then this is another call beneath it). It is that of LangChain's run of a model, or
    the current one, or the only one that was started beside it.
    """
    span: Any = trace.get_current_span()
    run = runs.open_span()
    if run is not None and run not in _taken:
        span = run
    elif not _is_about(span, operation):
        beside = [span for span in detached.open_spans(package) if _is_about(span, operation, model)]
        if len(beside) != 1:
            return None  # of several nobody can tell which; theirs and ours are better than a wrong one
        span = beside[0]
    _take(span)
    return span  # type: ignore[no-any-return]


def _take(span: Any) -> None:
    if (datadogs := getattr(span, "_ddspan", None)) is not None:
        datadogs._set_ctx_item(semconv.SCOPE, True)  # what OpenTelemetry sees of it is made anew each time
    else:
        _taken.add(span)


def is_held(operation: str) -> bool:
    """Whether the current span is this very call's, so that its owner may have suppressed all others but it."""
    run = runs.open_span()
    return (run is not None and run not in _taken) or _is_about(trace.get_current_span(), operation)


def _is_about(span: Any, operation: str, model: str | None = None) -> bool:
    if (datadogs := getattr(span, "_ddspan", None)) is not None:
        return datadogs.name in _DATADOG and span.is_recording() and not datadogs._get_ctx_item(semconv.SCOPE)
    attributes = getattr(span, "attributes", None)
    if not attributes or getattr(span, "kind", None) not in _KINDS or not span.is_recording() or span in _taken:
        return False
    if not _is_model_call(attributes, operation):
        return False
    scope = getattr(span, "instrumentation_scope", None)
    if scope is not None and scope.name == semconv.SCOPE:
        return False
    named = {attributes[key] for key in _MODEL_NAMES if key in attributes}
    return model is None or not named or model in named


def _is_model_call(attributes: Any, operation: str) -> bool:
    """By the GenAI conventions, or OpenInference's, Langfuse's or OpenLLMetry's words."""
    if (named := attributes.get(semconv.OPERATION_NAME)) is not None:
        if attributes.get("rpc.system") == "aws-api":
            return True  # botocore's of this very request, whatever it takes the model for
        return named in _CHAT_WORDS.get(operation, (operation,))
    if (kind := attributes.get("openinference.span.kind")) is not None:
        return bool(kind == ("EMBEDDING" if operation == "embeddings" else "LLM"))
    if (kind := attributes.get("langfuse.observation.type")) is not None:
        return bool(kind == ("embedding" if operation == "embeddings" else "generation"))
    return attributes.get("llm.request.type") in _CHAT_WORDS.get(operation, (operation, "embedding"))
