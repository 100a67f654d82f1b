"""Providers that start no thread in the children of a fork.

Those of newer SDKs do: to tell a child by an id of its own they run resource detectors in a thread pool, right
after the fork. Under gevent that lets greenlets of the parent go on in the child, and even in one that is about to
become another program.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any


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
