"""What of a request can never be kept, found without taking the request apart: spans and log records with wrong ids.

It says the same of them as decoding the request would, in a fiftieth of the time: a receiver in a rush must tell its
client now, and decodes later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlhf_otel.store.inbox import SignalName
from rlhf_otel.store.otlp import _Found, _id_if_any
from rlhf_otel.store.otlp_values import RefusedError, identifier


def look_through(signal: SignalName, request: Any) -> tuple[int, int, str]:
    """How many items a request has, how many of them cannot be kept, and why."""
    if signal == "metrics":
        return sum(len(scope.metrics) for each in request.resource_metrics for scope in each.scope_metrics), 0, ""
    found = _Found("span" if signal == "traces" else "log record")
    check = _check_span if signal == "traces" else _check_log
    count = 0
    for item in _spans(request) if signal == "traces" else _logs(request):
        count += 1
        try:
            check(item)
        except RefusedError as why:
            found.refused[str(why)] += 1
    decoded = found.decoded()
    return count, decoded.rejected, decoded.message


def _spans(request: Any) -> Iterator[Any]:
    for each in request.resource_spans:
        for scope in each.scope_spans:
            yield from scope.spans


def _logs(request: Any) -> Iterator[Any]:
    for each in request.resource_logs:
        for scope in each.scope_logs:
            yield from scope.log_records


def _check_span(span: Any) -> None:
    identifier(span.trace_id, 16, "trace id")
    identifier(span.span_id, 8, "span id")


def _check_log(record: Any) -> None:
    _id_if_any(record.trace_id, 16, "trace id")
    _id_if_any(record.span_id, 8, "span id")
