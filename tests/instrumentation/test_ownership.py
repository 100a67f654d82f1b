"""One span per call, whoever else traces it: the SDK itself, another instrumentation, or the HTTP client."""

from __future__ import annotations

import json

import anthropic
import openai
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.trace import SpanKind, StatusCode

import rlhf_otel as rlhf
from rlhf_otel import feedback, instrumentation
from rlhf_otel.testing import Reply

from .conftest import CLASSES
from .shapes import each, entered, settle

ASK = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
kinds = pytest.mark.parametrize("kind", ["sync", "async"])
traces_itself = pytest.mark.skipif(
    not hasattr(anthropic._base_client.BaseClient, "_set_open_telemetry"), reason="this anthropic does not trace itself"
)


@pytest.fixture
def global_provider(provider, monkeypatch):
    """The same as the global one."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return provider


def make(kind, llm, **options):
    """A client of anthropic."""
    return CLASSES[anthropic][kind == "async"](base_url=llm.anthropic_url, api_key="k", max_retries=0, **options)


def said(span):
    """The text of the answer on a span."""
    return [part["content"] for m in json.loads(span.attributes["gen_ai.output.messages"]) for part in m["parts"]]


async def plain(client):
    return await settle(client.messages.create(**ASK))


async def stream(client):
    made = await settle(client.messages.create(**ASK, stream=True))
    async for _ in each(made):
        pass
    return made


async def helper(client):
    async with entered(client.messages.stream(**ASK)) as made:
        return await settle(made.get_final_message())


WAYS = pytest.mark.parametrize("way", [plain, stream, helper], ids=lambda way: way.__name__)


# --- anthropic traces by itself -----------------------------------------------------------------------------------


@traces_itself
@kinds
@WAYS
def test_ours_alone_by_default(way, kind, llm, run, captured, global_provider, exporter):
    """Nobody asked the SDK to trace: there is our span, and none of the SDK's, even where a global provider is set."""
    llm.script(Reply(text="Hello."))
    run(kind, way(make(kind, llm)))
    (span,) = captured.spans
    assert (span.name, said(span)) == ("chat claude", ["Hello."])
    assert exporter.get_finished_spans() == ()


@traces_itself
def test_the_sdk_traces_what_we_do_not(llm, captured, global_provider, exporter):
    """Calls that we do not record are traced by the SDK as ever."""
    client = make("sync", llm)
    client.models.list()
    assert captured.spans == []
    assert len(exporter.get_finished_spans()) == 1


CHOICES = {
    "provider": lambda kind, llm, provider: make(kind, llm, open_telemetry={"tracer_provider": provider}),
    "empty": lambda kind, llm, provider: make(kind, llm, open_telemetry={}),
    "traces": lambda kind, llm, provider: make(kind, llm, open_telemetry={"traces": True}),
    "copy": lambda kind, llm, provider: make(kind, llm, open_telemetry={"tracer_provider": provider}).with_options(
        timeout=20
    ),
}


@traces_itself
@kinds
@WAYS
@pytest.mark.parametrize("choice", CHOICES)
def test_the_sdks_span_is_adopted(choice, way, kind, llm, run, captured, provider, global_provider, exporter):
    """A client that was told to trace makes the one span, with our attributes on it, and handles point at it."""
    llm.script(Reply(text="Hello there."))

    async def use():
        return await way(CHOICES[choice](kind, llm, provider)), rlhf.last()

    result, last = run(kind, use())
    (span,) = exporter.get_finished_spans()
    assert captured.spans == []
    assert (span.name, span.instrumentation_scope.name) == ("anthropic.messages.create", "com.anthropic.sdk.python")
    assert said(span) == ["Hello there."]
    assert '"Hi"' in span.attributes["gen_ai.input.messages"]
    assert ("rlhf.response.output_tokens_per_second" in span.attributes) == (way is not plain)
    assert last.span_id == rlhf.handle(result).span_id == f"{span.context.span_id:016x}"
    feedback.record(result, True)
    assert [record.span_id for record in captured.logs] == [span.context.span_id]


@traces_itself
@kinds
def test_errors_on_the_sdks_span(kind, llm, run, captured, provider, exporter):
    """A call that fails is one span, the SDK's, with its error."""
    llm.script(Reply(status=400, error="not today"))
    with pytest.raises(anthropic.BadRequestError):
        run(kind, plain(make(kind, llm, open_telemetry={"tracer_provider": provider})))
    (span,) = exporter.get_finished_spans()
    assert captured.spans == []
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"]
    assert '"Hi"' in span.attributes["gen_ai.input.messages"]


@traces_itself
def test_an_abandoned_stream_on_the_sdks_span(llm, captured, provider, exporter):
    """A stream that is left early is one span, the SDK's, which says so and holds what had come."""
    llm.script(Reply(chunks=["one", " two"], chunk_delay=60))
    with make("sync", llm, open_telemetry={"tracer_provider": provider}).messages.create(**ASK, stream=True) as made:
        for event in made:
            if event.type == "content_block_delta":
                break
    (span,) = exporter.get_finished_spans()
    assert (captured.spans, span.attributes["rlhf.stream.end"], said(span)) == ([], "abandoned", ["one"])


@traces_itself
@pytest.mark.parametrize("option", [False, {"traces": False}])
def test_tracing_that_is_switched_off(option, llm, captured, global_provider, exporter):
    """A client that was told not to trace is recorded by us, and by nobody else."""
    make("sync", llm, open_telemetry=option).messages.create(**ASK)
    assert len(captured.spans) == 1
    assert exporter.get_finished_spans() == ()


@traces_itself
def test_afterwards_the_sdk_traces_as_before(llm, captured, global_provider, exporter):
    """Once we are switched off a client that was made meanwhile traces by itself again."""
    client = make("sync", llm)
    client.messages.create(**ASK)
    instrumentation.switch_off()
    client.messages.create(**ASK)
    assert len(captured.spans) == 1
    assert [span.name for span in exporter.get_finished_spans()] == ["anthropic.messages.create"]


# --- Another instrumentation --------------------------------------------------------------------------------------

VOCABULARIES = {
    "conventions": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "theirs"},
    "openinference": {"openinference.span.kind": "LLM"},
    "openllmetry": {"llm.request.type": "chat"},
}


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (SpanKind.CLIENT, 0),
        (SpanKind.INTERNAL, 0),
        (SpanKind.SERVER, 1),
        (SpanKind.CONSUMER, 1),
        (SpanKind.PRODUCER, 1),
    ],
)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_only_spans_of_callers_are_adopted(vocabulary, kind, ours, llm, captured, provider):
    """A gateway's server span that is about the same call is the parent of ours."""
    with provider.get_tracer("theirs").start_as_current_span("x", kind=kind, attributes=VOCABULARIES[vocabulary]):
        make("sync", llm).messages.create(**ASK)
    assert len(captured.spans) == ours


@kinds
@pytest.mark.parametrize("ends", ["before", "after"])
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_another_instrumentations_span_is_adopted(vocabulary, ends, kind, llm, run, captured, provider, exporter):
    """A client span around the call that says it is this call gets our attributes, and keeps name and scope."""
    llm.script(Reply(text="Hello there."))
    tracer = provider.get_tracer("theirs")
    attributes = VOCABULARIES[vocabulary]

    async def use():
        span = tracer.start_span("their chat", kind=SpanKind.CLIENT, attributes=attributes)
        with trace.use_span(span, end_on_exit=ends == "before"):
            made = await settle(make(kind, llm).messages.create(**ASK, stream=True))
        async for _ in each(made):
            pass
        if ends == "after":
            span.end()
        return made

    made = run(kind, use())
    (span,) = exporter.get_finished_spans()
    assert captured.spans == []
    assert (span.name, span.instrumentation_scope.name, said(span)) == ("their chat", "theirs", ["Hello there."])
    assert {key: span.attributes[key] for key in attributes} == attributes
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert rlhf.handle(made).span_id == f"{span.context.span_id:016x}"


def test_a_span_is_adopted_once(llm, captured, provider, exporter):
    """Two calls beneath one span that looks like a call: the first is that span, the second has its own."""
    client = make("sync", llm)
    with provider.get_tracer("theirs").start_as_current_span(
        "x", kind=SpanKind.CLIENT, attributes=VOCABULARIES["conventions"]
    ):
        client.messages.create(**ASK)
        client.messages.create(**ASK)
    assert (len(captured.spans), len(exporter.get_finished_spans())) == (1, 1)


@pytest.mark.parametrize(
    "attributes", [{}, {"gen_ai.operation.name": "invoke_agent"}, {"openinference.span.kind": "CHAIN"}]
)
def test_spans_around_are_parents(attributes, llm, captured, provider):
    """A span of the application or of an agent around the call is the parent of ours."""
    with provider.get_tracer("theirs").start_as_current_span("around", attributes=attributes) as around:
        make("sync", llm).messages.create(**ASK)
    (span,) = captured.spans
    assert span.parent.span_id == around.get_span_context().span_id


def test_the_application_does_not_see_our_span(llm, captured):
    """After a call, and between the chunks of a stream, our span is not the current one."""
    client = make("sync", llm)
    client.messages.create(**ASK)
    assert trace.get_current_span() is trace.INVALID_SPAN
    for _ in client.messages.create(**ASK, stream=True):
        assert trace.get_current_span() is trace.INVALID_SPAN


def test_http_spans_are_beneath(llm, captured):
    """A span that the HTTP client's instrumentation makes is a child of ours."""
    tracer = captured.tracer_provider.get_tracer("http")

    def on_request(request):
        tracer.start_span("POST", kind=SpanKind.CLIENT).end()

    with anthropic.DefaultHttpxClient(event_hooks={"request": [on_request]}) as http:
        make("sync", llm, http_client=http).messages.create(**ASK)
    by_name = {span.name: span for span in captured.spans}
    assert by_name["POST"].parent.span_id == by_name["chat claude"].context.span_id


def test_suppressed(llm, captured, global_provider, exporter):
    """OpenTelemetry's `suppress_instrumentation` is respected, and the call made."""
    with suppress_instrumentation():
        assert make("sync", llm).messages.create(**ASK).content
    assert captured.spans == []


# --- Who answers --------------------------------------------------------------------------------------------------

HOSTS = {
    "https://api.openai.com/v1": "openai",
    "https://api.deepseek.com": "deepseek",
    "https://api.groq.com/openai/v1": "groq",
    "https://api.mistral.ai/v1": "mistral_ai",
    "https://api.x.ai/v1": "x_ai",
    "https://api.perplexity.ai": "perplexity",
    "https://shop.openai.azure.com/openai": "azure.ai.openai",
    "http://localhost:8000/v1": "openai",
}


@pytest.mark.parametrize("url", HOSTS)
def test_provider_names(url, captured):
    """The provider is named by the host that the client talks to; an unknown host counts as openai."""
    port = {"http": 80, "https": 443}[url.partition(":")[0]]

    def refuse(request):
        raise ConnectionError("no network in tests")

    with openai.DefaultHttpxClient(event_hooks={"request": [refuse]}) as http:
        client = openai.OpenAI(base_url=url, api_key="k", http_client=http, max_retries=0)
        with pytest.raises((openai.APIConnectionError, ConnectionError)):
            client.chat.completions.create(model="m", messages=[])
    (span,) = captured.spans
    assert span.attributes["gen_ai.provider.name"] == HOSTS[url]
    host = url.split("/")[2]
    assert (span.attributes["server.address"], span.attributes["server.port"]) == (
        host.partition(":")[0], 8000 if ":" in host else port)  # fmt: skip


def test_azure(llm, captured):
    """The client for Azure is named as such, and its deployment paths are read like any other."""
    client = openai.AzureOpenAI(
        azure_endpoint=llm.url, api_key="k", api_version="2024-10-21", azure_deployment="mine", max_retries=0
    )
    llm.script(Reply(text="Hello."))
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    (span,) = captured.spans
    assert (span.attributes["gen_ai.provider.name"], said(span)) == ("azure.ai.openai", ["Hello."])


def test_a_client_that_has_no_hash_while_it_is_made(llm, captured):
    """A subclass may hash by what it sets after the SDK's constructor; it is made and recorded as any other."""

    class Tenants(anthropic.Anthropic):
        def __init__(self, tenant):
            super().__init__(base_url=llm.url, api_key="k", max_retries=0)
            self.tenant = tenant

        def __eq__(self, other):
            return self is other

        def __hash__(self):
            return hash(self.tenant)

    with Tenants("a") as client:
        client.messages.create(**ASK)
    assert [i.status for i in captured.interactions] == ["unset"]
