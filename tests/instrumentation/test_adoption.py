"""Whichever way another instrumentation goes about it, its span is found and kept; `tests/beside` has the real ones."""

from __future__ import annotations

import functools
import gc
import sys
import time

import openai
import pytest
import wrapt
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import Tracer
from opentelemetry.trace import SpanKind

import rlhf_otel as rlhf
from rlhf_otel import instrumentation

ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = {"gen_ai.operation.name": "chat"}
GENERATION = {"langfuse.observation.type": "generation"}


@pytest.fixture
def client(llm):
    """A client of openai."""
    with openai.OpenAI(base_url=llm.openai_url, api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def langfuse(monkeypatch, provider):
    """A tracer by which spans are started beside the call, as if langfuse had been imported."""
    monkeypatch.setitem(sys.modules, "langfuse.openai", openai)
    yield provider.get_tracer("langfuse-sdk")
    instrumentation.switch_off()


def by_wrapt(tracer):
    """As OpenInference wraps the request of a class."""

    def wrapper(wrapped, instance, args, kwargs):
        with tracer.start_as_current_span("theirs", kind=SpanKind.CLIENT, attributes=CHAT):
            return wrapped(*args, **kwargs)

    wrapt.wrap_function_wrapper(openai.OpenAI, "request", wrapper)


def by_closure(tracer):
    """As Logfire wraps it: nobody else beneath is to make a span."""
    original = openai.OpenAI.request

    @functools.wraps(original)
    def request(*args, **kwargs):
        with tracer.start_as_current_span("theirs", kind=SpanKind.CLIENT, attributes=CHAT), suppress_instrumentation():
            return original(*args, **kwargs)

    openai.OpenAI.request = request


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
@pytest.mark.parametrize("wrap", [by_wrapt, by_closure])
def test_a_wrapped_class(wrap, order, client, captured, provider, exporter):
    """Whoever wraps the request of the client's class holds the one span, whichever of us was first."""
    if order == "theirs first":
        instrumentation.switch_off()
    wrap(provider.get_tracer("theirs"))
    instrumentation.switch_on()
    try:
        client.chat.completions.create(**ASK)
        instrumentation.switch_off()
        client.chat.completions.create(**ASK)
    finally:
        del openai.OpenAI.request
    first, second = exporter.get_finished_spans()
    assert captured.spans == []
    assert rlhf.last().span_id == f"{first.context.span_id:016x}"
    assert '"Hi"' in first.attributes["gen_ai.input.messages"]
    assert dict(second.attributes) == CHAT


def test_a_span_beside_the_call(client, captured, langfuse, exporter):
    """A span that was started for the call and is not the current one is adopted, as if it were."""
    instrumentation.switch_on()
    span = langfuse.start_span("theirs", attributes=GENERATION)
    client.chat.completions.create(**ASK)
    span.end()
    (kept,) = exporter.get_finished_spans()
    assert (captured.spans, rlhf.last().span_id) == ([], f"{kept.context.span_id:016x}")
    assert '"Hi"' in kept.attributes["gen_ai.input.messages"]


@pytest.mark.parametrize(
    "others",
    [
        [("langfuse-sdk", GENERATION), ("langfuse-sdk", GENERATION)],
        [("langfuse-sdk", {**GENERATION, "langfuse.observation.model.name": "another"})],
        [("langfuse-sdk", {"langfuse.observation.type": "tool"})],
        [("opentelemetry.instrumentation.anthropic", CHAT)],
        [("somebody", CHAT)],
    ],
)
def test_a_span_that_may_be_about_something_else(others, client, captured, langfuse, provider):
    """Of two, of another model, another kind or another library: nothing is put on a span that is not the call's."""
    instrumentation.switch_on()
    spans = [provider.get_tracer(scope).start_span("theirs", attributes=attributes) for scope, attributes in others]
    client.chat.completions.create(**ASK)
    assert len(captured.spans) == 1
    assert ["gen_ai.input.messages" in span.attributes for span in spans] == [False] * len(others)


def test_a_span_after_the_call(client, captured, langfuse, provider, exporter):
    """Who starts a span when the call is over, with the time at which it began, starts none: there is one already."""
    instrumentation.switch_on()
    tracer = provider.get_tracer("opentelemetry.instrumentation.openai.v1")
    before = time.time_ns()
    client.responses.create(model="gpt-5", input="Hi")
    (ours,) = captured.spans
    late = tracer.start_span("openai.response", start_time=before)
    assert (late.is_recording(), late.get_span_context().span_id) == (False, ours.context.span_id)
    tracer.start_span("openai.response", start_time=time.time_ns()).end()
    assert [span.name for span in exporter.get_finished_spans()] == ["openai.response"]


def test_tracers_are_given_back(captured, langfuse):
    """Switched off, the SDK's tracers have their own method."""
    instrumentation.switch_on()
    assert hasattr(Tracer.start_span, "__wrapped__")
    instrumentation.switch_off()
    assert not hasattr(Tracer.start_span, "__wrapped__")


def test_a_span_that_its_owner_forgets(client, captured, langfuse, exporter):
    """The span of a stream that is closed early, and that nobody ends, is ended when it is dropped."""
    instrumentation.switch_on()
    span = langfuse.start_span("theirs", attributes=GENERATION)
    with client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
    assert exporter.get_finished_spans() == ()
    del span, stream
    gc.collect()
    (kept,) = exporter.get_finished_spans()
    assert (kept.name, kept.attributes["rlhf.stream.end"]) == ("theirs", "abandoned")


def test_a_span_that_its_owner_ends_late(client, captured, langfuse, exporter):
    """What the owner says after the stream has ended is on the span, which ends when and as often as its owner says."""
    instrumentation.switch_on()
    span = langfuse.start_span("theirs", attributes=GENERATION)
    with client.chat.completions.create(**ASK, stream=True) as stream:
        next(stream)
    span.set_attribute("more", 1)
    span.end(2**62)
    del span, stream
    gc.collect()
    (kept,) = exporter.get_finished_spans()
    assert (kept.attributes["more"], kept.end_time) == (1, 2**62)


@pytest.mark.parametrize(("scope", "stream", "counted"), [("logfire.openai", True, False),
                         ("logfire.openai", False, True), ("theirs", True, True)])  # fmt: skip
def test_tokens_that_are_reported_on_a_second_span(scope, stream, counted, client, captured, provider, exporter):
    """The tokens of a stream that Logfire reports on a second record are not on the first as well."""
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    with provider.get_tracer(scope).start_as_current_span("theirs", attributes=CHAT):
        list(client.chat.completions.create(**ASK, **more))
    (kept,) = exporter.get_finished_spans()
    assert ("gen_ai.usage.output_tokens" in kept.attributes) == counted
    assert '"Hi"' in kept.attributes["gen_ai.input.messages"]


def test_the_application_suppresses(client, captured):
    """A call that the application does not want to be traced is not, whatever span is around."""
    with trace.use_span(trace.INVALID_SPAN), suppress_instrumentation():
        client.chat.completions.create(**ASK)
    assert captured.spans == []
