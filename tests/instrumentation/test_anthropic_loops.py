"""What loops over messages is one span for each request; and the completions of old."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import pytest

from rlhf_otel.testing import Reply, ToolCall

from .contract import user
from .shapes import each, entered, settle

kinds = pytest.mark.parametrize("kind", ["sync", "async"])
ASK: Any = {"model": "claude", "max_tokens": 9}
MESSAGES: Any = [{"role": "user", "content": "Weather in Paris?"}]


def weather(city: str) -> str:
    """Looks out of the window.

    Args:
        city: where.
    """
    return f"{city}: rain"


async def weather_async(city: str) -> str:
    """Looks out of the window.

    Args:
        city: where.
    """
    return weather(city)


def messages_of(client: Any, method: str) -> Any:
    """A method of beta messages; the test is skipped where this version has none."""
    found = getattr(client.beta.messages, method, None)
    return found or pytest.skip(f"anthropic {anthropic.__version__} has no beta.messages.{method}")


@kinds
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_runner_is_a_span_for_each_request(kind: str, stream: bool, clients, llm, captured, run) -> None:
    """The request that asks for a tool and the one that brings its answer are one span each, read as any other."""
    tool_runner = messages_of(clients["anthropic", kind], "tool_runner")
    tool: Any = anthropic.beta_tool(weather) if kind == "sync" else anthropic.beta_async_tool(weather_async)
    name = tool.name
    llm.script(Reply(tool_calls=[ToolCall(name, '{"city": "Paris"}', "toolu_1")]), Reply(text="It rains."))

    async def converse() -> str:
        runner = tool_runner(**ASK, tools=[tool], messages=MESSAGES, stream=stream)
        async for turn in each(runner):
            if stream:
                async for _ in each(turn):
                    pass
        return (await settle(runner.until_done())).content[0].text

    assert run(kind, converse()) == "It rains."
    first, second = captured.spans
    assert [span.name for span in captured.spans] == ["chat claude", "chat claude"]
    assert [span.attributes["gen_ai.usage.output_tokens"] for span in captured.spans] == [9, 9]
    call = {"type": "tool_call", "id": "toolu_1", "name": name, "arguments": {"city": "Paris"}}
    assert json.loads(first.attributes["gen_ai.output.messages"])[0]["parts"] == [call]
    answer = {"type": "tool_call_response", "id": "toolu_1", "response": "Paris: rain"}
    assert json.loads(second.attributes["gen_ai.input.messages"])[-1] == {"role": "tool", "parts": [answer]}
    assert all(("rlhf.stream.end" in span.attributes) == stream for span in captured.spans)


@kinds
def test_a_thread_is_a_span_for_each_turn(kind: str, clients, llm, captured, run) -> None:
    """Each turn is a span with what was sent, and names the message that it goes on from."""
    thread = messages_of(clients["anthropic", kind], "thread")(**ASK)
    llm.script(Reply(text="Paris.", id="msg_a"), Reply(text="Rome.", id="msg_b"))

    async def converse() -> None:
        await settle(thread.send({"role": "user", "content": "France?"}))
        async with entered(thread.stream({"role": "user", "content": "Italy?"})) as stream:
            assert await settle(stream.get_final_text()) == "Rome."

    run(kind, converse())
    told = [(span.name, json.loads(span.attributes["gen_ai.input.messages"]), span.attributes["gen_ai.response.id"],
             span.attributes.get("gen_ai.request.previous_response.id")) for span in captured.spans]  # fmt: skip
    assert told == [
        ("chat claude", [user("France?")], "msg_a", None),
        ("chat claude", [user("Italy?")], "msg_b", "msg_a"),
    ]


@kinds
@pytest.mark.parametrize("stream", [False, True])
def test_completions_of_old(kind: str, stream: bool, clients, llm, captured, run) -> None:
    """The endpoint without roles, which anthropic 0 has, is read: prompt, text, stop reason, and no usage."""
    completions = getattr(clients["anthropic", kind], "completions", None)
    if completions is None:
        pytest.skip(f"anthropic {anthropic.__version__} has no completions")
    llm.script(Reply(text=" Paris.", finish_reason="stop_sequence"))
    prompt = "\n\nHuman: France?\n\nAssistant:"

    async def converse() -> None:
        ask = {"model": "claude-2", "max_tokens_to_sample": 7, "prompt": prompt, "stream": stream}
        answer = await settle(completions.create(**ask))
        assert not stream or "".join([piece.completion async for piece in each(answer)]) == " Paris."

    run(kind, converse())
    (span,) = captured.spans
    assert (span.name, span.attributes["gen_ai.request.max_tokens"]) == ("text_completion claude-2", 7)
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop_sequence",)
    assert json.loads(span.attributes["gen_ai.input.messages"]) == [user(prompt)]
    assert json.loads(span.attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": " Paris."}]
    assert ("rlhf.response.time_to_first_token" in span.attributes) == stream
