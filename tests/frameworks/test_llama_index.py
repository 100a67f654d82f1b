"""LlamaIndex over the openai SDK: a span for each request, whichever of its methods made it."""

from __future__ import annotations

import json

import pytest

from rlhf_otel.testing import Reply, ToolCall

pytest.importorskip("llama_index.llms.openai")
from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI, OpenAIResponses

HI = [ChatMessage(role="user", content="Hi")]
MODELS = {"chat": OpenAI, "responses": OpenAIResponses}
each_model = pytest.mark.parametrize("model", MODELS)


def made(llm, model="chat", **options):
    """A model of LlamaIndex's, which knows OpenAI's by their names."""
    return MODELS[model](model="gpt-4o", api_base=llm.openai_url, api_key="k", max_retries=0, **options)


def said(span):
    """Prompt and answer of a span."""
    found = [json.loads(span.attributes[f"gen_ai.{side}.messages"]) for side in ("input", "output")]
    return [messages[-1]["parts"][-1]["content"] for messages in found]


@each_model
@pytest.mark.parametrize("how", ["chat", "complete", "achat", "acomplete"])
def test_an_answer(one, run, llm, model, how):
    """Chats and completions are one call each, synchronous and asynchronous."""
    llm.script(Reply(text="Hello there"))
    ask = getattr(made(llm, model), how)
    result = ask(HI if "chat" in how else "Hi")
    answer = run(result) if how.startswith("a") else result
    assert (answer.message.content if "chat" in how else answer.text) == "Hello there"
    span = one()
    assert said(span) == ["Hi", "Hello there"]
    assert span.attributes["gen_ai.usage.output_tokens"] == 9


@each_model
@pytest.mark.parametrize("how", ["stream_chat", "stream_complete", "astream_chat", "astream_complete"])
def test_a_stream(one, run, llm, model, how):
    """Streams are one call each, with their usage where it was asked for."""
    llm.script(Reply(text="Hello there"))
    options = {"additional_kwargs": {"stream_options": {"include_usage": True}}} if model == "chat" else {}
    stream = getattr(made(llm, model, **options), how)
    given = HI if "chat" in how else "Hi"

    async def read():
        return [piece.delta async for piece in await stream(given)]

    pieces = run(read()) if how.startswith("a") else [piece.delta for piece in stream(given)]
    assert "".join(piece or "" for piece in pieces) == "Hello there"
    span = one()
    assert said(span) == ["Hi", "Hello there"]
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["rlhf.response.time_to_first_token"] > 0


@each_model
def test_a_stream_that_is_left(kept, llm, model):
    """Leaving LlamaIndex's stream ends the span."""
    llm.script(Reply(text="Hello there, and more", chunk_delay=0.02))
    stream = made(llm, model).stream_chat(HI)
    next(stream)
    stream.close()
    assert [span.attributes["rlhf.stream.end"] for span in kept.spans] == ["abandoned"]


def test_tools(one, llm):
    """A tool that the model calls, and what it answered to the next call, are two spans."""

    def weather(city: str) -> str:
        """Weather of a city."""
        return f"Sunny in {city}"

    llm.script(Reply(tool_calls=[ToolCall("weather", '{"city": "Paris"}', id="call_1")]), Reply(text="Sunny."))
    answer = made(llm).predict_and_call([FunctionTool.from_defaults(weather)], "Weather?")
    assert answer.response == "Sunny in Paris"
    span = one()
    (tool,) = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    assert (tool["name"], tool["arguments"]) == ("weather", {"city": "Paris"})
    assert [tool["name"] for tool in json.loads(span.attributes["gen_ai.tool.definitions"])] == ["weather"]
