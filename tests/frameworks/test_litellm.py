"""litellm, which hands some calls to the openai SDK and makes others itself: one span each."""

from __future__ import annotations

import asyncio
import json

import pytest

from rlhf_otel import instrumentation
from rlhf_otel.testing import Reply, ToolCall, capture

litellm = pytest.importorskip("litellm")
HI = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "weather", "description": "Weather of a city", "parameters": {"type": "object", "properties": {}}}
SDK, OWN = "openai/gpt-x", "anthropic/claude-x"
"""A model that litellm asks through the openai SDK, and one that it asks itself."""

litellm.suppress_debug_info = True


def where(llm, model):
    """The arguments that send the calls of `model` to the fake provider."""
    return {"model": model, "api_base": llm.openai_url if model == SDK else llm.anthropic_url, "api_key": "k"}


def said(span):
    """Prompt and answer of a span."""
    found = [json.loads(span.attributes[f"gen_ai.{side}.messages"]) for side in ("input", "output")]
    return [messages[-1]["parts"][-1]["content"] for messages in found]


each_model = pytest.mark.parametrize(("model", "provider"), [(SDK, "openai"), (OWN, "anthropic")])
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])


def completed(kind, **given):
    """A completion; of a stream all chunks."""
    if kind == "sync":
        result = litellm.completion(messages=HI, **given)
        return list(result) if given.get("stream") else result

    async def ask():
        result = await litellm.acompletion(messages=HI, **given)
        return [chunk async for chunk in result] if given.get("stream") else result

    return asyncio.run(ask())


@each_model
@each_kind
def test_a_completion(kept, llm, one, model, provider, kind):
    """One span with usage, by whichever way the request was made, and the result is litellm's own."""
    llm.script(Reply(text="Hello there"))
    result = completed(kind, **where(llm, model))
    assert type(result) is litellm.ModelResponse
    assert result.choices[0].message.content == "Hello there"
    span = one()
    assert span.name == f"chat {model.partition('/')[2]}"
    assert span.attributes["gen_ai.provider.name"] == provider
    assert span.attributes["gen_ai.usage.output_tokens"] == 9
    assert said(span) == ["Hi", "Hello there"]


@each_kind
def test_a_stream_of_its_own(kept, llm, one, kind):
    """A stream that litellm reads itself is followed chunk by chunk; usage that the application never sees is read."""
    llm.script(Reply(text="Hello there"))
    chunks = completed(kind, stream=True, **where(llm, OWN))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello there"
    span = one()
    assert said(span) == ["Hi", "Hello there"]
    assert span.attributes["gen_ai.usage.output_tokens"] == 9
    assert span.attributes["rlhf.stream.end"] == "completed"
    assert span.attributes["rlhf.stream.chunks"] == len(chunks)
    assert span.attributes["rlhf.response.time_to_first_token"] > 0


@each_kind
def test_a_stream_of_the_sdk(kept, llm, one, kind):
    """A stream that the openai SDK reads is recorded there, and once."""
    llm.script(Reply(text="Hello there"))
    completed(kind, stream=True, stream_options={"include_usage": True}, **where(llm, SDK))
    assert said(one()) == ["Hi", "Hello there"]


@pytest.mark.parametrize("leave", ["close", "drop"])
def test_a_stream_that_is_left(kept, llm, leave):
    """Closing or dropping the stream ends the span."""
    llm.script(Reply(text="Hello there, and more", chunk_delay=0.02))
    stream = litellm.completion(messages=HI, stream=True, **where(llm, OWN))
    assert type(stream) is litellm.CustomStreamWrapper
    next(stream)
    if leave == "close":
        stream.close()
    instrumentation.end_open_streams()
    assert [span.attributes["rlhf.stream.end"] for span in kept.spans] == ["abandoned"]


def test_tools(kept, llm, one):
    """Tools, and the model's call of one, are on the span."""
    llm.script(Reply(tool_calls=[ToolCall("weather", '{"city": "Paris"}', id="call_1")]))
    litellm.completion(messages=HI, tools=[{"type": "function", "function": TOOL}], **where(llm, OWN))
    span = one()
    assert json.loads(span.attributes["gen_ai.tool.definitions"]) == [{"type": "function", **TOOL}]
    (part,) = json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"]
    assert part == {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}


@each_model
def test_what_is_refused(kept, llm, model, provider):
    """The exception is litellm's, and the span tells it."""
    llm.script(Reply(status=400, error="no"))
    with pytest.raises(litellm.BadRequestError):
        completed("sync", **where(llm, model))
    (span,) = kept.spans
    assert span.attributes["error.type"] == "BadRequestError"
    assert span.attributes["http.response.status_code"] == 400


@each_model
def test_other_functions(kept, llm, one, model, provider):
    """Legacy completions and responses are one call each, whatever litellm makes of them."""
    prefix = "text-completion-" if model == SDK else ""
    asked = where(llm, model)
    litellm.text_completion(prompt="Hi", **{**asked, "model": prefix + model})
    assert one().name.startswith("text_completion ")
    llm.script(Reply(text="Hello there"))
    litellm.responses(input="Hi", **asked)
    assert said(one(2)) == ["Hi", "Hello there"]
    llm.script(Reply(text="Hello there"))
    list(litellm.responses(input="Hi", stream=True, **asked))
    assert said(one(3)) == ["Hi", "Hello there"]


@pytest.mark.parametrize("model", ["openai/emb", "jina_ai/emb"])
def test_embeddings(kept, llm, one, model):
    """Embeddings have their size and their count; the vectors stay with the application."""
    litellm.embedding(model, input=["Hi"], api_base=llm.openai_url, api_key="k")
    asyncio.run(litellm.aembedding(model, input=["Hi"], api_base=llm.openai_url, api_key="k"))
    span = one(2)
    assert span.name == "embeddings emb"
    assert span.attributes["gen_ai.embeddings.dimension.count"] == 8
    assert "gen_ai.usage.output_tokens" not in span.attributes


def test_switched_off(llm):
    """litellm's functions and streams are its own again."""
    before = litellm.completion, vars(litellm.CustomStreamWrapper)["__next__"]
    instrumentation.switch_on(("litellm",))
    assert litellm.completion is not before[0]
    instrumentation.switch_off(("litellm",))
    assert (litellm.completion, vars(litellm.CustomStreamWrapper)["__next__"]) == before
    with capture() as kept:
        litellm.completion(messages=HI, **where(llm, OWN))
    assert kept.spans == []
