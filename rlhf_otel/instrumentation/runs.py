"""Spans that other instrumentations hold for LangChain's run of a model, beneath which a call is made.

They come out of callbacks, which may run in another context, and so are not the current span; nor do they say before
their end what they are about. But whoever makes the request was handed the run's manager, and stands on the stack: the
manager knows the callbacks, and they their span by the run's id.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from opentelemetry.trace import Span

_INSTRUMENTATIONS = ("openinference.instrumentation.langchain", "opentelemetry.instrumentation.langchain")
_MANAGERS = ("CallbackManagerForLLMRun", "AsyncCallbackManagerForLLMRun")
_DEPTH = 100
"""So many frames are looked at: LangChain, the client library and its HTTP client have some thirty."""


def open_span() -> Span | None:
    """The span of the run that the current request is made for, if one of these instrumentations is active."""
    if sys.modules.keys().isdisjoint(_INSTRUMENTATIONS):
        return None
    manager = _manager(sys._getframe(1))
    for handler in getattr(manager, "handlers", ()):
        find = getattr(handler, "get_span", None) or getattr(handler, "_get_span", None)
        try:
            span: Any = find(manager.run_id) if find is not None else None
        except KeyError:
            continue  # a run that this one was not told of
        if span is not None and span.is_recording():
            return span  # type: ignore[no-any-return]
    return None


def _manager(frame: FrameType | None) -> Any:
    """The manager of the innermost run on the stack; None where that is not the run of a model."""
    for _ in range(_DEPTH):
        if frame is None:
            return None
        if "run_manager" in frame.f_code.co_varnames:
            manager = frame.f_locals.get("run_manager")
            if manager is not None:
                return manager if type(manager).__name__ in _MANAGERS else None
        frame = frame.f_back
    return None
