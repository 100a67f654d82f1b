"""What has to be seen to where the application forks: providers that start no thread in the children, and imports.

Providers of newer SDKs do: to tell a child by an id of its own they run resource detectors in a thread pool, right
after the fork. Under gevent that lets greenlets of the parent go on in the child, and even in one that is about to
become another program.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

_LONGEST_S = 2.0
"""A fork waits no longer than that; an import that takes longer may itself wait for whoever forks."""
_gate = threading.Condition(threading.RLock())  # for a moment only, and by whoever forks
_inside: list[int] = []
_held = threading.local()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """While a thread is inside, forks wait: a module that is half imported then stays so in the child, and whoever
    imports it there, the application too, waits for ever; and a file that is being opened is known to be open.

    Threads do not wait for each other: the application's code may run inside, and take as long as it likes.
    """
    thread = threading.get_ident()
    with _gate:
        _inside.append(thread)
    try:
        yield
    finally:
        with _gate, contextlib.suppress(ValueError):  # it has forked inside, and this is the child
            _inside.remove(thread)
            _gate.notify_all()


def _before() -> None:
    thread = threading.get_ident()
    _held.is_so = _gate.acquire(timeout=_LONGEST_S)
    if _held.is_so:
        _gate.wait_for(lambda: all(each == thread for each in _inside), _LONGEST_S)


def _in_parent() -> None:
    if getattr(_held, "is_so", False):
        _gate.release()


def _in_child() -> None:
    global _gate
    _gate = threading.Condition(threading.RLock())
    _inside.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


@functools.cache
def threadless(provider: type[Any]) -> type[Any]:
    """A class that differs from this one of the SDK's in what it does after a fork, and in nothing else."""
    return type(provider.__name__, (_Threadless, provider), {"__module__": provider.__module__})


class _Threadless:
    def _handle_fork(self) -> None:
        with _detecting_in_place():
            super()._handle_fork()  # type: ignore[misc]


@contextlib.contextmanager
def _detecting_in_place() -> Iterator[None]:
    """Nobody else is there to notice the replacement: a child has one thread at first."""
    from opentelemetry.sdk import resources

    original = resources.get_aggregated_resources
    resources.get_aggregated_resources = _detected
    try:
        yield
    finally:
        resources.get_aggregated_resources = original


def _detected(detectors: Sequence[Any], initial_resource: Any = None, timeout: int = 5) -> Any:
    merged = initial_resource
    for detector in detectors:
        with contextlib.suppress(Exception):  # an attribute is missing then, as with the SDK
            merged = merged.merge(detector.detect())
    return merged
