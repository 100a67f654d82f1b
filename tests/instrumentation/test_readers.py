"""What servers send that the contract's table has not: old fields, missing ones, and answers that were cut off."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from rlhf_otel.testing import Reply, Usage

from .shapes import each, settle

MESSAGES = [{"role": "user", "content": "?"}]


def events(*chunks: dict[str, Any]) -> Reply:
    """A stream of these chunks."""
    raw = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(raw=raw, headers={"content-type": "text/event-stream"})


def chunk(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion with one choice."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


@pytest.fixture
def streamed(llm, clients, captured):
    """Streams these chunks to the openai client, as objects or as lines; the span."""

    def ask(way: str, *chunks: dict[str, Any]) -> Any:
        llm.script(events(*chunks))
        completions = clients["openai", "sync"].chat.completions
        if way == "objects":
            list(completions.create(model="m", messages=MESSAGES, stream=True))
        else:
            with completions.with_streaming_response.create(model="m", messages=MESSAGES, stream=True) as response:
                list(response.iter_lines())
        (span,) = captured.spans
        return span

    return ask


def output(span: Any) -> Any:
    """The messages of the answer."""
    return json.loads(span.attributes["gen_ai.output.messages"])


ways = pytest.mark.parametrize("way", ["objects", "lines"])


@ways
def test_a_streamed_function_call_is_a_tool_call(way: str, streamed) -> None:
    """The field that came before `tool_calls` is read like one of them, without an id, and counts as a token."""
    span = streamed(
        way,
        chunk({"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": ""}}),
        chunk({"function_call": {"arguments": '{"a":'}}),
        chunk({"function_call": {"arguments": "1}"}}),
        chunk({}, "function_call"),
    )
    call = {"type": "tool_call", "id": None, "name": "find", "arguments": {"a": 1}}
    assert output(span) == [{"role": "assistant", "parts": [call], "finish_reason": "tool_call"}]
    assert span.attributes["rlhf.response.time_to_first_token"] > 0


@ways
def test_a_choice_needs_no_number(way: str, streamed) -> None:
    """Chunks of a server that numbers its choice only now and then, or sends an empty delta, are one answer."""
    span = streamed(
        way, chunk({"content": "Pa"}), chunk({"content": "r"}, index=None), chunk(None),
        chunk({"content": "is."}, index=None), chunk(None, "stop", index=None),
    )  # fmt: skip
    text = {"type": "text", "content": "Paris."}
    assert output(span) == [{"role": "assistant", "parts": [text], "finish_reason": "stop"}]


@ways
def test_tool_calls_need_no_number(way: str, streamed) -> None:
    """Of a server that does not number its tool calls, an id begins one and what has none belongs to the last."""

    def piece(call_id: str | None, name: str | None, arguments: str) -> dict[str, Any]:
        tool = {"index": None, "id": call_id, "function": {"name": name, "arguments": arguments}}
        return chunk({"tool_calls": [tool]})

    span = streamed(
        way, piece("t-1", "find", '{"a":'), piece(None, None, "1}"), piece("t-2", "look", '{"b":'),
        piece("t-2", None, "2}"), chunk({}, "tool_calls"),
    )  # fmt: skip
    assert output(span)[0]["parts"] == [
        {"type": "tool_call", "id": "t-1", "name": "find", "arguments": {"a": 1}},
        {"type": "tool_call", "id": "t-2", "name": "look", "arguments": {"b": 2}},
    ]


@pytest.mark.parametrize("whole", [True, False])
def test_an_answer_that_was_cut_off_has_no_count_of_output_tokens(whole: bool, llm, clients, captured) -> None:
    """The count in anthropic's first event is a placeholder: only the last event says how many tokens there were."""
    llm.script(Reply(chunks=list("one two three"), usage=Usage(input=40, output=20, cached=10)))
    stream = clients["anthropic", "sync"].messages.create(model="m", messages=MESSAGES, max_tokens=9, stream=True)
    for event in stream:
        if event.type == "content_block_delta" and not whole:
            break
    stream.close()
    (span,) = captured.spans
    counted = {key: value for key, value in span.attributes.items() if key.startswith("gen_ai.usage.")}
    assert counted.pop("gen_ai.usage.output_tokens", None) == (20 if whole else None)
    assert (counted["gen_ai.usage.input_tokens"], counted["gen_ai.usage.cache_read.input_tokens"]) == (50, 10)
    assert ("rlhf.response.output_tokens_per_second" in span.attributes) == whole


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_answer_without_a_model_is_read(sdk: str, llm, clients, captured) -> None:
    """An application that calls the endpoint by its path, and takes plain JSON for it, is recorded as any other."""
    path = {"openai": "/chat/completions", "anthropic": "/v1/messages"}[sdk]
    llm.script(Reply(text="Paris."))
    answer = clients[sdk, "sync"].post(path, body={"model": "m", "messages": MESSAGES}, cast_to=object)
    (span,) = captured.spans
    assert span.name == "chat m"
    assert output(span)[0]["parts"] == [{"type": "text", "content": "Paris."}]
    assert (span.attributes["gen_ai.response.id"], span.attributes["gen_ai.usage.output_tokens"]) == (answer["id"], 9)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_stream_class_of_the_application(sdk: str, kind: str, llm, clients, captured, run) -> None:
    """A subclass of the SDK's stream that is set up behind the SDK's own constructor works as without us."""
    module = sys.modules[sdk]
    chunk = module.types.chat.ChatCompletionChunk if sdk == "openai" else module.types.RawMessageStreamEvent

    class Doubled(module.Stream[chunk]):  # type: ignore[name-defined,misc,valid-type]
        """Hands out each event as often as it was set up to."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.times = 2

        def __stream__(self) -> Any:
            for event in super().__stream__():
                yield from [event] * self.times

    class AsyncDoubled(module.AsyncStream[chunk]):  # type: ignore[name-defined,misc,valid-type]
        """The same."""

        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.times = 2

        async def __stream__(self) -> Any:
            async for event in super().__stream__():
                for _ in range(self.times):
                    yield event

    path = {"openai": "/chat/completions", "anthropic": "/v1/messages"}[sdk]
    llm.script(Reply(text="Paris."))

    async def ask() -> int:
        body = {"model": "m", "messages": MESSAGES, "stream": True}
        stream_cls = Doubled if kind == "sync" else AsyncDoubled
        stream = await settle(
            clients[sdk, kind].post(path, body=body, cast_to=chunk, stream=True, stream_cls=stream_cls)
        )
        return len([event async for event in each(stream)])

    seen = run(kind, ask())
    (span,) = captured.spans
    assert span.attributes["rlhf.stream.chunks"] == seen == {"openai": 6, "anthropic": 12}[sdk]
    assert output(span)[0]["parts"] == [{"type": "text", "content": "Paris.Paris."}]
