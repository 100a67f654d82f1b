"""Ends calls that the garbage collector comes upon, at a moment when that can do no harm.

Python collects in the middle of anything, also of code that holds the locks which ending a span needs. So what is found
during a collection is ended right after it, if nothing on the stack looks as if it held one, and on a thread of our own
otherwise. What dies by its last reference is no matter of this: that is the application's own doing, where it does it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from rlhf_otel import hooks

_HOLD_LOCKS = ("opentelemetry", "rlhf_otel", "logging", "threading", "queue", "concurrent", "grpc", "contextvars")

_collector = 0  # the thread that is collecting now
_found: list[Callable[[], None]] = []
_late: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
_watching = False


def watch() -> None:
    """Has collections noticed from now on; to be called before there is anything to collect."""
    global _watching, _late
    if not _watching:
        _watching = True
        _late = queue.SimpleQueue()  # of gevent's kind, where that has replaced threads meanwhile
        gc.callbacks.append(_collecting)
        with contextlib.suppress(RuntimeError):  # no thread to be had: what would be its to end is left to `end_all`
            threading.Thread(target=_end_late, name="rlhf-otel-collected", daemon=True).start()


def is_under_way() -> bool:
    """Whether this line runs because the garbage collector is at work on this thread."""
    return _collector == threading.get_ident()


def put(end: Callable[[], None]) -> None:
    """Keeps `end` until the collection is over."""
    _found.append(end)


def end_all() -> None:
    """Ends what is kept, here and now."""
    while _found:
        _run(_found.pop(0))
    with contextlib.suppress(queue.Empty):  # the thread takes from it, too
        while True:
            _run(_late.get_nowait())


def _collecting(phase: str, info: dict[str, Any]) -> None:
    global _collector
    if phase == "start":
        _collector = threading.get_ident()
        return
    _collector = 0
    found, _found[:] = _found[:], []
    if found and _may_hold_locks(sys._getframe(1)):
        for end in found:
            _late.put(end)
    else:
        for end in found:
            _run(end)


def _may_hold_locks(frame: FrameType | None) -> bool:
    while frame is not None:
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _HOLD_LOCKS:
            return True
        frame = frame.f_back
    return False


def _end_late() -> None:
    while True:
        _run(_late.get())


def _run(end: Callable[[], None]) -> None:
    """What one of them raises (a processor of the application's, say) is not to keep the others open."""
    try:
        end()
    except Exception as error:  # noqa: BLE001 - there is nobody here to get it
        hooks.logger.debug("ending what was collected", exc_info=error)


def _begin_anew() -> None:
    """A fork has no thread, and what its parent has found is its parent's."""
    global _watching, _collector
    _found.clear()
    _collector = 0
    if _watching:
        gc.callbacks.remove(_collecting)
        _watching = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
