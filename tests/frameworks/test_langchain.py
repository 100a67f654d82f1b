"""LangChain over the openai and anthropic SDKs: a span for each request, alone or beneath OpenInference's spans."""

from __future__ import annotations

import asyncio
import json

import pytest

from rlhf_otel.testing import Reply, ToolCall

pytest.importorskip("langchain_openai")
pytest.importorskip("langchain_anthropic")
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings


@tool
def weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}"


def openai_model(llm, **options):
    return ChatOpenAI(model="gpt-x", base_url=llm.openai_url, api_key="k", max_retries=0, stream_usage=True, **options)


def anthropic_model(llm, **options):
    return ChatAnthropic(model="claude-x", base_url=llm.anthropic_url, api_key="k", max_retries=0, **options)


MODELS = {"openai": openai_model, "responses": lambda llm: openai_model(llm, use_responses_api=True),
          "anthropic": anthropic_model}  # fmt: skip
each_model = pytest.mark.parametrize("model", MODELS)
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])


@each_model
@each_kind
def test_invoke(one, run, llm, model, kind):
    """Prompt and answer are on the one span, and LangChain's message is as ever."""
    llm.script(Reply(text="Hello there"))
    made = MODELS[model](llm)
    answer = made.invoke("Hi") if kind == "sync" else run(made.ainvoke("Hi"))
    assert type(answer) is AIMessage
    assert answer.text == "Hello there"
    assert answer.usage_metadata["output_tokens"] == 9
    span = one()
    assert span.attributes["gen_ai.usage.output_tokens"] == 9
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"] == [
        {"type": "text", "content": "Hello there"}
    ]


@each_model
@each_kind
def test_stream(one, run, llm, model, kind):
    """LangChain asks for the usage of its streams; chunks and span have it, once."""
    llm.script(Reply(text="Hello there"))
    made = MODELS[model](llm)

    async def read():
        return [chunk async for chunk in made.astream("Hi")]

    chunks = list(made.stream("Hi")) if kind == "sync" else run(read())
    assert {type(chunk) for chunk in chunks} == {AIMessageChunk}
    assert "".join(chunk.text for chunk in chunks) == "Hello there"
    span = one()
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["gen_ai.usage.output_tokens"] == 9


@each_model
def test_a_stream_that_is_left(kept, llm, model):
    """Leaving LangChain's stream ends the span."""
    llm.script(Reply(text="Hello there, and more", chunk_delay=0.02))
    stream = MODELS[model](llm).stream("Hi")
    while not next(stream).text:
        pass
    stream.close()
    assert [span.attributes["rlhf.stream.end"] for span in kept.spans] == ["abandoned"]


@each_model
def test_tools(one, llm, model):
    """A tool that the model calls, and what it answered to the next call, are two spans."""
    llm.script(Reply(tool_calls=[ToolCall("weather", '{"city": "Paris"}', id="call_1")]), Reply(text="Sunny."))
    made = MODELS[model](llm).bind_tools([weather])
    asked = made.invoke("Weather?")
    assert asked.tool_calls[0]["args"] == {"city": "Paris"}
    made.invoke([("human", "Weather?"), asked, weather.invoke(asked.tool_calls[0])])
    span = one(2)
    tools = json.loads(span.attributes["gen_ai.tool.definitions"])
    assert [(one["name"], one["description"]) for one in tools] == [("weather", "Weather of a city.")]
    told = [part for m in json.loads(span.attributes["gen_ai.input.messages"]) for part in m["parts"]]
    assert [part["response"] for part in told if part["type"] == "tool_call_response"] == ["Sunny in Paris"]


@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_structured_output(one, llm, model):
    """Structured output by a function is one call, whose arguments are the answer."""
    from pydantic import BaseModel

    class City(BaseModel):
        """A city."""

        name: str

    llm.script(Reply(tool_calls=[ToolCall("City", '{"name": "Paris"}', id="call_1")]))
    made = MODELS[model](llm).with_structured_output(City, method="function_calling")
    assert made.invoke("Capital of France?") == City(name="Paris")
    (part,) = json.loads(one().attributes["gen_ai.output.messages"])[0]["parts"]
    assert (part["name"], part["arguments"]) == ("City", {"name": "Paris"})


def test_batches_and_parallel_runs(one, llm):
    """Calls that LangChain makes on threads of its own are as many spans."""
    llm.script(*(Reply(text="Hello there") for _ in range(4)))
    assert len(openai_model(llm).batch(["a", "b", "c", "d"])) == 4
    one(4)


def test_embeddings(one, llm):
    """Embeddings are a span for each request."""
    made = OpenAIEmbeddings(
        model="emb", base_url=llm.openai_url, api_key="k", check_embedding_ctx_length=False, max_retries=0
    )
    assert len(made.embed_documents(["Hi", "Ho"])) == 2
    assert one().name == "embeddings emb"


@pytest.fixture
def openinference(kept):
    """OpenInference's spans of LangChain, in the same traces."""
    pytest.importorskip("openinference.instrumentation.langchain")
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument(tracer_provider=kept.tracer_provider, skip_dep_check=True)
    yield
    LangChainInstrumentor().uninstrument()


def asked(llm, run, how):
    """Makes one call, in one of LangChain's ways."""
    llm.script(Reply(text="Hello there"))
    made = openai_model(llm)
    if how == "stream":
        assert "".join(chunk.text for chunk in made.stream("Hi")) == "Hello there"
    elif how == "invoke":
        assert made.invoke("Hi").text == "Hello there"
    else:
        assert run(made.ainvoke("Hi")).text == "Hello there"


each_way = pytest.mark.parametrize("how", ["invoke", "stream", "ainvoke"])


@each_way
def test_beneath_openinference(kept, run, llm, openinference, how):
    """Where OpenInference has a span for LangChain's run of a model, that is the one, and ours are its attributes."""
    asked(llm, run, how)
    (span,) = kept.spans
    assert span.name == "ChatOpenAI"
    assert span.attributes["openinference.span.kind"] == "LLM"
    assert span.attributes["gen_ai.usage.output_tokens"] == 9
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Hello there"


def test_many_runs_beneath_openinference(kept, run, llm, openinference):
    """Of runs that are under way together each call finds its own."""
    llm.script(*(Reply(text=f"Answer {number}") for number in range(4)))

    async def ask():
        return await asyncio.gather(*(openai_model(llm).ainvoke("Hi") for _ in range(4)))

    answers = run(ask())
    assert sorted(answer.text for answer in answers) == ["Answer 0", "Answer 1", "Answer 2", "Answer 3"]
    assert len(kept.spans) == 4
    for span in kept.spans:
        told = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"]
        assert told in span.attributes["output.value"]


def test_beneath_openllmetry(kept, run, llm):
    """The same beneath OpenLLMetry's, which can be switched on once in a process."""
    pytest.importorskip("opentelemetry.instrumentation.langchain")
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    LangchainInstrumentor().instrument(tracer_provider=kept.tracer_provider, skip_dep_check=True)
    try:
        for how in ("invoke", "stream", "ainvoke"):
            asked(llm, run, how)
    finally:
        LangchainInstrumentor().uninstrument()
    spans = [span for span in kept.spans if "gen_ai.usage.input_tokens" in span.attributes]
    assert len(spans) == 3
    for span in spans:
        assert span.instrumentation_scope.name == "opentelemetry.instrumentation.langchain"
        assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == "Hello there"
