"""Cases that all libraries of OpenAI's wire format share: chat, plain and streamed, with reasoning and tools."""

from __future__ import annotations

from typing import Any

from .case import Case, answered, called, thought, user
from .wire import Body, Events

TOOL = {"name": "weather", "description": "Weather of a city", "parameters": {"type": "object", "properties": {}}}
ASK: dict[str, Any] = {
    "model": "llama-4",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}],
    "temperature": 0.5,
    "max_tokens": 64,
    "tools": [{"type": "function", "function": TOOL}],
}
ASKED = {
    "input": [{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}, user("Weather?")],
    "tools": [{"type": "function", **TOOL}],
}
ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "llama-4",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.response.id": "chat-1",
    "gen_ai.response.model": "llama-4-1106",
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
    "openai.api.type": "chat_completions",
    "openai.response.system_fingerprint": "fp_1",
}
HEAD = {"id": "chat-1", "created": 1, "model": "llama-4-1106", "system_fingerprint": "fp_1"}
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
USED_A_TOOL = [answered("tool_call", thought("Look it up."), called("weather", {"city": "Paris"}, "call_1"))]
SAID = [answered("stop", thought("Easy."), "Sunny.")]


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a streamed chat."""
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {**HEAD, "object": "chat.completion.chunk", "choices": [choice], **more}


def plain(message: dict[str, Any], finish: str, **more: Any) -> Body:
    """A whole chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Body({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE, **more})


def chat_cases(**last: Any) -> list[Case]:
    """Chat, plain, with a tool, and streamed.

    Args:
        last: more fields of the last chunk of a stream, its usage among them.
    """
    pieces = [chunk({"reasoning": "Easy."}), chunk({"content": "Sun"}), chunk({"content": "ny."})]
    streamed = Events([*pieces, chunk({}, "stop", **(last or {"usage": USAGE}))], last="data: [DONE]\n\n")
    return [
        Case(
            name="chat",
            call=lambda client: client.chat.completions.create(**ASK),
            answers=[plain({"content": "Sunny.", "reasoning": "Easy."}, "stop")],
            spans=["chat llama-4"],
            attributes={**ATTRIBUTES, "gen_ai.response.finish_reasons": ["stop"]},
            content={**ASKED, "output": SAID},
        ),
        Case(
            name="tool",
            call=lambda client: client.chat.completions.create(**ASK),
            answers=[plain({"content": None, "reasoning": "Look it up.", "tool_calls": [CALL]}, "tool_calls")],
            spans=["chat llama-4"],
            attributes={**ATTRIBUTES, "gen_ai.response.finish_reasons": ["tool_calls"]},
            content={**ASKED, "output": USED_A_TOOL},
        ),
        Case(
            name="stream",
            call=lambda client: client.chat.completions.create(**ASK, stream=True),
            answers=[streamed],
            spans=["chat llama-4"],
            attributes={**ATTRIBUTES, "gen_ai.response.finish_reasons": ["stop"], "rlhf.stream.chunks": 4},
            content={**ASKED, "output": SAID},
            stream=True,
            first=("token", "reasoning"),
        ),
    ]
