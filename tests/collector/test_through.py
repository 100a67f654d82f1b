"""Application, collector, backend: what was recorded arrives, as it was recorded, and stays joined."""

from __future__ import annotations

import json
import random
import re
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from rlhf_otel import semconv as s
from rlhf_otel.store import Store
from rlhf_otel.store.inbox import request_type
from rlhf_otel.store.otlp import decode_logs, decode_metrics, decode_traces
from rlhf_otel.testing import FakeCollector
from tests.collector.running import TOKEN

pytestmark = pytest.mark.real_collector
DECODE = {"traces": decode_traces, "logs": decode_logs, "metrics": decode_metrics}
DERIVED = "rlhf.feedback.events"
"""How the names of the metrics begin that the collector makes of feedback."""
LIMIT = 4194304
"""Bytes of an attribute, by default."""


class Tee(FakeCollector):
    """Keeps what an application sends, and passes it on as it came."""

    to = None

    def __init__(self):
        super().__init__()
        self.payloads = []

    def take(self, signal, protocol, payload, headers, size):
        """Keeps one request where the collector takes it too."""
        status, _ = self.to.post(f"/v1/{signal}", payload, token=headers["authorization"].removeprefix("Bearer "))
        if status != 200:
            return status, None
        self.payloads.append((signal, payload))
        return super().take(signal, protocol, payload, headers, size)


@pytest.fixture
def tee(collector):
    """Between the application and the collector."""
    with Tee() as between:
        between.to = collector
        yield between


def run_through(tee, start_app, count):
    """Runs an application that sends by way of `tee`; what it says of its interactions."""
    variables = tee.to.application() | {"OTEL_EXPORTER_OTLP_ENDPOINT": tee.http_url}
    return start_app("chat.py", str(count), **variables).finish()


def test_spans_feedback_and_metrics_arrive_as_the_application_sent_them(backend, tee, start_app):
    """Byte for byte: ids, times, names, attributes, resource and scope; and each feedback belongs to its span."""
    made = run_through(tee, start_app, 5)
    backend.wait_for(spans=5, logs=5, metrics=len(tee.metrics), timeout=60)
    by_id = {span.span_id: span for span in backend.spans}
    assert by_id == {span.span_id: span for span in tee.spans}
    assert sorted(backend.logs, key=repr) == sorted(tee.logs, key=repr)
    own = [metric for metric in backend.metrics if not metric.name.startswith(DERIVED)]
    assert sorted(own, key=repr) == sorted(tee.metrics, key=repr)
    assert {each["span"] for each in made} == set(by_id)
    rated = {log.attributes[s.FEEDBACK_ID]: log for log in backend.logs}
    for each in made:
        span, log = by_id[each["span"]], rated[each["feedback"]]
        assert (log.trace_id, log.span_id, log.event_name) == (each["trace"], each["span"], s.EVALUATION_EVENT)
        assert json.loads(span.attributes[s.INPUT_MESSAGES])[0]["parts"][0]["content"] == each["prompt"]


def contents(store):
    """Everything in a store but the collector's own metrics, in an order of its own."""
    calls = sorted(store.interactions(), key=lambda call: call.span_id)
    votes = {span_id: sorted(of_one, key=repr) for span_id, of_one in store.feedback_on(calls).items()}
    points = [point for point in store.points() if not point.name.startswith(DERIVED)]
    return calls, votes, sorted(store.logs(), key=repr), sorted(points, key=repr)


def test_the_store_behind_the_collector_holds_what_a_store_behind_the_application_would(
    make_collector, served, start_app, tmp_path
):
    """With `rlhf-otel serve` at the end: calls, joined feedback and metrics, in every field."""
    with Tee() as tee:
        tee.to = make_collector(**served.behind).start()
        made = run_through(tee, start_app, 6)
    with Store.open(tmp_path / "direct.db") as direct:
        requests = [(signal, request_type(signal).FromString(payload)) for signal, payload in tee.payloads]
        direct.add_decoded(*(DECODE[signal](request) for signal, request in requests))
        expected = contents(direct)
    assert {call.span_id: len(expected[1][call.span_id]) for call in expected[0]} == {m["span"]: 1 for m in made}
    until = time.monotonic() + 60
    with Store.open(served.store, read_only=True) as store:
        while (got := contents(store)) != expected and time.monotonic() < until:
            time.sleep(0.1)
        assert got == expected
        assert store.pending() == []


def test_it_takes_grpc_too(collector, backend, start_app):
    """The same application with the other protocol."""
    made = start_app("chat.py", "3", **collector.application("grpc")).finish()
    backend.wait_for(spans=3, logs=3, timeout=60)
    assert {span.span_id for span in backend.spans} == {each["span"] for each in made}


def test_feedback_becomes_metrics(collector, backend, start_app):
    """How many events of which kind, and their scores from 0 to 1, by service."""
    start_app("chat.py", "4", OTEL_SERVICE_NAME="bot", **collector.application()).finish()
    backend.wait_for(logs=4, timeout=60)

    def measured():
        return [metric for metric in backend.metrics if metric.name.startswith(DERIVED)]

    collector.stop()  # what was taken is in the queue, and goes out
    points = [(metric.name, point) for metric in measured() for point in metric.points]
    kinds = {
        "gen_ai.evaluation.name": "user_feedback",
        "rlhf.feedback.kind": "binary",
        "rlhf.feedback.source": "end_user",
    }
    assert all(point.attributes == kinds for _, point in points)
    assert sum(point.value for name, point in points if name == DERIVED) == 4
    scores = [point for name, point in points if name == "rlhf.feedback.events.score"]
    assert (sum(point.count for point in scores), sum(point.sum for point in scores)) == (4, 2.0)
    assert {metric.resource["service.name"] for metric in measured()} == {"bot"}


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), (None, 401), ("wrong", 401), ("", 401)])
def test_only_who_knows_the_token_may_send(collector, token, status):
    """Without the bearer token, or with another, nothing is taken."""
    assert collector.post("/v1/traces", b"", token=token)[0] == status


def test_an_application_with_a_wrong_token_is_told(collector, backend, start_app):
    """Its data is refused, it says so, and its work goes on."""
    wrong = collector.application() | {"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20wrong"}
    app = start_app("chat.py", "2", **wrong)
    app.process.communicate(timeout=100)
    assert len(app.out.read_text().splitlines()) == 2
    assert re.search(r"^rlhf-otel: \d+ items", app.err.read_text(), flags=re.MULTILINE)
    assert backend.spans == []


def value(kind, pick):
    """A random OTLP value."""
    if kind == "list":
        return AnyValue(array_value=ArrayValue(values=[value("text", pick), value("int", pick)]))
    if kind == "map":
        return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=value("text", pick))]))
    return {
        "text": lambda: AnyValue(string_value="".join(chr(pick.randint(1, 0x2FFF)) for _ in range(50))),
        "json": lambda: AnyValue(string_value=json.dumps([{"content": '\n\\"é\u2028\x01 '}])),
        "int": lambda: AnyValue(int_value=pick.randint(-(2**63), 2**63 - 1)),
        "double": lambda: AnyValue(double_value=pick.uniform(-1e300, 1e300)),
        "bool": lambda: AnyValue(bool_value=True),
        "bytes": lambda: AnyValue(bytes_value=pick.randbytes(20)),
        "empty": AnyValue,
    }[kind]()


def test_attributes_of_every_kind_are_left_alone(collector, backend):
    """Every type of value, in spans, events, links, resource and scope, with every field of a span."""
    pick = random.Random(1)
    kinds = ("text", "json", "int", "double", "bool", "bytes", "list", "map", "empty")
    attributes = [KeyValue(key=kind, value=value(kind, pick)) for kind in kinds]
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add(schema_url="https://opentelemetry.io/schemas/1.41.0")
    group.resource.attributes.extend(attributes)
    scope = group.scope_spans.add()
    scope.scope.name, scope.scope.version = "rlhf_otel", "1"
    scope.scope.attributes.extend(attributes)
    span = scope.spans.add(
        trace_id=pick.randbytes(16), span_id=pick.randbytes(8), parent_span_id=pick.randbytes(8), name="chat m", kind=3,
        trace_state="a=b", start_time_unix_nano=1, end_time_unix_nano=2**62, flags=769, dropped_attributes_count=3,
    )  # fmt: skip
    span.attributes.extend(attributes)
    span.status.code, span.status.message = 2, "it failed: é\n"
    span.events.add(name="e", time_unix_nano=5).attributes.extend(attributes)
    span.links.add(trace_id=pick.randbytes(16), span_id=pick.randbytes(8), flags=257).attributes.extend(attributes)
    with FakeCollector() as sent:
        sent.take("traces", "http/protobuf", request.SerializeToString(), {}, 0)
        assert collector.post("/v1/traces", request.SerializeToString())[0] == 200
        backend.wait_for(spans=1, timeout=60)
        assert backend.spans == sent.spans


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_large_spans_arrive_whole(collector, backend, start_app, protocol):
    """Prompts of 3 MB, of which two are more than the collector's own limit for gRPC."""
    large = {"RLHF_OTEL_MAX_EXPORT_BYTES": "50000000"}
    made = start_app("chat.py", "2", "0", "3000000", **large, **collector.application(protocol)).finish()
    backend.wait_for(spans=2, timeout=60)
    prompts = {json.loads(span.attributes[s.INPUT_MESSAGES])[0]["parts"][0]["content"] for span in backend.spans}
    assert prompts == {each["prompt"] for each in made}


def one_span(**attributes):
    """A request with one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="s")
    for key, text in attributes.items():
        span.attributes.add(key=key.replace("__", "."), value=AnyValue(string_value=text))
    return request.SerializeToString()


def test_an_attribute_that_is_too_large_is_cut_and_says_so(collector, backend):
    """What is JSON stays JSON; other text is cut between characters; what fits is as it was."""
    messages = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "x" * LIMIT}]}])
    body = one_span(
        gen_ai__input__messages=messages, gen_ai__output__messages="[]", gen_ai__system_instructions=messages,
        text="é" * LIMIT, whole="y" * LIMIT,
    )  # fmt: skip
    assert collector.post("/v1/traces", body)[0] == 200
    backend.wait_for(spans=1, timeout=60)
    got = backend.spans[0].attributes
    note = {"type": "text", "content": f"[{len(messages)} bytes cut by the collector]"}
    assert json.loads(got["gen_ai.input.messages"]) == [{"role": "system", "parts": [note]}]
    assert json.loads(got["gen_ai.system_instructions"]) == [note]
    assert (got["gen_ai.output.messages"], got["whole"]) == ("[]", "y" * LIMIT)
    assert got["text"].endswith("é… [cut by the collector]")
    assert LIMIT - 4 <= len(got["text"].encode()) <= LIMIT


def test_a_request_of_40_mb_is_taken(collector, backend):
    """Twice the collector's own limit for HTTP: a batch of long prompts."""
    request = ExportTraceServiceRequest()
    for _ in range(10):
        request.MergeFromString(one_span(text="y" * 4_000_000))
    assert collector.post("/v1/traces", request.SerializeToString())[0] == 200
    backend.wait_for(spans=10, timeout=60)


def test_a_request_over_64_mib_is_refused_for_good(collector):
    """413, or 400 as some releases have it: no retry helps, and the client splits it."""
    assert collector.post("/v1/traces", one_span(text="x" * (64 << 20)))[0] in (400, 413)


def test_the_archive_has_everything_after_redaction(collector, backend):
    """One line of OTLP in JSON for each request, in a file that stays when the backend is down."""
    backend.down()
    assert collector.post("/v1/traces", one_span(text="by jane@example.com"))[0] == 200
    line = json.loads(collector.archive.read_text())
    attributes = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
    assert attributes == [{"key": "text", "value": {"stringValue": "by [REDACTED:email]"}}]
    assert collector.archive.parent.stat().st_mode & 0o777 == 0o700
