"""What the OTLP specification asks of a receiver, whichever way a client speaks to it."""

from __future__ import annotations

import os

import pytest

from tests.conformance.endpoint import Endpoint, Grpc, HttpJson
from tests.conformance.messages import REQUESTS, SIGNALS, Signal, full, logs, metrics, span, traces

ZEROS = bytes(8)


def assert_stored(endpoint: Endpoint, *spans) -> None:
    """The target has each of the spans once; nothing is asserted where nobody can look into it."""
    if endpoint.target.stored is not None:
        wanted = sorted(each.span_id.hex() for each in spans)
        assert endpoint.target.stored(set(wanted)) == wanted


@pytest.mark.parametrize("signal", SIGNALS)
def test_success_leaves_partial_success_unset(endpoint: Endpoint, signal: Signal) -> None:
    """A request that is taken whole is answered with an empty response."""
    reply = endpoint.export(signal, full(signal))
    assert (reply.ok, reply.is_partial, reply.rejected, reply.message) == (True, False, 0, "")


@pytest.mark.parametrize("signal", SIGNALS)
def test_an_empty_request_is_a_success(endpoint: Endpoint, signal: Signal) -> None:
    """Nothing was sent, so nothing is wrong."""
    assert endpoint.export(signal, REQUESTS[signal]()).ok


@pytest.mark.parametrize("compression", ["identity", "gzip"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_no_compression_and_gzip_are_taken(endpoint: Endpoint, signal: Signal, compression) -> None:
    """Every receiver must take both."""
    assert endpoint.export(signal, full(signal), compression).ok


@pytest.mark.parametrize("compression", ["deflate", "zstd"])
def test_further_compressions_are_taken(endpoint: Endpoint, compression) -> None:
    """They are optional; what was sent in one is stored."""
    if compression == "zstd" and isinstance(endpoint, Grpc):
        pytest.skip("the client's gRPC has no zstd")
    sent = span()
    assert endpoint.export("traces", traces(sent), compression).ok
    assert_stored(endpoint, sent)


def test_what_is_accepted_is_stored(endpoint: Endpoint) -> None:
    """Every span of an accepted request is there as soon as the answer is."""
    sent = [span() for _ in range(5)]
    assert endpoint.export("traces", traces(*sent)).ok
    assert_stored(endpoint, *sent)


def test_duplicates_are_legal(endpoint: Endpoint) -> None:
    """A client that did not hear the answer sends again: both are successes, and one span is stored."""
    sent = span()
    assert endpoint.export("traces", traces(sent)).ok
    assert endpoint.export("traces", traces(sent, sent)).ok
    assert_stored(endpoint, sent)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: span(span_id=ZEROS), id="zero span id"),
        pytest.param(lambda: span(trace_id=bytes(16)), id="zero trace id"),
        pytest.param(lambda: span(span_id=b"\x01\x02"), id="short span id"),
        pytest.param(lambda: span(trace_id=b"\x01" * 20), id="long trace id"),
        pytest.param(lambda: span(span_id=b""), id="no span id"),
    ],
)
def test_spans_without_a_valid_id_are_rejected_and_counted(endpoint: Endpoint, bad) -> None:
    """The others are stored, the answer says how many are not and why, and nothing is to be sent again."""
    good = [span(), span()]
    reply = endpoint.export("traces", traces(good[0], bad(), good[1]))
    assert (reply.ok, reply.rejected, reply.is_partial) == (True, 1, True)
    assert reply.message
    assert_stored(endpoint, *good)


def test_log_records_with_ids_of_a_wrong_length_are_rejected(endpoint: Endpoint) -> None:
    """They are counted as log records."""
    request = logs(2)
    request.resource_logs[0].scope_logs[0].log_records[0].trace_id = b"\x01"
    reply = endpoint.export("logs", request)
    assert (reply.ok, reply.rejected) == (True, 1)


def test_a_request_of_rejects_alone_is_a_partial_success(endpoint: Endpoint) -> None:
    """A refusal could make a client send it again for ever."""
    reply = endpoint.export("traces", traces(span(span_id=ZEROS), span(span_id=ZEROS)))
    assert (reply.ok, reply.rejected) == (True, 2)


def test_many_rejects_make_no_large_answer(endpoint: Endpoint) -> None:
    """Clients read no more than 4 MiB of an answer."""
    reply = endpoint.export("traces", traces(*(span(span_id=ZEROS) for _ in range(2000))))
    assert (reply.ok, reply.rejected) == (True, 2000)
    assert reply.size < 65_536


def test_an_end_before_the_start_is_no_server_error(endpoint: Endpoint) -> None:
    """Clocks jump: the span is stored, or rejected and counted."""
    sent = span()
    sent.end_time_unix_nano = sent.start_time_unix_nano - 10**9
    reply = endpoint.export("traces", traces(sent))
    assert reply.ok
    assert reply.rejected in (0, 1)


def test_times_out_of_range_are_no_server_error(endpoint: Endpoint) -> None:
    """No time at all, and the last that the format can hold."""
    nothing, last = span(), span()
    nothing.start_time_unix_nano = nothing.end_time_unix_nano = 0
    last.start_time_unix_nano = last.end_time_unix_nano = 2**64 - 1
    assert endpoint.export("traces", traces(nothing, last)).ok


def test_values_of_every_type_are_taken(endpoint: Endpoint) -> None:
    """Nested lists and maps, bytes, an empty value, the largest integers, and a text of 200 KB."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

    inner = KeyValueList(values=[KeyValue(key="deep", value=AnyValue(bytes_value=b"\x00\xff"))])
    values = AnyValue(
        array_value=ArrayValue(values=[AnyValue(kvlist_value=inner), AnyValue(bool_value=True), AnyValue()])
    )
    sent = span(nested=values, empty=AnyValue(), large=2**63 - 1, small=-(2**63), text="ä" * 100_000)
    sent.attributes.add(key="raw").value.bytes_value = os.urandom(16)
    sent.attributes.add(key="real").value.double_value = 1e300
    assert endpoint.export("traces", traces(sent)).ok
    assert_stored(endpoint, sent)


def test_the_same_key_twice_is_no_server_error(endpoint: Endpoint) -> None:
    """Emitters must not do it, and some do."""
    sent = span(key="a")
    sent.attributes.add(key="key").value.int_value = 2
    assert endpoint.export("traces", traces(sent)).ok
    assert_stored(endpoint, sent)


def test_points_of_every_kind_are_taken(endpoint: Endpoint) -> None:
    """Gauge, sum, histograms of both kinds, summary."""
    request = metrics(3)
    inside = request.resource_metrics[0].scope_metrics[0].metrics
    inside.add(name="g").gauge.data_points.add(as_double=1.5)
    inside.add(name="h").histogram.data_points.add(count=1, sum=1.0, bucket_counts=[1, 0], explicit_bounds=[1.0])
    inside.add(name="e").exponential_histogram.data_points.add(count=1, scale=2)
    inside.add(name="s").summary.data_points.add(count=1, sum=1.0)
    inside.add(name="nothing")
    assert endpoint.export("metrics", request).ok


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_cannot_be_decoded_is_refused_for_good(endpoint: Endpoint, signal: Signal) -> None:
    """The client is told that its data is bad, with a status in words, and not to send it again."""
    reply = endpoint.send(signal, b"\xff\xfe this is no telemetry")
    assert reply.code in endpoint.bad_data
    assert not reply.may_retry
    assert reply.message


def test_a_body_that_ends_too_early_is_refused_for_good(endpoint: Endpoint) -> None:
    """Nothing of it is stored."""
    sent = span()
    reply = endpoint.send("traces", endpoint.encode(traces(sent))[:-5])
    assert reply.code in endpoint.bad_data
    if endpoint.target.stored is not None:
        assert endpoint.target.stored({sent.span_id.hex()}) == []


def test_a_body_over_the_limit_is_refused_for_good(endpoint: Endpoint) -> None:
    """It would be too large the next time, too."""
    reply = endpoint.export("traces", traces(span(text="x" * (endpoint.target.max_bytes + 1))))
    assert reply.code in endpoint.too_large
    assert not reply.may_retry


@pytest.mark.parametrize("compression", ["gzip", "deflate", "zstd"])
def test_a_body_that_is_over_the_limit_only_when_decompressed_is_refused_for_good(
    endpoint: Endpoint, compression
) -> None:
    """A small body may hold gigabytes."""
    if compression == "zstd" and isinstance(endpoint, Grpc):
        pytest.skip("the client's gRPC has no zstd")
    reply = endpoint.export("traces", traces(span(text="x" * (endpoint.target.max_bytes + 1))), compression)
    assert reply.code in endpoint.too_large
    assert not reply.may_retry


def test_a_body_just_within_the_limit_is_taken(endpoint: Endpoint) -> None:
    """The limit is what it says."""
    sent = span(text="")
    room = endpoint.target.max_bytes - len(endpoint.encode(traces(sent))) - 32
    sent.attributes[-1].value.string_value = "x" * room
    assert endpoint.export("traces", traces(sent), "gzip").ok


def test_text_that_is_no_utf_8_costs_its_span_alone(endpoint: Endpoint) -> None:
    """The span is rejected and counted; the others of the request are stored."""
    if isinstance(endpoint, HttpJson):
        pytest.skip("JSON is text")
    good, bad = span(), span(text="MARKER")
    body = endpoint.encode(traces(good, bad)).replace(b"MARKER", b"MA\xff\xfeER")
    reply = endpoint.send("traces", body)
    assert (reply.ok, reply.rejected) == (True, 1)
    assert_stored(endpoint, good)


def test_fields_of_the_future_are_ignored(endpoint: Endpoint) -> None:
    """A newer emitter may know more than we do."""
    sent = span()
    body = endpoint.encode(traces(sent))
    if isinstance(endpoint, HttpJson):
        body = body.replace(b'{"resourceSpans"', b'{"somethingNew": {"a": [1, null]}, "resourceSpans"')
    else:
        body += bytes((100 << 3 & 0x7F | 0x80 | 2, 100 >> 4, 3)) + b"new"
    assert endpoint.send("traces", body).ok
    assert_stored(endpoint, sent)
