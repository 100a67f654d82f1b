"""Spans of other instrumentations that are about a call and are not the current one while it is made.

Some start a span just before the request and keep it to themselves: to be adopted like any other, it is remembered here
until the request comes. One starts it when the call is over, with the time at which it began: by then the call has a
span, and theirs is not made. For that the SDK's `Tracer.start_span` is watched, from when one of these is imported.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry import trace

from rlhf_otel import handles

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_SDK = "opentelemetry.sdk.trace"
_BEFORE = {
    "langfuse-sdk": "openai",
    "opentelemetry.instrumentation.anthropic": "anthropic",
    "openinference.instrumentation.anthropic": "anthropic",
}
"""Scopes of spans that are started before the request, each with the client library whose calls they are about."""
_AFTER = ("opentelemetry.instrumentation.openai.v1", "openai.response")
"""Scope and name of spans that are started after the call, or after its stream has been opened."""
_MODULES = ("langfuse.openai", "opentelemetry.instrumentation.anthropic", "openinference.instrumentation.anthropic",
            "opentelemetry.instrumentation.openai")  # fmt: skip
"""What starts such spans, once it is imported."""

_started: ContextVar[tuple[weakref.ref[Any], ...]] = ContextVar("rlhf_otel_started", default=())
_original: Callable[..., Any] | None = None
"""The SDK's own method, while it is watched."""
_wanted = _hooked = False


def watch() -> None:
    """Watches the SDK's tracers as soon as there is reason to. Idempotent, and nothing is imported for it."""
    global _wanted, _hooked
    _wanted = True
    if any(module in sys.modules for module in _MODULES):
        _watch_sdk()
    elif not _hooked:
        _hooked = True
        for module in _MODULES:
            wrapt.register_post_import_hook(_watch_sdk, module)


def unwatch() -> None:
    """Gives the tracers their own method back."""
    global _original, _wanted
    _wanted = False
    if _original is not None:
        tracer = sys.modules[_SDK].Tracer
        if getattr(tracer.start_span, "__wrapped__", None) is _original:  # else somebody has wrapped ours since
            tracer.start_span, _original = _original, None


def _watch_sdk(_: object = None) -> None:
    if _SDK in sys.modules:
        _wrap(sys.modules[_SDK])
    else:
        wrapt.register_post_import_hook(_wrap, _SDK)


def _wrap(sdk: Any) -> None:
    global _original
    if _wanted and _original is None:
        _original = sdk.Tracer.start_span
        sdk.Tracer.start_span = _start_span(_original)


def _start_span(original: Callable[..., Span]) -> Callable[..., Span]:
    @functools.wraps(original)
    def start_span(tracer: Any, name: str, *args: Any, **kwargs: Any) -> Span:
        if name == _AFTER[1] and (known := _recorded_since(tracer, kwargs.get("start_time"))) is not None:
            return trace.NonRecordingSpan(known)
        span = original(tracer, name, *args, **kwargs)
        if _scope(span) in _BEFORE:
            _started.set((*(kept for kept in _started.get() if _is_open(kept)), weakref.ref(span)))
        return span

    return start_span


def _scope(maker: Any) -> str:
    """The scope of a span, or of a tracer, where not every version of the SDK has it by the same name."""
    scope = getattr(maker, "instrumentation_scope", None) or getattr(maker, "_instrumentation_scope", None)
    return str(getattr(scope, "name", ""))


def _is_open(kept: weakref.ref[Any]) -> bool:
    span = kept()
    return span is not None and span.is_recording()


def _recorded_since(tracer: Any, start_ns: int | None) -> trace.SpanContext | None:
    """The span of the newest call here, if that began after this time: it is the call that they tell of."""
    last = handles.last()
    if start_ns is None or last is None or last.start_ns < start_ns or _scope(tracer) != _AFTER[0]:
        return None
    return trace.SpanContext(int(last.trace_id, 16), int(last.span_id, 16), is_remote=False)


def open_spans(package: str) -> Sequence[Any]:
    """The spans about calls of this client library that were started here and are still open."""
    if _original is None or not (started := _started.get()):
        return ()
    spans = [span for kept in started if (span := kept()) is not None and span.is_recording()]
    return [span for span in spans if _BEFORE[_scope(span)] == package]
