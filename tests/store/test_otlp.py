"""Requests of OTLP into records: ours exactly, bad ones counted, and none that raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode

from rlhf_otel import codec, semconv
from rlhf_otel.records import Interaction
from rlhf_otel.store import Store
from rlhf_otel.store.otlp import decode_logs, decode_metrics, decode_traces
from tests.ground.strategies import interactions, values, word

some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
resources = st.dictionaries(word, values.filter(lambda value: value != ""), max_size=3)
TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))


@st.composite
def calls(draw: Any) -> Interaction:
    """An interaction as one of our spans can tell of it: a message belongs to an error, and a resource is not empty."""
    import dataclasses

    made = draw(interactions)
    fields = {"trace_id": TRACE.hex(), "span_id": SPAN.hex(), "resource": draw(resources)}
    fields["parent_span_id"] = draw(st.none() | st.binary(min_size=8, max_size=8).filter(any).map(bytes.hex))
    fields["error_message"] = (made.error_message or None) if made.status == "error" else None
    return dataclasses.replace(made, **fields)


def span_of(call: Interaction) -> ReadableSpan:
    """The span that `call` leaves the process as."""
    trace_id = int(call.trace_id, 16)
    parent = SpanContext(trace_id, int(call.parent_span_id, 16), False) if call.parent_span_id else None
    return ReadableSpan(
        call.name, SpanContext(trace_id, int(call.span_id, 16), False), parent, Resource(call.resource),
        codec.interaction_attributes(call), start_time=call.start_ns, end_time=call.end_ns,
        status=Status(StatusCode[call.status.upper()], call.error_message),
        instrumentation_scope=InstrumentationScope(semconv.SCOPE, "1"),
    )  # fmt: skip


@some
@given(calls())
def test_a_span_of_ours_comes_back_as_the_interaction_that_it_was(call: Interaction) -> None:
    """By way of the SDK's own encoder, and of the bytes that go over the wire."""
    raw = encode_spans([span_of(call)]).SerializeToString()
    decoded = decode_traces(ExportTraceServiceRequest.FromString(raw))
    assert decoded.interactions == [call]
    assert (decoded.spans, decoded.feedback, decoded.rejected, decoded.message) == ([], [], 0, "")


def one_span(**fields: Any) -> ExportTraceServiceRequest:
    """A request with a good span of another emitter and one with these fields."""
    request = ExportTraceServiceRequest()
    scoped = request.resource_spans.add().scope_spans.add()
    scoped.spans.add(trace_id=TRACE, span_id=SPAN, name="good")
    scoped.spans.add(**{"trace_id": TRACE, "span_id": SPAN[::-1], "name": "odd", **fields})
    return request


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"trace_id": b""}, "a trace id of 0 bytes, not 16"),
        ({"trace_id": b"abc"}, "a trace id of 3 bytes, not 16"),
        ({"trace_id": bytes(16)}, "a trace id of zeros"),
        ({"span_id": bytes(8)}, "a span id of zeros"),
        ({"span_id": bytes(9)}, "a span id of 9 bytes, not 8"),
    ],
)
def test_a_span_without_an_identity_is_refused_alone(fields: dict[str, Any], why: str) -> None:
    """It is counted, its sender is told why, and the span beside it is kept."""
    decoded = decode_traces(one_span(**fields))
    assert [span.name for span in decoded.spans] == ["good"]
    assert (decoded.rejected, decoded.message) == (1, f"spans refused: 1 with {why}")


@pytest.mark.parametrize(
    "fields",
    [
        {"start_time_unix_nano": 5, "end_time_unix_nano": 3},
        {"start_time_unix_nano": 2**64 - 1, "end_time_unix_nano": 2**64 - 1},
        {"parent_span_id": b"short"},
        {"kind": 77, "status": {"code": 9}},
        {"name": "x" * 100_000},
    ],
)
def test_what_is_odd_about_a_span_does_not_cost_it(fields: dict[str, Any]) -> None:
    """An end before the start, times of another century, unknown enums: all is kept, once."""
    decoded = decode_traces(one_span(**fields))
    with Store.open(":memory:") as store:
        store.add_decoded(decoded, decoded)
        assert [span.name[:4] for span in store.spans(TRACE.hex())] == (
            ["good", "odd"] if "name" not in fields else ["good", "xxxx"]
        )
    assert decoded.rejected == 0


def test_values_of_every_kind_are_kept() -> None:
    """Nested lists and objects, bytes, nothing at all, and a key that is there twice."""
    request = one_span()
    attributes = request.resource_spans[0].scope_spans[0].spans[1].attributes
    attributes.add(key="nested").value.kvlist_value.values.add(key="a").value.array_value.values.add().int_value = 7
    attributes.add(key="raw").value.bytes_value = b"\xff\x00"
    attributes.add(key="none")
    attributes.add(key="long").value.string_value = "y" * 200_000
    attributes.add(key="twice").value.int_value = 1
    attributes.add(key="twice").value.double_value = 2.5
    expected = {"nested": {"a": [7]}, "raw": b"\xff\x00", "none": None, "long": "y" * 200_000, "twice": 2.5}
    with Store.open(":memory:") as store:
        store.add_decoded(decode_traces(request))
        assert store.spans(TRACE.hex())[1].attributes == expected


def test_log_records_come_back_as_they_were() -> None:
    """With and without a span; those that name half an id are counted."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    records = group.scope_logs.add(scope={"name": "app"}).log_records
    records.add(time_unix_nano=5, severity_number=9, severity_text="INFO", body={"string_value": "started"})
    records.add(time_unix_nano=6, trace_id=TRACE, span_id=SPAN, event_name="cache.hit")
    records.add(time_unix_nano=7, trace_id=b"abc")
    decoded = decode_logs(request)
    with Store.open(":memory:") as store:
        store.add_decoded(decoded)
        store.add_decoded(decoded)
        second, first = store.logs()
        assert store.logs(span_id=SPAN.hex()) == store.logs(event_name="cache.hit") == [second]
        assert store.logs(since_ns=6, limit=5) == [second]
    assert [first, second] == decoded.logs
    assert (first.body, first.severity_text, first.scope, first.trace_id) == ("started", "INFO", "app", "")
    assert first.resource == {"service.name": "shop"}
    assert (decoded.rejected, decoded.message) == (1, "log records refused: 1 with a trace id of 3 bytes, not 16")


def test_data_points_come_back_as_they_were() -> None:
    """Numbers and distributions, each once, by the name of their metric."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add(scope={"name": "app"}).metrics
    total = metrics.add(name="calls", unit="1", sum={"aggregation_temporality": 2, "is_monotonic": True})
    total.sum.data_points.add(as_int=3, time_unix_nano=9, start_time_unix_nano=1)
    total.sum.data_points.add(as_double=0.5, time_unix_nano=10)
    seconds = metrics.add(name="seconds", unit="s", histogram={"aggregation_temporality": 1})
    seconds.histogram.data_points.add(
        count=2, sum=1.5, bucket_counts=[1, 1], explicit_bounds=[1.0], time_unix_nano=9,
        exemplars=[{"as_double": 1.25, "trace_id": TRACE, "span_id": SPAN}],
    )  # fmt: skip
    metrics.add(name="p99", summary={"data_points": [{"count": 1, "sum": 2.0, "time_unix_nano": 9}]})
    metrics.add(name="nothing")
    decoded = decode_metrics(request)
    with Store.open(":memory:") as store:
        store.add_decoded(decoded, decoded)
        assert [point.value for point in store.points("calls")] == [0.5, 3]
        assert sorted(store.points(), key=decoded.points.index) == decoded.points
    first, _, histogram, summary = decoded.points
    assert (first.kind, first.temporality, first.monotonic, first.start_ns) == ("sum", "cumulative", True, 1)
    assert histogram.distribution == {"count": 2, "sum": 1.5, "bounds": [1.0], "bucket_counts": [1, 1]}
    assert histogram.exemplars[0]["span_id"] == SPAN.hex()
    assert summary.distribution == {"count": 1, "sum": 2.0, "quantiles": []}
