"""The real Anthropic client against the fake."""

from __future__ import annotations

import asyncio

import anthropic
import pytest

from rlhf_otel.testing import Reply, Usage

ASK = {"model": "claude", "max_tokens": 64, "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def test_every_field_of_a_plain_message_arrives(llm, anthropic_client):
    """Text, thinking, tool use, usage with caching and the stop reason stand where the SDK's types have them."""
    llm.script(
        Reply(
            text="Let me look.",
            reasoning="France.",
            tool_calls=[("weather", '{"city": "Paris"}', "toolu_a")],
            usage=Usage(input=5, output=7, cached=100, cache_write=30, reasoning=4),
            id="msg_x",
            service_tier="priority",
        )
    )
    answer = anthropic_client.messages.create(**ASK)
    thinking, text, tool = answer.content
    assert (answer.id, answer.stop_reason, answer.usage.service_tier) == ("msg_x", "tool_use", "priority")
    assert (thinking.thinking, text.text) == ("France.", "Let me look.")
    assert (tool.name, tool.input, tool.id) == ("weather", {"city": "Paris"}, "toolu_a")
    assert (answer.usage.cache_read_input_tokens, answer.usage.cache_creation_input_tokens) == (100, 30)
    assert answer.usage.output_tokens_details.thinking_tokens == 4


def test_stream_events_come_in_the_real_order(llm, anthropic_client):
    """A streamed text has the event sequence of the real API; usage in message_delta is the running total."""
    llm.script(Reply(chunks=["Par", "is."], usage=Usage(input=5, output=7)))
    events = list(anthropic_client.messages.create(**ASK, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, closing = events[0].message, events[-2]
    assert (start.usage.input_tokens, start.usage.output_tokens, start.stop_reason) == (5, 1, None)
    assert (closing.usage.output_tokens, closing.delta.stop_reason) == (7, "end_turn")


@pytest.mark.parametrize("pings", [0, 1, 3])
def test_pings_are_on_the_wire(llm, anthropic_client, pings):
    """The stream holds as many pings as scripted, the first right after the first block starts."""
    llm.script(Reply(chunks=["a", "b", "c", "d"], pings=pings))
    with anthropic_client.messages.with_streaming_response.create(**ASK, stream=True) as raw:
        names = [line.removeprefix("event: ") for line in raw.iter_lines() if line.startswith("event: ")]
    assert names.count("ping") == pings
    assert not pings or names.index("ping") == names.index("content_block_start") + 1


@pytest.mark.parametrize("beta", [False, True])
def test_the_stream_helper_assembles_the_message(llm, anthropic_client, beta):
    """`.stream()` of messages and beta messages follows the deltas to the whole message."""
    llm.script(Reply(text="Paris.", reasoning="France.", tool_calls=[("weather", '{"city": "Paris"}')]))
    messages = anthropic_client.beta.messages if beta else anthropic_client.messages
    with messages.stream(**ASK) as stream:
        answer = stream.get_final_message()
    assert [block.type for block in answer.content] == ["thinking", "text", "tool_use"]
    assert (answer.content[1].text, answer.content[2].input) == ("Paris.", {"city": "Paris"})
    assert (answer.content[0].thinking, bool(answer.content[0].signature)) == ("France.", True)


def test_beta_messages_are_answered(llm, anthropic_client):
    """The beta resource, and the query ?beta=true that older clients add, get the scripted text."""
    llm.script(Reply(text="Paris."), Reply(text="Rome."))
    assert anthropic_client.beta.messages.create(**ASK).content[0].text == "Paris."
    assert anthropic_client.messages.create(**ASK, extra_query={"beta": "true"}).content[0].text == "Rome."
    assert llm.requests[1].query == {"beta": "true"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_a_stop_reason(llm, anthropic_client, stream):
    """A refusal stops with the reason refusal and explains itself."""
    llm.script(Reply(refusal="I will not say."))
    if stream:
        with anthropic_client.messages.stream(**ASK) as events:
            answer = events.get_final_message()
    else:
        answer = anthropic_client.messages.create(**ASK)
    assert (answer.stop_reason, answer.content[0].text) == ("refusal", "I will not say.")
    assert answer.stop_details.explanation == "I will not say."


def test_finish_reasons_are_understood_in_either_vocabulary(llm, anthropic_client):
    """OpenAI's word for a full window becomes Anthropic's."""
    llm.script(Reply(finish_reason="length"))
    assert anthropic_client.messages.create(**ASK).stop_reason == "max_tokens"


def test_tokens_are_counted_as_scripted(llm, anthropic_client):
    """count_tokens returns the input tokens of the reply."""
    llm.script(Reply(usage=Usage(input=321)))
    counted = anthropic_client.messages.count_tokens(model="claude", messages=ASK["messages"])
    assert counted.input_tokens == 321


def test_raw_responses_show_the_request_id(llm, anthropic_client):
    """with_raw_response gives Anthropic's request-id header, which the parsed message repeats."""
    raw = anthropic_client.messages.with_raw_response.create(**ASK)
    assert (raw.headers["request-id"], raw.parse()._request_id) == ("req_1", "req_1")


def test_models_are_listed_in_anthropics_form(anthropic_client):
    """GET /v1/models answers an Anthropic client with Anthropic's model objects."""
    assert [model.display_name for model in anthropic_client.models.list()] == ["fake-model"]


def test_the_async_client_gets_the_same(llm):
    """The asynchronous client reads plain messages, streams and the stream helper."""
    llm.script(*[Reply(text="Paris.")] * 3)

    async def ask():
        async with anthropic.AsyncAnthropic(
            base_url=llm.anthropic_url, api_key="test", _strict_response_validation=True
        ) as client:
            plain = (await client.messages.create(**ASK)).content[0].text
            events = [event async for event in await client.messages.create(**ASK, stream=True)]
            async with client.messages.stream(**ASK) as stream:
                helped = await stream.get_final_text()
            streamed = "".join(event.delta.text for event in events if event.type == "content_block_delta")
            return plain, streamed, helped

    assert asyncio.run(ask()) == ("Paris.", "Paris.", "Paris.")
