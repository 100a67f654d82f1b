"""Ids and times that are the same in every run."""

from __future__ import annotations

import itertools
import threading

from opentelemetry.sdk.trace.id_generator import IdGenerator


class FixedIds(IdGenerator):
    """Numbers traces and spans `start`, `start + 1`, ..., each with its own count: pass it to a `TracerProvider`.

    Raises:
        ValueError: `start` is below 1; OpenTelemetry reads the id 0 as none at all.
    """

    def __init__(self, start: int = 1) -> None:
        if start < 1:
            raise ValueError("ids begin at 1: OpenTelemetry takes 0 for an invalid id")
        self._trace_ids = itertools.count(start)
        self._span_ids = itertools.count(start)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._trace_ids)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._span_ids)


class FixedClock:
    """A clock that moves only when it is read, by `step_ns`, or when it is told to.

    Args:
        start_ns: what the first reading gives, in nanoseconds since the epoch.
        step_ns: how far each reading moves the clock on.
    """

    def __init__(self, start_ns: int = 1_700_000_000_000_000_000, step_ns: int = 1_000_000) -> None:
        self.now_ns = start_ns
        self.step_ns = step_ns
        self._lock = threading.Lock()

    def time_ns(self) -> int:
        """The time now, in nanoseconds since the epoch; stands in for `time.time_ns`."""
        with self._lock:
            now = self.now_ns
            self.now_ns += self.step_ns
            return now

    def time(self) -> float:
        """The time now, in seconds; stands in for `time.time` and `time.perf_counter`."""
        return self.time_ns() / 1e9

    def advance(self, seconds: float) -> None:
        """Moves the clock on without a reading."""
        with self._lock:
            self.now_ns += round(seconds * 1e9)
