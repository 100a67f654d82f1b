"""The real OpenAI client against the fake's responses API."""

from __future__ import annotations

import asyncio

import openai
import pydantic
import pytest

from rlhf_otel.testing import Reply, Usage

ASK = {"model": "gpt-5", "input": "What is the capital of France?"}
WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}


class City(pydantic.BaseModel):
    """What the structured-output test asks for."""

    name: str


def kinds(events):
    """The types of the events without their common prefix."""
    return [event.type.removeprefix("response.") for event in events]


def test_a_plain_response_carries_text_and_usage(llm, openai_client):
    """The text, the usage with its details and the settings of the request come back."""
    llm.script(Reply(text="Paris.", usage=Usage(input=50, output=20, cached=10, reasoning=5)))
    answer = openai_client.responses.create(**ASK, instructions="Be brief.", temperature=0.5)
    assert (answer.output_text, answer.status, answer.id) == ("Paris.", "completed", "resp_1")
    assert (answer.instructions, answer.temperature) == ("Be brief.", 0.5)
    assert (answer.usage.input_tokens_details.cached_tokens, answer.usage.output_tokens_details.reasoning_tokens) == (
        10,
        5,
    )


def test_text_events_come_in_the_real_order(llm, openai_client):
    """A streamed text has the event sequence of the real API, with rising sequence numbers."""
    llm.script(Reply(chunks=["Par", "is."]))
    events = list(openai_client.responses.create(**ASK, stream=True))
    assert kinds(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.output_text == "Paris."


def test_reasoning_text_and_tool_calls_follow_each_other(llm, openai_client):
    """Reasoning, message and function call are three output items, each opened and closed before the next."""
    llm.script(Reply(reasoning="Hm", text="Let me see", tool_calls=[("weather", "{}", "call_a")], chunks=1))
    events = list(openai_client.responses.create(**ASK, tools=[WEATHER], stream=True))
    assert [event.item.type for event in events if event.type == "response.output_item.added"] == [
        "reasoning",
        "message",
        "function_call",
    ]
    assert kinds(events)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
    ]
    assert kinds(events)[-5:-1] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]


def test_the_stream_helper_assembles_the_response(llm, openai_client):
    """`.stream()` follows the deltas to the same response that a plain call gives."""
    llm.script(Reply(text="Paris.", reasoning="Hm.", tool_calls=[("weather", '{"city": "Paris"}', "call_a")]))
    with openai_client.responses.stream(**ASK, tools=[WEATHER]) as stream:
        answer = stream.get_final_response()
    call = answer.output[-1]
    assert answer.output_text == "Paris."
    assert (call.name, call.arguments, call.call_id) == ("weather", '{"city": "Paris"}', "call_a")


def test_parse_reads_structured_output(llm, openai_client):
    """`.parse()` with a text format returns the scripted JSON as the model class."""
    llm.script(Reply(text='{"name": "Paris"}'))
    assert openai_client.responses.parse(**ASK, text_format=City).output_parsed == City(name="Paris")


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_is_its_own_part(llm, openai_client, stream):
    """A refusal replaces the text part, plain and streamed."""
    llm.script(Reply(refusal="I will not say."))
    answer = openai_client.responses.create(**ASK, stream=stream)
    if stream:
        events = list(answer)
        assert "".join(e.delta for e in events if e.type == "response.refusal.delta") == "I will not say."
        answer = events[-1].response
    assert answer.output[0].content[0].refusal == "I will not say."


@pytest.mark.parametrize(
    ("finish_reason", "status", "last"),
    [("length", "incomplete", "response.incomplete"), ("error", "failed", "response.failed")],
)
def test_responses_can_end_badly(llm, openai_client, finish_reason, status, last):
    """A finish reason of length or error ends a response, and its stream, as the real API ends them."""
    llm.script(*[Reply(finish_reason=finish_reason)] * 2)
    assert openai_client.responses.create(**ASK).status == status
    assert list(openai_client.responses.create(**ASK, stream=True))[-1].type == last


def test_a_response_can_be_retrieved(llm, openai_client):
    """What was created is found again by its id, whole or as the events after a sequence number."""
    llm.script(Reply(text="Paris."))
    created = openai_client.responses.create(**ASK)
    assert openai_client.responses.retrieve(created.id).output_text == "Paris."
    events = list(openai_client.responses.retrieve(created.id, stream=True, starting_after=5))
    assert events[0].sequence_number == 6
    assert events[-1].response.id == created.id


def test_an_unknown_response_is_not_found(openai_client):
    """Retrieving an id that was never given raises the SDK's NotFoundError."""
    with pytest.raises(openai.NotFoundError, match="resp_nowhere"):
        openai_client.responses.retrieve("resp_nowhere")


def test_background_responses_are_queued_until_retrieved(llm, openai_client):
    """With background on the first answer is only queued, and retrieving it shows it completed."""
    llm.script(Reply(text="Paris."))
    queued = openai_client.responses.create(**ASK, background=True)
    done = openai_client.responses.retrieve(queued.id)
    assert (queued.status, queued.output, done.status, done.output_text) == ("queued", [], "completed", "Paris.")


def test_the_async_client_streams(llm):
    """The asynchronous client and its stream helper read the same events."""
    llm.script(Reply(text="Paris."), Reply(text="Rome."))

    async def ask():
        async with openai.AsyncOpenAI(
            base_url=llm.openai_url, api_key="test", _strict_response_validation=True
        ) as client:
            events = [event async for event in await client.responses.create(**ASK, stream=True)]
            async with client.responses.stream(**ASK) as stream:
                return events[-1].response.output_text, (await stream.get_final_response()).output_text

    assert asyncio.run(ask()) == ("Paris.", "Rome.")
