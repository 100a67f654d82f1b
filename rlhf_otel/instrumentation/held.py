"""A span of another instrumentation that stands for a call of ours: kept open until our attributes are on it."""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Mapping
from copy import copy
from typing import Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import collected

_USAGE_APART = "logfire"
"""How the scopes begin of whoever reports the tokens of a stream on a second span, so that the first must not."""
_USAGE = {
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_OUTPUT_TOKENS,
    semconv.USAGE_CACHE_READ_INPUT_TOKENS,
    semconv.USAGE_CACHE_WRITE_INPUT_TOKENS,
    semconv.USAGE_REASONING_OUTPUT_TOKENS,
}


class HeldSpan:
    """Their span, whose owner may end it long before the call ends, at the same time, later, or never."""

    def __init__(self, span: Any, *, stream: bool) -> None:
        self._span = span
        self._stream = stream
        self._asked: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        with contextlib.suppress(AttributeError):
            span.end = self._hold

    def _hold(self, *args: Any, **kwargs: Any) -> None:
        # Time stamps are taken now, so that the span is not longer than its owner says.
        self._asked = self._asked or ((args, kwargs) if args or kwargs else ((time.time_ns(),), {}))

    def add(self, attributes: Mapping[str, Any]) -> None:
        """Puts on the span what its owner has not said already, here or elsewhere."""
        said = {*(getattr(self._span, "attributes", None) or ()), *(_USAGE if self._reports_usage_apart() else ())}
        self._span.set_attributes({key: value for key, value in attributes.items() if key not in said})

    def _reports_usage_apart(self) -> bool:
        scope = getattr(self._span, "instrumentation_scope", None)
        return self._stream and scope is not None and str(scope.name).startswith(_USAGE_APART)

    def release(self) -> None:
        """Gives the span's own `end` back, and calls it where its owner already did."""
        with contextlib.suppress(AttributeError):
            del self._span.end
        if self._asked is not None:
            args, kwargs = self._asked
            self._span.end(*args, **kwargs)
        elif self._stream:
            _end_when_dropped(_recorded(self._span))


def _recorded(span: Any) -> Any:
    """The span of OpenTelemetry's SDK inside what an instrumentation has wrapped around it."""
    while (inner := getattr(span, "__wrapped__", None) or span.__dict__.get("span")) is not None:
        span = inner
    return span


def _end_when_dropped(span: Any) -> None:
    """Some owners forget the span of a stream that is closed early. With the last reference to it, it would be lost.

    So a twin that shares all its data is kept, and ended in its place when the span is gone and nobody has ended it.
    """
    if not hasattr(span, "_span_processor"):
        return  # no span of the SDK: it is its owner's to end
    with contextlib.suppress(AttributeError, TypeError):
        ending = weakref.finalize(span, _end, copy(span), time.time_ns(), os.getpid())
        span.end = _OwnEnd(span, ending)


class _OwnEnd:
    """The owner has not forgotten the span after all."""

    def __init__(self, span: Any, ending: weakref.finalize[Any, Any]) -> None:
        self._span = weakref.ref(span)
        self._ending = ending

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self._ending.detach()
        if (span := self._span()) is not None:
            del span.end
            span.end(*args, **kwargs)


def _end(twin: Any, end_ns: int, process: int) -> None:
    if os.getpid() != process:
        return  # a fork has a copy of what is its parent's to end
    if collected.is_under_way():
        collected.put(lambda: twin.end(end_ns))
    else:
        twin.end(end_ns)
