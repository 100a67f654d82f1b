"""The data points of OTLP's metrics as records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rlhf_otel.otel_records import MetricPoint
from rlhf_otel.store.otlp_values import attributes_of, maybe_identifier, word

_TEMPORALITIES = ("", "delta", "cumulative")
_OPTIONAL = ("sum", "min", "max")
_PLAIN = ("scale", "zero_count", "zero_threshold")


def points_of(metric: Any, origin: Mapping[str, Any]) -> Iterator[MetricPoint]:
    """Every data point of `metric`; `origin` has the fields that all of one scope share."""
    kind = metric.WhichOneof("data") or ""
    data = getattr(metric, kind) if kind else None
    common = {
        **origin, "name": metric.name, "unit": metric.unit, "description": metric.description, "kind": kind,
        "temporality": word(_TEMPORALITIES, getattr(data, "aggregation_temporality", 0)),
        "monotonic": getattr(data, "is_monotonic", False),
    }  # fmt: skip
    for point in () if data is None else data.data_points:
        content = {"value": _number(point)} if kind in ("gauge", "sum") else {"distribution": _distribution(point)}
        yield MetricPoint(
            time_ns=point.time_unix_nano,
            start_ns=point.start_time_unix_nano,
            attributes=attributes_of(point.attributes),
            exemplars=tuple(_exemplars(getattr(point, "exemplars", ()))),
            **common,
            **content,
        )


def number_of_points(metric: Any) -> int:
    """How many data points `metric` has."""
    kind = metric.WhichOneof("data")
    return len(getattr(metric, kind).data_points) if kind else 0


def _number(point: Any) -> float | int | None:
    which = point.WhichOneof("value")
    return getattr(point, which) if which else None


def _distribution(point: Any) -> dict[str, Any]:
    """What a histogram or summary has, by OTLP's names, without what it does not have."""
    fields = {field.name for field in point.DESCRIPTOR.fields}
    found: dict[str, Any] = {"count": point.count}
    found.update((name, getattr(point, name)) for name in _OPTIONAL if name in fields and _has(point, name))
    found.update((name, getattr(point, name)) for name in _PLAIN if name in fields)
    if "explicit_bounds" in fields:
        found |= {"bounds": list(point.explicit_bounds), "bucket_counts": list(point.bucket_counts)}
    for name in ("positive", "negative"):
        if name in fields and point.HasField(name):
            side = getattr(point, name)
            found[name] = {"offset": side.offset, "bucket_counts": list(side.bucket_counts)}
    if "quantile_values" in fields:
        found["quantiles"] = [[at.quantile, at.value] for at in point.quantile_values]
    return found


def _has(point: Any, name: str) -> bool:
    """Whether an optional number is there; a summary's sum, which is not optional, always is."""
    return not point.DESCRIPTOR.fields_by_name[name].has_presence or point.HasField(name)


def _exemplars(exemplars: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for exemplar in exemplars:
        yield {
            "time_ns": exemplar.time_unix_nano,
            "value": _number(exemplar),
            "trace_id": maybe_identifier(exemplar.trace_id, 16),
            "span_id": maybe_identifier(exemplar.span_id, 8),
            "attributes": attributes_of(exemplar.filtered_attributes),
        }
