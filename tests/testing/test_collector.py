"""The real OTLP exporters against the fake collector, over HTTP and gRPC."""

from __future__ import annotations

import http.client
import logging

import pytest
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from rlhf_otel.testing import FakeCollector, FixedIds

PROTOCOLS = ["http/protobuf", "grpc"]
SPANS = {"http/protobuf": HttpSpans, "grpc": GrpcSpans}
LOGS = {"http/protobuf": HttpLogs, "grpc": GrpcLogs}
METRICS = {"http/protobuf": HttpMetrics, "grpc": GrpcMetrics}
RESOURCE = Resource({"service.name": "shop"})


@pytest.fixture
def collector(monkeypatch):
    """A collector for both protocols, and no OTEL_* variable of the machine in the way."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    with FakeCollector(grpc=True) as server:
        yield server
    logging.getLogger("opentelemetry").setLevel(logging.NOTSET)


@pytest.fixture(params=PROTOCOLS)
def protocol(request, collector, monkeypatch):
    """A protocol whose exporters find the collector through the environment alone."""
    for name, value in collector.environment(request.param).items():
        monkeypatch.setenv(name, value)
    return request.param


@pytest.fixture
def tracer(protocol):
    """A tracer that exports every span as it ends."""
    provider = TracerProvider(id_generator=FixedIds(), resource=RESOURCE)
    provider.add_span_processor(SimpleSpanProcessor(SPANS[protocol]()))
    yield provider.get_tracer("shop.checkout", "1.2")
    provider.shutdown()


def make_span(tracer, name="pay"):
    """One span with nothing to it."""
    tracer.start_span(name).end()


def test_spans_arrive_whole(collector, tracer):
    """Ids, parent, kind, times, status, attributes, events, links, resource and scope of a span are as exported."""
    elsewhere = trace.SpanContext(0xAB, 0xCD, is_remote=True)
    attributes = {"text": "a", "number": 1, "share": 0.5, "yes": True, "words": ["x", "y"]}
    with tracer.start_as_current_span("order"):
        pay = tracer.start_span(
            "pay", kind=trace.SpanKind.CLIENT, start_time=1000, attributes=attributes, links=[trace.Link(elsewhere)]
        )
        pay.add_event("declined", {"code": 7}, timestamp=1500)
        pay.set_status(trace.StatusCode.ERROR, "no money")
        pay.end(end_time=2000)
    pay, order = collector.spans
    assert (order.trace_id, order.span_id, order.parent_span_id) == (f"{1:032x}", f"{1:016x}", "")
    assert (pay.trace_id, pay.span_id, pay.parent_span_id) == (order.trace_id, f"{2:016x}", order.span_id)
    assert (pay.name, pay.kind, pay.start_ns, pay.end_ns) == ("pay", "client", 1000, 2000)
    assert (pay.status, pay.status_message, order.status) == ("error", "no money", "unset")
    assert pay.attributes == attributes
    assert [(event.name, event.time_ns, event.attributes) for event in pay.events] == [("declined", 1500, {"code": 7})]
    assert [(link.trace_id, link.span_id) for link in pay.links] == [(f"{0xAB:032x}", f"{0xCD:016x}")]
    assert (pay.resource["service.name"], pay.scope, pay.scope_version) == ("shop", "shop.checkout", "1.2")


def test_log_events_arrive_whole(collector, protocol):
    """Event name, ids, time, severity, a structured body and attributes of a log event are as exported."""
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(SimpleLogRecordProcessor(LOGS[protocol]()))
    parent = trace.SpanContext(0xAB, 0xCD, is_remote=True, trace_flags=trace.TraceFlags(1))
    provider.get_logger("shop.reviews", "3").emit(
        LogRecord(
            timestamp=1000,
            context=trace.set_span_in_context(trace.NonRecordingSpan(parent)),
            severity_number=SeverityNumber.INFO,
            body={"stars": [4, 5], "text": "fine"},
            event_name="review",
            attributes={"by": "u1"},
        )
    )
    provider.shutdown()
    (event,) = collector.logs
    assert (event.event_name, event.time_ns, event.severity) == ("review", 1000, 9)
    assert (event.trace_id, event.span_id, event.flags) == (f"{0xAB:032x}", f"{0xCD:016x}", 1)
    assert (event.body, event.attributes) == ({"stars": [4, 5], "text": "fine"}, {"by": "u1"})
    assert (event.resource["service.name"], event.scope, event.scope_version) == ("shop", "shop.reviews", "3")


def test_metrics_arrive_whole(collector, protocol):
    """A counter and a histogram arrive with unit, kind, attributes and figures."""
    reader = PeriodicExportingMetricReader(METRICS[protocol](), export_interval_millis=float("inf"))
    provider = MeterProvider([reader], resource=RESOURCE)
    meter = provider.get_meter("shop")
    meter.create_counter("orders", unit="{order}").add(3, {"kind": "gift"})
    duration = meter.create_histogram("duration", unit="s", explicit_bucket_boundaries_advisory=[1.0, 2.0])
    duration.record(0.5)
    duration.record(1.5)
    provider.force_flush()
    provider.shutdown()
    metrics = {metric.name: metric for metric in collector.metrics}
    orders, histogram = metrics["orders"].points[0], metrics["duration"].points[0]
    assert (metrics["orders"].kind, metrics["orders"].unit) == ("sum", "{order}")
    assert (orders.value, orders.attributes) == (3, {"kind": "gift"})
    assert (histogram.count, histogram.sum, histogram.bounds) == (2, 2.0, [1.0, 2.0])
    assert histogram.bucket_counts == [1, 1, 0]


def test_batches_tell_how_the_data_came(collector, tracer, protocol):
    """A batch has its signal, protocol, size, headers and status."""
    make_span(tracer)
    (batch,) = collector.batches
    assert (batch.signal, batch.protocol, batch.status, len(batch.items)) == ("traces", protocol, 200, 1)
    assert batch.size > 0
    assert "user-agent" in batch.headers


def test_gzip_is_undone(collector):
    """A compressed batch is read, and its size is that of the wire."""
    provider = TracerProvider()
    exporter = HttpSpans(f"{collector.http_url}/v1/traces", compression=Compression.Gzip)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("test").start_span("big", attributes={"text": "a" * 10_000}).end()
    provider.shutdown()
    (batch,) = collector.batches
    assert batch.headers["content-encoding"] == "gzip"
    assert batch.size < len(collector.spans[0].attributes["text"])


def test_a_refused_batch_is_sent_again(collector, tracer):
    """After a scripted 503 that names a delay the exporter sends the same span again, and it is taken once."""
    collector.fail(503, times=1, retry_after=0.01)
    make_span(tracer)
    assert [batch.status for batch in collector.batches] == [503, 200]
    assert [span.name for span in collector.spans] == ["pay"]


def test_a_final_refusal_loses_the_batch(collector, tracer):
    """A 400 is not retried, and is counted although nothing was taken."""
    collector.fail(400)
    make_span(tracer)
    assert ([batch.status for batch in collector.batches], collector.spans) == ([400], [])
    collector.recover()
    make_span(tracer, "again")
    assert [span.name for span in collector.spans] == ["again"]


def test_one_signal_can_fail_alone(collector, tracer):
    """A failure for logs leaves traces alone."""
    collector.fail(400, signal="logs")
    make_span(tracer)
    assert [span.name for span in collector.spans] == ["pay"]


def test_a_backend_can_go_and_come_back(collector, tracer):
    """While down nothing listens on the port; after up the same exporter reaches it on the same address."""
    make_span(tracer, "before")
    urls = collector.http_url, collector.grpc_url
    collector.down()
    connection = http.client.HTTPConnection(collector.http_url.removeprefix("http://"))
    with pytest.raises(ConnectionRefusedError):
        connection.request("POST", "/v1/traces")
    collector.up()
    make_span(tracer, "after")
    assert (collector.http_url, collector.grpc_url) == urls
    assert [span.name for span in collector.spans] == ["before", "after"]


def test_a_hanging_backend_outlasts_the_exporter(collector, protocol):
    """While the backend hangs an exporter gives up, and what hangs when it goes down is not taken."""
    exporter = SPANS[protocol](timeout=1)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    collector.hang(60)
    make_span(provider.get_tracer("test"))
    collector.down()
    provider.shutdown()
    assert collector.spans == []


def test_wait_for_says_what_is_missing(collector, tracer):
    """wait_for returns where enough has come, and otherwise raises with what did come."""
    make_span(tracer)
    collector.wait_for(spans=1, batches=1)
    with pytest.raises(TimeoutError, match="'traces': 1, 'logs': 0"):
        collector.wait_for(spans=1, logs=1, timeout=0.01)


def test_clear_forgets(collector, tracer):
    """clear() leaves neither spans nor batches."""
    make_span(tracer)
    collector.clear()
    assert (collector.spans, collector.batches) == ([], [])


@pytest.mark.parametrize(
    ("path", "kind", "body", "status"),
    [
        ("/v1/traces", "application/x-protobuf", b"\xff\xff\xff", 400),
        ("/v1/traces", "application/json", b"{}", 415),
        ("/v1/elsewhere", "application/x-protobuf", b"", 404),
    ],
)
def test_what_is_not_otlp_is_turned_away(collector, path, kind, body, status):
    """Broken protobuf, another content type and an unknown path are refused as a real receiver refuses them."""
    connection = http.client.HTTPConnection(collector.http_url.removeprefix("http://"))
    connection.request("POST", path, body, {"content-type": kind})
    assert connection.getresponse().status == status
    connection.close()


def test_grpc_is_only_there_when_asked_for():
    """A collector without gRPC says so instead of giving an address that nobody listens on."""
    with FakeCollector() as collector, pytest.raises(RuntimeError, match="FakeCollector\\(grpc=True\\)"):
        collector.environment("grpc")
