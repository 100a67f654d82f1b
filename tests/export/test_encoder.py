"""Our encoder beside the SDK's: what they make of the same spans, and that the exporters use ours."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

import rlhf_otel as rlhf
from rlhf_otel.export import encoder, wire
from rlhf_otel.testing import FakeCollector, Reply

WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=300)
PLAIN = st.one_of(TEXT, st.booleans(), WHOLE, st.floats(allow_nan=False), st.binary(max_size=9))
VALUES = st.one_of(PLAIN, *(st.lists(kind, max_size=4) for kind in (TEXT, WHOLE, st.booleans())),
                   st.tuples(TEXT, WHOLE), st.dictionaries(TEXT, PLAIN, max_size=3))  # fmt: skip
ATTRIBUTES = st.dictionaries(TEXT, VALUES, max_size=6)
STATES = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
                         max_size=3)  # fmt: skip
CONTEXTS = st.builds(
    lambda trace, span, remote, flags, state: SpanContext(
        trace, span, remote, TraceFlags(flags), TraceState(list(state.items()))
    ),
    st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans(), st.integers(0, 3), STATES,
)  # fmt: skip
STATUSES = st.one_of(
    st.just(Status()), st.just(Status(StatusCode.OK)), TEXT.map(lambda said: Status(StatusCode.ERROR, said))
)
TIMES = st.one_of(st.none(), st.integers(0, 2**63 - 1))
RESOURCES = st.sampled_from(
    [Resource({}), Resource({"service.name": "a", "n": 1}), Resource({"n": 1, "service.name": "a"}),
     Resource({"service.name": "b", "list": ["x", "y"]}, "https://schema")]
)  # fmt: skip
SCOPES = st.sampled_from(
    [None, InstrumentationScope("a"), InstrumentationScope("a", "1", "https://schema"), InstrumentationScope("a"),
     InstrumentationScope("b", "2", attributes={"k": "v"})]
)  # fmt: skip
EVENTS = st.lists(st.builds(Event, TEXT, ATTRIBUTES, st.integers(0, 2**62)), max_size=2)
LINKS = st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=2)
SPANS = st.builds(
    ReadableSpan, name=TEXT, context=CONTEXTS, parent=st.one_of(st.none(), CONTEXTS), resource=RESOURCES,
    attributes=ATTRIBUTES, events=EVENTS | st.just(()), links=LINKS | st.just(()), kind=st.sampled_from(SpanKind),
    status=STATUSES, start_time=TIMES, end_time=TIMES, instrumentation_scope=SCOPES,
)  # fmt: skip


def encoded(spans):
    """The request that an encoder of ours makes of `spans`, one after the other."""
    pack = encoder.Encoder().pack
    return wire.REQUESTS["traces"].FromString(wire.request([pack(span) for span in spans]))


@settings(max_examples=60, deadline=None)
@given(st.lists(SPANS, max_size=6))
def test_both_say_the_same(spans):
    """Whatever spans there are, of whatever resources and scopes: the message is that of the SDK's encoder."""
    assert encoded(spans) == encode_spans(spans)


def test_spans_of_the_sdk_say_the_same(caplog):
    """Spans that dropped attributes, events and links, and values that OTLP cannot hold, are no exception."""
    from opentelemetry.sdk.trace import SpanLimits

    limits = SpanLimits(max_span_attributes=2, max_events=1, max_links=1, max_attribute_length=3)
    tracer = TracerProvider(span_limits=limits).get_tracer("t", "1")
    link = Link(SpanContext(1, 2, True))
    spans = [tracer.start_span("first", attributes={"a": "long", "b": 2, "c": 3})]
    spans.append(tracer.start_span("second", links=[link, link]))
    spans[-1].add_event("one")
    spans[-1].add_event("two", {"k": 1})
    spans.append(ReadableSpan("odd", SpanContext(1, 2, False), attributes={"big": 2**70, "half": "\ud800", "fine": 1}))
    made = encoded(spans)
    assert made == encode_spans(spans)
    assert [len(place.spans) for head in made.resource_spans for place in head.scope_spans] == [2, 1]


def test_a_newer_sdk_has_the_last_word(monkeypatch):
    """Where the SDK's encoder says something that ours does not know, all is left to the SDK's."""

    def newer(spans):
        made = encode_spans(spans)
        for head in made.resource_spans:
            for place in head.scope_spans:
                for span in place.spans:
                    span.flags |= 1
        return made

    span = ReadableSpan("s", SpanContext(1, 2, False), instrumentation_scope=InstrumentationScope("a"))
    monkeypatch.setattr(encoder, "encode_spans", newer)
    assert encoded([span, span]) == newer([span, span])


def test_resource_and_scope_are_those_of_the_batch():
    """An encoder that has seen one resource says the right one of the next batch."""
    pack = encoder.Encoder().pack
    scope = InstrumentationScope("a")
    for name in ("a", "b", "a"):
        span = ReadableSpan("s", SpanContext(1, 2, False), resource=Resource({"n": name}), instrumentation_scope=scope)
        assert wire.request([pack(span)]) == encode_spans([span]).SerializeToString(deterministic=True)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_the_exporters_use_it(protocol, llm, ask, monkeypatch):
    """The batches that leave over either protocol went through our encoder, and arrive."""
    batches = []
    request = wire.request
    monkeypatch.setattr(wire, "request", lambda items: batches.append(len(items)) or request(items))
    with FakeCollector(grpc=protocol == "grpc") as collector:
        for name, value in collector.environment(protocol).items():
            monkeypatch.setenv(name, value)
        rlhf.instrument()
        llm.script(Reply(text="One."), Reply(text="Two."))
        ask()
        ask()
        assert rlhf.flush(20)
    assert [span.name for span in collector.spans] == ["chat gpt-5", "chat gpt-5"]
    assert batches[-1] == 2


def test_the_exporters_of_others_are_left_alone():
    """Only the exporter that it is handed to encodes with it: the class, and its other objects, stay as they are."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    ours, theirs = OTLPSpanExporter(), OTLPSpanExporter()
    before = OTLPSpanExporter.export
    encoder.hand_to(ours, "traces")
    assert ours.export.__func__ is not before
    assert theirs.export.__func__ is before
    assert OTLPSpanExporter.export is before
