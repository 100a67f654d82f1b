"""pydantic-ai and openai-agents, with their own tracing on and off: the tokens of a request are on one span."""

from __future__ import annotations

import json

import openai
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rlhf_otel.testing import Reply, ToolCall


def weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}"


TOOL = Reply(tool_calls=[ToolCall("weather", '{"city": "Paris"}', id="call_1")])


@pytest.fixture
def pydantic_agent(kept, llm):
    """Makes an agent of pydantic-ai."""
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    from pydantic_ai.providers.openai import OpenAIProvider

    def make(kind, instrumented):
        if kind == "openai":
            provider = OpenAIProvider(base_url=llm.openai_url, api_key="k")
            model = OpenAIChatModel("gpt-x", provider=provider)
        else:
            model = AnthropicModel("claude-x", provider=AnthropicProvider(base_url=llm.anthropic_url, api_key="k"))
        settings = InstrumentationSettings(tracer_provider=kept.tracer_provider) if instrumented else False
        agent = Agent(model, tools=[weather])
        agent.instrument = settings
        return agent

    return make


each_kind = pytest.mark.parametrize("kind", ["openai", "anthropic"])
each_tracing = pytest.mark.parametrize("instrumented", [False, True], ids=["plain", "instrumented"])


def of_models(kept):
    """The spans that say they are a call of a model."""
    return [span for span in kept.spans if span.attributes.get("gen_ai.operation.name") == "chat"]


@each_kind
@each_tracing
def test_pydantic_ai(kept, run, llm, pydantic_agent, kind, instrumented):
    """A run with a tool asks twice: two spans of a model, ours or pydantic-ai's own with what we know on them."""
    llm.script(TOOL, Reply(text="Sunny."))
    result = run(pydantic_agent(kind, instrumented).run("Weather?"))
    assert result.output == "Sunny."
    spans = of_models(kept)
    assert len(spans) == len(llm.requests) == 2
    assert [span.attributes["gen_ai.usage.output_tokens"] for span in spans] == [9, 9]
    assert all("gen_ai.output.messages" in span.attributes for span in spans)
    assert [span.instrumentation_scope.name == "pydantic-ai" for span in spans] == [instrumented] * 2


@each_kind
@each_tracing
def test_pydantic_ai_streams(kept, run, llm, pydantic_agent, kind, instrumented):
    """The same for streams."""
    llm.script(Reply(text="Hello there"))

    async def read():
        async with pydantic_agent(kind, instrumented).run_stream("Hi") as result:
            return [text async for text in result.stream_text(delta=True)]

    assert "".join(run(read())) == "Hello there"
    (span,) = of_models(kept)
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["gen_ai.usage.output_tokens"] == 9


@each_kind
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
def test_pydantic_ai_in_logfire(kept, run, llm, pydantic_agent, kind, streamed):
    """Where Logfire traces pydantic-ai, the span of the model in Logfire is the one, with what we know on it."""
    logfire = pytest.importorskip("logfire")
    exporter = InMemorySpanExporter()
    theirs = logfire.configure(
        local=True, send_to_logfire=False, console=False, inspect_arguments=False,
        additional_span_processors=[SimpleSpanProcessor(exporter)],
    )  # fmt: skip
    agent = pydantic_agent(kind, False)
    theirs.instrument_pydantic_ai(agent)
    llm.script(Reply(text="Hello there"))

    async def ask():
        if not streamed:
            return (await agent.run("Hi")).output
        async with agent.run_stream("Hi") as result:
            return "".join([text async for text in result.stream_text(delta=True)])

    assert run(ask()) == "Hello there"
    theirs.shutdown()
    spans = [s for s in exporter.get_finished_spans() if s.attributes.get("gen_ai.operation.name") == "chat"]
    (span,) = [s for s in spans if s.attributes.get("logfire.span_type") == "span"]
    assert span.attributes["gen_ai.usage.output_tokens"] == 9
    assert span.attributes["gen_ai.response.model"] in ("gpt-x", "claude-x")
    assert ("rlhf.stream.end" in span.attributes) == streamed
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Hello there"
    assert of_models(kept) == []


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "stream"])
def test_openai_agents(kept, run, llm, api, streamed):
    """A run with a tool asks twice, over either API: two spans."""
    agents = pytest.importorskip("agents")
    client = openai.AsyncOpenAI(base_url=llm.openai_url, api_key="k", max_retries=0)
    kind = agents.OpenAIChatCompletionsModel if api == "chat" else agents.OpenAIResponsesModel
    settings = agents.ModelSettings(include_usage=True)
    agent = agents.Agent(
        name="a", model=kind(model="gpt-x", openai_client=client), tools=[agents.function_tool(weather)],
        model_settings=settings,
    )  # fmt: skip
    llm.script(TOOL, Reply(text="Sunny."))

    async def ask():
        if not streamed:
            return await agents.Runner.run(agent, "Weather?")
        result = agents.Runner.run_streamed(agent, "Weather?")
        async for _ in result.stream_events():
            pass
        return result

    assert run(ask()).final_output == "Sunny."
    spans = of_models(kept)
    assert len(spans) == len(llm.requests) == 2
    assert [span.attributes["gen_ai.usage.output_tokens"] for span in spans] == [9, 9]
    (tool,) = json.loads(spans[0].attributes["gen_ai.output.messages"])[0]["parts"]
    assert tool["arguments"] == {"city": "Paris"}
