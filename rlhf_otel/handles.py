"""Finds the handle of a call from whatever the application holds: the response, the stream, an id.

The table is bounded and in memory. What has left it, or was never in this process, is found in the store.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal

from rlhf_otel import hooks
from rlhf_otel.records import Handle

CAPACITY = 20_000
"""How many calls are remembered by id; about 0.5 KB each."""

Kind = Literal["span", "response", "message"]
"""Whose words an id is in: ours, the provider's or the application's. None of them can shadow another."""

_last: ContextVar[Handle | None] = ContextVar("rlhf_otel_last", default=None)
_current: ContextVar[Handle | None] = ContextVar("rlhf_otel_current", default=None)
_watchers: ContextVar[list[Handle] | None] = ContextVar("rlhf_otel_watchers", default=None)
_by_object: dict[int, tuple[weakref.ref[Any], Handle]] = {}
_by_id: OrderedDict[tuple[Kind, str], Handle] = OrderedDict()
_lock = threading.RLock()  # a finalizer may run inside it, on the same thread


def remember(handle: Handle, *message_ids: str | None) -> None:
    """Makes `handle` findable by its span id, its response id and `message_ids`; the newest call wins an id."""
    with _lock:
        _put(("span", handle.span_id), handle)
        if handle.response_id:
            _put(("response", handle.response_id), handle)
        for message in message_ids:
            if message:
                _put(("message", message), handle)
        while len(_by_id) > CAPACITY:
            _by_id.popitem(last=False)


def _put(key: tuple[Kind, str], handle: Handle) -> None:
    if key in _by_id:
        _by_id.move_to_end(key)
    _by_id[key] = handle


def attach(handle: Handle, result: object) -> None:
    """Makes `handle` findable from `result` for as long as `result` lives, without touching it."""
    key = id(result)
    try:
        _by_object[key] = (weakref.ref(result, lambda _: _by_object.pop(key, None)), handle)
    except TypeError:
        return  # an object that cannot be referred to weakly is found by its response id


def find(key: str, kind: Kind = "span") -> Handle | None:
    """The handle that goes by this id in this process."""
    return _by_id.get((kind, key))


def handle(result: object) -> Handle | None:
    """The handle of the call that made `result`: a response, a stream, a chunk, a raw response or a parsed one.

    Returns:
        The handle, or None for an object that no recorded call returned.
    """
    if isinstance(result, Handle):
        return result
    # The helpers around a stream hold its HTTP response, and what other instrumentations put around it holds it.
    inner = _seen(result, "__wrapped__")
    for owner in (result, inner, _seen(result, "response"), _seen(result, "_response"), _seen(inner, "__wrapped__")):
        entry = _by_object.get(id(owner))
        if entry is not None and entry[0]() is owner:
            return _as_known_now(entry[1])
    response_id = _seen(result, "id")
    return find(response_id, "response") if isinstance(response_id, str) else None


def _seen(result: object, name: str) -> Any:
    """An attribute of an object that may be anything, and may raise when it is looked at."""
    try:
        return getattr(result, name, None)
    except Exception:  # noqa: BLE001 - whatever a foreign property raises
        return None


def last() -> Handle | None:
    """The handle of the newest call that was begun in this thread or task; None before the first."""
    newest = _last.get()
    return None if newest is None else _as_known_now(newest)


def _as_known_now(handle: Handle) -> Handle:
    """A handle is made when its call begins; the response's id becomes known later."""
    return find(handle.span_id) or handle


def current() -> Handle | None:
    """The handle of the call under way in this thread or task, as seen from inside it (a transport, a middleware)."""
    return _current.get()


def made(handle: Handle | None) -> None:
    """Makes `handle` the newest one here."""
    _last.set(handle)
    seen = _watchers.get()
    if seen is not None and handle is not None:
        seen.append(handle)


@contextlib.contextmanager
def watching() -> Iterator[list[Handle]]:
    """The calls that are begun from here on, also in tasks and threads that are given this context, as they begin."""
    seen: list[Handle] = []
    token = _watchers.set(seen)
    try:
        yield seen
    finally:
        _watchers.reset(token)


def begin(handle: Handle | None) -> Any:
    """Marks `handle` as under way here; returns what `leave` takes."""
    if handle is not None:
        made(handle)
    return _current.set(handle)


def leave(token: Any) -> None:
    """Ends what `begin` marked."""
    _current.reset(token)


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


hooks.after_fork(_renew_lock)


def forget() -> None:
    """Empties the table."""
    with _lock:
        _by_id.clear()
        _by_object.clear()
