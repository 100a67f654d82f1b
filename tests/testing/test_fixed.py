"""Ids and times that are the same in every run."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider

from rlhf_otel.testing import FixedClock, FixedIds


def test_spans_are_numbered():
    """A provider with fixed ids numbers its traces and spans from the start value."""
    tracer = TracerProvider(id_generator=FixedIds(start=5)).get_tracer("test")
    with tracer.start_as_current_span("outer") as outer, tracer.start_as_current_span("inner") as inner:
        pass
    contexts = [span.get_span_context() for span in (outer, inner)]
    assert [(context.trace_id, context.span_id) for context in contexts] == [(5, 5), (5, 6)]


def test_zero_is_no_id():
    """OpenTelemetry takes 0 for an invalid id, so counting cannot begin there."""
    with pytest.raises(ValueError, match="begin at 1"):
        FixedIds(start=0)


def test_the_clock_moves_when_read():
    """Each reading moves the clock on by its step, in nanoseconds and in seconds alike."""
    clock = FixedClock(start_ns=10_000_000_000, step_ns=500_000_000)
    assert (clock.time_ns(), clock.time(), clock.time_ns()) == (10_000_000_000, 10.5, 11_000_000_000)


def test_the_clock_can_be_advanced():
    """advance() moves the clock without a reading."""
    clock = FixedClock(start_ns=0, step_ns=0)
    clock.advance(1.5)
    assert clock.time_ns() == 1_500_000_000
