"""The JSON form of OTLP: the same requests as in protobuf, and what is wrong with others said in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from rlhf_otel.store.otlp_json import logs_from_json, metrics_from_json, traces_from_json
from tests.export.test_encoder import SPANS
from tests.store.recorded.record import as_otlp

some = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some
@given(st.lists(SPANS, max_size=4))
def test_the_json_form_is_the_same_request(spans: list[Any]) -> None:
    """Whatever spans there are, by way of text, which knows no bytes and no numbers of 64 bits."""
    request = encode_spans(spans)
    assert traces_from_json(json.loads(json.dumps(as_otlp(request)))) == request


def test_metrics_in_json_are_the_same_request() -> None:
    """Distributions, numbers that are none, and numbers of any kind."""
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    points = metrics.add(name="a", exponential_histogram={"aggregation_temporality": 2}).exponential_histogram
    points.data_points.add(count=2**64 - 1, sum=float("inf"), scale=-3, positive={"offset": -2, "bucket_counts": [1]})
    metrics.add(name="b", gauge={}).gauge.data_points.add(as_double=float("-inf"), time_unix_nano=2**63)
    assert metrics_from_json(as_otlp(request)) == request


def one_log(**fields: Any) -> Any:
    """A request with one log record of these fields."""
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [fields]}]}]}


def log_of(**fields: Any) -> Any:
    """The record that is read from it."""
    return logs_from_json(one_log(**fields)).resource_logs[0].scope_logs[0].log_records[0]


@pytest.mark.parametrize("number", [1760000000000000001, "1760000000000000001"])
def test_large_numbers_may_be_text(number: Any) -> None:
    """JavaScript would round them."""
    assert log_of(timeUnixNano=number).time_unix_nano == 1760000000000000001


def test_what_is_not_known_is_ignored() -> None:
    """Fields of a newer protocol, names in another spelling, and nothing at all."""
    read = log_of(news={"deep": [1]}, time_unix_nano=5, severityText=None, severityNumber=9, body={"newValue": 1})
    assert (read.time_unix_nano, read.severity_text, read.severity_number) == (0, "", 9)
    assert read.HasField("body") and read.body.WhichOneof("value") is None


def test_empty_values_are_there() -> None:
    """An empty text, list or object is not nothing."""
    kinds = [
        log_of(body={kind: value}).body.WhichOneof("value")
        for kind, value in (("stringValue", ""), ("arrayValue", {}), ("kvlistValue", {"values": []}), ("intValue", 0))
    ]
    assert kinds == ["string_value", "array_value", "kvlist_value", "int_value"]


def test_halves_of_characters_are_mended() -> None:
    """As a broken client sends them; protobuf has no place for them."""
    assert log_of(body={"stringValue": "a \ud83d b"}).body.string_value == "a \ufffd b"


def deep(levels: int) -> Any:
    """A value so deep."""
    value: Any = {"stringValue": "x"}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return value


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ([], "the request should be an object, not an array"),
        ("text", "the request should be an object, not text"),
        ({"resourceLogs": {}}, "the request, resourceLogs should be an array, not an object"),
        ({"resourceLogs": [3]}, r"the request, resourceLogs\[0\] should be an object, not a number"),
        (one_log(traceId="xyz"), "traceId should be an id in hexadecimal digits"),
        (one_log(traceId=5), "traceId should be an id in hexadecimal digits"),
        (one_log(timeUnixNano="soon"), "timeUnixNano should be a whole number, not text"),
        (one_log(timeUnixNano=-1), "timeUnixNano is out of range"),
        (one_log(timeUnixNano=1e400), "timeUnixNano should be a whole number"),
        (one_log(severityNumber="SEVERITY_NUMBER_INFO"), "severityNumber should be a whole number"),
        (one_log(severityText=5), "severityText should be text, not a number"),
        (one_log(body={"boolValue": "yes"}), "boolValue should be true or false, not text"),
        (one_log(body={"doubleValue": "much"}), "doubleValue should be a number"),
        (one_log(body={"intValue": 1.5}), "intValue should be a whole number"),
        (one_log(body={"bytesValue": "***"}), "bytesValue should be bytes in base64"),
        (one_log(body=deep(5000)), "nested deeper than 100 levels"),
    ],
)
def test_what_is_no_request_is_said_in_plain_words(given_: Any, why: str) -> None:
    """Where it stands, and what should be there."""
    with pytest.raises(ValueError, match=why):
        logs_from_json(given_)
