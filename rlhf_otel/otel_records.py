"""What OpenTelemetry carries besides calls and feedback: other spans, log records, data points; frozen as those are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlhf_otel.records import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """A span that is no call to a model: an HTTP request, a tool, a step of an agent.

    `events` and `links` are plain values, as `attributes` are.
    """

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    parent_span_id: str | None = None
    name: str = ""
    scope: str = ""
    kind: str = "internal"
    status: Status = "unset"
    status_message: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, Any]] = ()
    resource: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """A log record or event that is no feedback; the ids are empty where it belongs to no span."""

    time_ns: int
    observed_ns: int = 0
    trace_id: str = ""
    span_id: str = ""
    event_name: str = ""
    severity: int = 0
    severity_text: str = ""
    body: Any = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    scope: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One data point of a metric.

    Attributes:
        name: of the metric.
        kind: gauge, sum, histogram, exponential_histogram or summary.
        time_ns: when it was measured, in nanoseconds since the epoch.
        start_ns: since when it was counted; 0 where that is unknown.
        value: the number of a gauge or sum; None for what is a distribution.
        distribution: count, sum, bounds and whatever else a distribution has, by OTLP's names.
        temporality: delta or cumulative; empty where that means nothing.
        monotonic: whether a sum only ever grows.
        exemplars: single measurements with the spans they were taken in.
    """

    name: str
    kind: str
    time_ns: int
    start_ns: int = 0
    unit: str = ""
    description: str = ""
    value: float | int | None = None
    distribution: Mapping[str, Any] = field(default_factory=dict)
    temporality: str = ""
    monotonic: bool = False
    attributes: Mapping[str, Any] = field(default_factory=dict)
    exemplars: Sequence[Mapping[str, Any]] = ()
    scope: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
