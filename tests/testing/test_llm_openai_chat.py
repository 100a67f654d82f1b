"""The real OpenAI client against the fake: chat and legacy completions, embeddings, models."""

from __future__ import annotations

import asyncio

import openai
import pydantic
import pytest

from rlhf_otel.testing import Reply, ToolCall, Usage
from rlhf_otel.testing.reply import CANNED_TEXT

ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


class City(pydantic.BaseModel):
    """What the structured-output tests ask for."""

    name: str
    country: str


def text_of(chunks, choice=0):
    """The text that the chunks of a stream give to one choice."""
    return "".join(entry.delta.content or "" for chunk in chunks for entry in chunk.choices if entry.index == choice)


def test_an_unscripted_request_gets_the_canned_reply(openai_client):
    """Without a script every chat request is answered with the canned sentence and the model asked for."""
    answer = openai_client.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == CANNED_TEXT
    assert (answer.model, answer.id, answer.choices[0].finish_reason) == ("gpt-5", "chatcmpl-1", "stop")


def test_every_field_of_a_plain_reply_arrives(llm, openai_client):
    """What the script says of a plain answer stands where the SDK's types have it."""
    usage = Usage(input=50, output=20, cached=10, reasoning=8)
    llm.script(
        Reply(
            text="Paris.",
            reasoning="France, then.",
            usage=usage,
            model="gpt-5-2025",
            id="chatcmpl-x",
            finish_reason="length",
            service_tier="flex",
            system_fingerprint="fp_1",
        )
    )
    answer = openai_client.chat.completions.create(**ASK)
    assert (answer.id, answer.model, answer.service_tier, answer.system_fingerprint) == (
        "chatcmpl-x",
        "gpt-5-2025",
        "flex",
        "fp_1",
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.model_extra["reasoning_content"] == "France, then."
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (usage.input, usage.output)
    assert answer.usage.prompt_tokens_details.cached_tokens == usage.cached
    assert answer.usage.completion_tokens_details.reasoning_tokens == usage.reasoning


def test_a_stream_opens_with_the_role_and_ends_without_usage(llm, openai_client):
    """A stream is a role-only chunk, the pieces, and a finish reason; usage is only sent where it is asked for."""
    llm.script(Reply(chunks=["Par", "is", "."]))
    chunks = list(openai_client.chat.completions.create(**ASK, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Par", "is", ".", None]
    assert [chunk.choices[0].delta.role for chunk in chunks] == ["assistant", None, None, None, None]
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * 4 + ["stop"]
    assert all(chunk.usage is None for chunk in chunks)


def test_usage_comes_in_a_last_chunk_without_choices(llm, openai_client):
    """With include_usage the last chunk has the usage and no choice, and the others have none."""
    llm.script(Reply(text="Paris.", usage=Usage(input=7, output=3)))
    chunks = list(openai_client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.total_tokens) == (7, 10)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_role_can_come_with_the_first_piece(llm, openai_client):
    """With role_first off the first chunk has both the role and content."""
    llm.script(Reply(text="Paris it is", role_first=False))
    first, *_ = openai_client.chat.completions.create(**ASK, stream=True)
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "Paris")


@pytest.mark.parametrize("stream", [False, True])
def test_n_choices_have_a_text_each(llm, openai_client, stream):
    """With n=2 each choice has its own text, plain or interleaved in one stream."""
    texts = ["Paris of course", "It is Paris"]
    llm.script(Reply(text=texts))
    answer = openai_client.chat.completions.create(**ASK, n=2, stream=stream)
    if stream:
        chunks = list(answer)
        got = [text_of(chunks, choice) for choice in range(2)]
        contents = [chunk.choices[0].index for chunk in chunks if chunk.choices[0].delta.content]
        assert contents == [0, 1, 0, 1, 0, 1]
    else:
        got = [choice.message.content for choice in answer.choices]
    assert got == texts


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_are_assembled_by_the_sdk(llm, openai_client, stream):
    """Two tool calls come out of a plain answer and out of the stream helper with names, ids and arguments."""
    calls = [ToolCall("weather", '{"city": "Paris"}', "call_a"), ToolCall("time", '{"zone": "CET"}', "call_b")]
    llm.script(Reply(tool_calls=calls))
    if stream:
        with openai_client.chat.completions.stream(**ASK) as events:
            answer = events.get_final_completion()
    else:
        answer = openai_client.chat.completions.create(**ASK)
    message = answer.choices[0].message
    assert [(call.function.name, call.function.arguments, call.id) for call in message.tool_calls] == calls
    assert message.content is None
    assert answer.choices[0].finish_reason == "tool_calls"


def test_reasoning_streams_before_the_text(llm, openai_client):
    """The pieces of reasoning_content come before the first piece of content and add up."""
    llm.script(Reply(text="Paris", reasoning="It is in France."))
    deltas = [chunk.choices[0].delta for chunk in openai_client.chat.completions.create(**ASK, stream=True)]
    kinds = ["reasoning" if "reasoning_content" in (d.model_extra or {}) else "text" for d in deltas if d.content != ""]
    assert kinds == sorted(kinds)
    assert "".join((d.model_extra or {}).get("reasoning_content", "") for d in deltas) == "It is in France."


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_has_no_content(llm, openai_client, stream):
    """A refusal arrives in its own field, plain and through the stream helper."""
    llm.script(Reply(refusal="I will not say."))
    if stream:
        with openai_client.chat.completions.stream(**ASK) as events:
            message = events.get_final_completion().choices[0].message
    else:
        message = openai_client.chat.completions.create(**ASK).choices[0].message
    assert (message.refusal, message.content or None) == ("I will not say.", None)


@pytest.mark.parametrize("stream", [False, True])
def test_structured_output_is_the_scripted_text(llm, openai_client, stream):
    """`.parse()` and `.stream()` with a response format turn the scripted JSON into the model class."""
    llm.script(Reply(text='{"name": "Paris", "country": "France"}'))
    if stream:
        with openai_client.chat.completions.stream(**ASK, response_format=City) as events:
            answer = events.get_final_completion()
    else:
        answer = openai_client.chat.completions.parse(**ASK, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris", country="France")
    assert llm.requests[0].body["response_format"]["type"] == "json_schema"


def test_raw_responses_show_the_headers(llm, openai_client):
    """with_raw_response gives the usual and the scripted headers beside the parsed answer."""
    llm.script(Reply(text="Paris.", headers={"X-RateLimit-Remaining-Requests": "9"}))
    raw = openai_client.chat.completions.with_raw_response.create(**ASK)
    assert (raw.headers["x-request-id"], raw.headers["openai-processing-ms"]) == ("req_1", "5")
    assert raw.headers["x-ratelimit-remaining-requests"] == "9"
    assert raw.parse().choices[0].message.content == "Paris."


def test_streaming_raw_responses_hand_out_the_wire(llm, openai_client):
    """with_streaming_response shows the event stream as it is, closed by [DONE]."""
    llm.script(Reply(text="Paris."))
    with openai_client.chat.completions.with_streaming_response.create(**ASK, stream=True) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


def test_the_async_client_gets_the_same(llm):
    """The asynchronous client reads plain answers and streams like the synchronous one."""
    llm.script(Reply(text="Paris."), Reply(text="It is Paris."))

    async def ask():
        async with openai.AsyncOpenAI(
            base_url=llm.openai_url, api_key="test", _strict_response_validation=True
        ) as client:
            plain = await client.chat.completions.create(**ASK)
            stream = await client.chat.completions.create(**ASK, stream=True)
            return plain.choices[0].message.content, text_of([chunk async for chunk in stream])

    assert asyncio.run(ask()) == ("Paris.", "It is Paris.")


def test_azure_paths_are_answered(llm):
    """The deployment paths of an Azure client reach the same endpoint."""
    llm.script(Reply(text="Paris."))
    with openai.AzureOpenAI(azure_endpoint=llm.url, api_key="test", api_version="2024-10-21") as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "Paris."
    assert llm.requests[0].query == {"api-version": "2024-10-21"}


def test_usage_can_be_left_out(llm, openai_client):
    """A reply without usage sends none, plain or streamed, as some compatible servers do."""
    llm.script(Reply(usage=None), Reply(usage=None))
    assert openai_client.chat.completions.create(**ASK).usage is None
    chunks = list(openai_client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert [chunk.usage for chunk in chunks if chunk.usage] == []
    assert all(chunk.choices for chunk in chunks)


def test_legacy_completions_plain_and_streamed(llm, openai_client):
    """The old endpoint answers with text choices, whole or in pieces that add up."""
    llm.script(Reply(text="Paris."), Reply(text="It is Paris."))
    plain = openai_client.completions.create(model="davinci", prompt="The capital is")
    assert (plain.choices[0].text, plain.object, plain.id) == ("Paris.", "text_completion", "cmpl-1")
    loose = openai_client.with_options()
    loose._strict_response_validation = False  # the real API sends null finish reasons that the SDK's type forbids
    pieces = [chunk.choices[0] for chunk in loose.completions.create(model="davinci", prompt="Well", stream=True)]
    assert "".join(piece.text for piece in pieces) == "It is Paris."
    assert [piece.finish_reason for piece in pieces if piece.finish_reason] == ["stop"]


def test_embeddings_are_the_same_as_floats_and_as_base64(llm, openai_client):
    """Both encodings give one vector for each input, of the dimensions asked for."""
    asked = {"model": "embed", "input": ["a", "b"], "dimensions": 4}
    floats = openai_client.embeddings.create(**asked, encoding_format="float")
    loose = openai_client.with_options()
    loose._strict_response_validation = False  # the SDK checks base64 before it decodes it
    decoded = loose.embeddings.create(**asked)
    assert llm.requests[1].body["encoding_format"] == "base64"
    assert [entry.embedding for entry in floats.data] == [entry.embedding for entry in decoded.data]
    assert [len(entry.embedding) for entry in floats.data] == [4, 4]


def test_scripted_embeddings_arrive(llm, openai_client):
    """A scripted vector is what the client gets."""
    llm.script(Reply(embeddings=[[0.5, -0.25]], usage=Usage(input=3)))
    answer = openai_client.embeddings.create(model="embed", input="a", encoding_format="float")
    assert (answer.data[0].embedding, answer.usage.total_tokens) == ([0.5, -0.25], 3)


def test_models_are_listed_without_using_up_the_script(llm, openai_client):
    """GET /models answers with one model and leaves the scripted reply to the next call."""
    llm.script(Reply(text="Paris."))
    assert [model.id for model in openai_client.models.list()] == ["fake-model"]
    assert openai_client.chat.completions.create(**ASK).choices[0].message.content == "Paris."
