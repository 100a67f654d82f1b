"""The light spans of calls on our own provider: as any span of the SDK, to whoever looks at one."""

from __future__ import annotations

import copy
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import rlhf_otel as rlhf
from rlhf_otel import config
from rlhf_otel.export import setup
from rlhf_otel.testing import FixedIds

from .conftest import ASK

MAIL = "jane.doe@example.com"


@pytest.fixture
def telemetry():
    """Ours, with our provider as the global one, and a store in memory."""
    made = setup.configure_global(config.load({"store": ":memory:"}))
    rlhf.instrument()
    return made


@pytest.fixture
def during(llm):
    """Makes a call and runs a function while its span is the current one, as an event hook of the application's."""

    def call(hook):
        client = httpx2.Client(event_hooks={"request": [lambda _: hook(trace.get_current_span())]})
        with openai.OpenAI(base_url=llm.openai_url, api_key="k", max_retries=0, http_client=client) as made:
            return made.chat.completions.create(**ASK)

    return call


def sent(telemetry):
    """What the export thread hands to the sinks, as the SDK's readable spans."""
    kept = []

    class Sink:
        name = "kept"
        wants = staticmethod(lambda item: True)
        close = staticmethod(lambda: None)

        def send(self, items):
            kept.extend(item.readable for item in items)
            return True

    telemetry.own.worker._make_sinks = lambda: [Sink()]
    return kept


def started(telemetry, **attributes):
    return telemetry.start_span("chat gpt-5", SpanKind.CLIENT, attributes, 5)


def test_it_is_what_the_tracer_would_have_made(telemetry):
    """Ids, parent, flags, kind, name, times, resource, scope and attributes are those of the SDK's own span."""
    provider = telemetry.own.tracer_provider
    for parent in (None, provider.get_tracer("app").start_span("request")):
        with trace.use_span(parent or trace.INVALID_SPAN):
            provider.id_generator = telemetry.own.call_spans._ids = FixedIds()
            light = started(telemetry, a="b")
            provider.id_generator = telemetry.tracer().id_generator = FixedIds()
            real = telemetry.tracer().start_span(
                "chat gpt-5", kind=SpanKind.CLIENT, attributes={"a": "b"}, start_time=5
            )
        assert isinstance(light, Span | ReadableSpan)
        assert light.is_recording()
        for name in ("context", "parent", "kind", "name", "start_time", "end_time", "resource", "attributes", "events",
                     "links", "status", "instrumentation_scope", "dropped_attributes"):  # fmt: skip
            assert repr(getattr(light, name)).split(" object")[0] == repr(getattr(real, name)).split(" object")[0]
        assert light.to_json() == real.to_json()


def test_what_the_application_puts_on_the_span_of_a_call_is_exported(telemetry, during):
    """Attributes, redacted, and events, links, exceptions; ours win where a name is ours."""
    spans = sent(telemetry)
    other = trace.SpanContext(1, 2, is_remote=True)

    def hook(span):
        span.set_attribute("app.note", f"ask {MAIL}")
        span.set_attributes({"app.list": ["a", "b"], "gen_ai.response.model": "mine"})
        span.add_event("sent", {"n": 1}, timestamp=7)
        span.add_link(other)
        span.record_exception(ValueError("soft"))

    during(hook)
    assert rlhf.flush(5)
    (span,) = spans
    assert span.attributes["app.note"] == "ask [REDACTED:email]"
    assert list(span.attributes["app.list"]) == ["a", "b"]
    assert span.attributes["gen_ai.response.model"] != "mine"
    assert [(event.name, event.attributes.get("n")) for event in span.events] == [("sent", 1), ("exception", None)]
    assert span.events[0].timestamp == 7
    assert [link.context for link in span.links] == [other]


def test_its_name_and_its_status_may_be_set(telemetry, during):
    """As of any span."""
    spans = sent(telemetry)

    def hook(span):
        span.update_name("ask the oracle")
        span.set_status(StatusCode.OK)

    during(hook)
    assert rlhf.flush(5)
    assert [(span.name, span.status.status_code) for span in spans] == [("ask the oracle", StatusCode.OK)]


def test_a_span_that_the_application_ends_is_over(telemetry, during, caplog):
    """It goes as it was then, once; the call itself is not harmed."""
    spans = sent(telemetry)
    with caplog.at_level(logging.WARNING):
        during(lambda span: span.end())
    assert rlhf.flush(5)
    assert len(spans) == 1


def test_a_processor_that_comes_while_a_call_is_under_way_gets_its_span(telemetry, during):
    """Final, as from any provider that is not ours alone."""
    exporter = InMemorySpanExporter()
    during(lambda _: trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter)))
    (span,) = exporter.get_finished_spans()
    assert "gen_ai.output.messages" in span.attributes
    assert rlhf.flush(5)
    assert len(list(rlhf.interactions())) == 1


def test_many_threads_may_touch_it_at_once(telemetry):
    """All of them see the same span, whoever comes first."""
    for _ in range(50):
        span, together = started(telemetry), threading.Barrier(4)

        def touch(number, span=span, together=together):
            together.wait(10)
            span.set_attribute(f"app.{number}", number)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(touch, range(4)))
        assert span.added == {f"app.{number}": number for number in range(4)}


def test_there_is_nothing_that_the_sdks_span_does_not_have(telemetry):
    """A name that no span has is missing here too."""
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        getattr(started(telemetry), "colour")  # noqa: B009


def test_a_span_can_be_copied(telemetry, during):
    """As one of the SDK can, whose copy has the same ids; what neither has, neither has."""
    copies = []

    def hook(span):
        copies.append((span.get_span_context(), copy.copy(span)))

    during(hook)
    ((context, copied),) = copies
    assert isinstance(copied, Span)
    assert copied.get_span_context() == context
    assert not hasattr(copied, "__nothing__")
