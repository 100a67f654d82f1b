"""Observes streams that are iterators themselves: objects of a library's own class, with `__next__` or `__anext__`.

The steps are replaced on the class, once; the object that the application holds stays what it is, and holds the call,
but for while it takes a step: what it does to itself meanwhile (closing, too) is part of that step.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call

_CALL, _STEP = "_rlhf_otel_call", "_rlhf_otel_step"
_clock = time.perf_counter_ns


def follow(call: Call, stream: Any) -> bool:
    """Whether the steps of `stream` are observed from now on: its class is one whose steps are replaced."""
    steps = (getattr(type(stream), name, None) for name in ALL)
    if not any(_STEP in getattr(step, "__dict__", ()) for step in steps):
        return False
    vars(stream)[_CALL] = call
    return True


def _next(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def step(stream: Any) -> Any:
        call = vars(stream).pop(_CALL, None)
        if call is None:
            return original(stream)
        try:
            chunk = original(stream)
        except StopIteration:
            _exhausted(call, stream)
            raise
        except BaseException as error:
            call.fail(error)
            raise
        _note(call, stream, chunk)
        return chunk

    return step


def _anext(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def step(stream: Any) -> Any:
        call = vars(stream).pop(_CALL, None)
        if call is None:
            return await original(stream)
        try:
            chunk = await original(stream)
        except StopAsyncIteration:
            _exhausted(call, stream)
            raise
        except BaseException as error:
            call.fail(error)
            raise
        _note(call, stream, chunk)
        return chunk

    return step


def _close(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def close(stream: Any) -> Any:
        if (call := vars(stream).get(_CALL)) is not None:
            call.finish("abandoned")
        return original(stream)  # a coroutine where the library's is one

    return close


def _aclose(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def close(stream: Any) -> Any:
        if (call := vars(stream).get(_CALL)) is not None:
            call.finish("abandoned")
        return await original(stream)

    return close


def _note(call: Call, stream: Any, chunk: Any) -> None:
    try:
        call.stamps.append(_clock())
        call.read(call.endpoint.chunk, call.state, chunk)
    except Exception as error:  # noqa: BLE001 - the application gets its chunk whatever we make of it
        hooks.fault("reading a chunk", error)
    vars(stream)[_CALL] = call


def _exhausted(call: Call, stream: Any) -> None:
    try:
        if (exhausted := getattr(call.endpoint, "exhausted", None)) is not None:
            call.read(exhausted, stream)
    except Exception as error:  # noqa: BLE001 - the stream has ended whatever we make of it
        hooks.fault("reading the end of a stream", error)
    call.finish()


def _marked(make: Callable[[Any], Any], original: Any) -> Any:
    step: Any = functools.wraps(original)(make(original))
    step.__dict__[_STEP] = True
    return step


ALL: dict[str, Callable[[Any], Any]] = {
    "__next__": functools.partial(_marked, _next),
    "__anext__": functools.partial(_marked, _anext),
    "close": functools.partial(_marked, _close),
    "aclose": functools.partial(_marked, _aclose),
}
"""Method -> what makes that which stands in its place."""
