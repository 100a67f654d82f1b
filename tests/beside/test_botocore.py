"""OpenTelemetry's instrumentation of botocore, whose spans of the Bedrock runtime follow the GenAI conventions too."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rlhf_otel.instrumentation import AioBotocoreInstrumentor, BedrockInstrumentor
from tests.libraries import case as kit
from tests.libraries import cases_aiobotocore, cases_bedrock
from tests.libraries.wire import Wire

PEER = "opentelemetry.instrumentation.botocore"
peer = pytest.importorskip(PEER, reason="no other instrumentation of botocore is installed here")

ORDERS = {"peer-first": 1, "ours-first": -1}
KINDS = {
    "sync": (BedrockInstrumentor, peer.BotocoreInstrumentor, cases_bedrock.Client),
    "async": (AioBotocoreInstrumentor, peer.AiobotocoreInstrumentor, cases_aiobotocore.Client),
}
LIBRARIES = {"sync": cases_bedrock.LIBRARY, "async": cases_aiobotocore.LIBRARY}
CASES = [
    pytest.param(kind, case, id=f"{kind}-{case.name}") for kind, library in LIBRARIES.items() for case in library.cases
]
each_case = pytest.mark.parametrize(("kind", "case"), CASES)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def wire():
    """The service."""
    server = Wire()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def with_content(monkeypatch):
    """Instrumentors that are wired by hand record content where OpenTelemetry's variable says so."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_ONLY")


@pytest.fixture
def run(wire):
    """Makes the call of a case with the given instrumentations on: what came of it, and the spans."""

    def made(kind, case, *instrumentors):
        kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(kept))
        switched_on = [instrumentor() for instrumentor in instrumentors]
        for one in switched_on:
            one.instrument(tracer_provider=provider, skip_dep_check=True)
        wire.tell(*case.answers)
        try:
            return asyncio.run(outcome(case, KINDS[kind][2](wire.url))), kept.get_finished_spans()
        finally:
            for one in reversed(switched_on):
                one.uninstrument()

    return made


async def outcome(case, client):
    """What the application gets, or the exception; a stream of the peer's is read through, whatever its type."""
    try:
        result = await kit.outcome(case, client)
        return result[0] if case.stream else result
    except Exception as error:
        return type(error).__qualname__, str(error)  # botocore makes the classes of its errors for each client
    finally:
        if hasattr(client, "aclose"):
            await client.aclose()


def about_a_model(spans):
    """The spans that any reader would take for a call to a model."""
    return [span for span in spans if "gen_ai.operation.name" in span.attributes]


@each_case
@pytest.mark.parametrize("order", ORDERS)
def test_one_span_for_a_call(order, kind, case, run):
    """A call is one span: the peer's with what we know on it; ours where the peer sees a request like any other."""
    ours, theirs, _ = KINDS[kind]
    alone, before = run(kind, case, theirs)
    both, spans = run(kind, case, *(theirs, ours)[:: ORDERS[order]])
    assert both == alone
    (span,) = about_a_model(spans)
    assert span.instrumentation_scope.name.startswith(PEER) == (kind == "sync")
    assert [other.name for other in spans if other is not span] == [other.name for other in before if kind == "async"]
    if case.stream:
        assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["gen_ai.request.model"] == case.attributes["gen_ai.request.model"]
    asked = {name: json.loads(span.attributes[kit.CONTENT[name]]) for name in case.content}
    assert asked == case.content
    for other in about_a_model(before):  # the peer alone ends no stream of a model that it does not know
        assert other.attributes.keys() <= span.attributes.keys()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_that_is_refused(kind, order, run):
    """A refusal is one span too, and the application's exception is its own."""
    ours, theirs, _ = KINDS[kind]
    case = dataclasses.replace(LIBRARIES[kind].cases[0], answers=[LIBRARIES[kind].refusal])
    alone, _ = run(kind, case, theirs)
    both, spans = run(kind, case, *(theirs, ours)[:: ORDERS[order]])
    assert both == alone
    (span,) = about_a_model(spans)
    assert span.attributes["error.type"] == "ValidationException"


@pytest.mark.parametrize("order", ORDERS)
def test_switched_off_the_library_is_its_own_again(order, run):
    """Whichever of both is switched off first, nothing of either is left in the library."""
    method = peer.BaseClient._make_api_call
    ours, theirs = BedrockInstrumentor(), peer.BotocoreInstrumentor()
    for one in (theirs, ours)[:: ORDERS[order]]:
        one.instrument(skip_dep_check=True)
    for one in (theirs, ours):
        one.uninstrument()
    assert peer.BaseClient._make_api_call is method
