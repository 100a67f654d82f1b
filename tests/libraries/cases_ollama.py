"""ollama: JSON lines, counts in the last one, functions as tools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ollama

from .case import Case, Library, answered, called, text, thought, user
from .wire import Body, Lines


def weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: its name
    """
    return city


HEAD = {"model": "qwen3", "created_at": "2026-01-01T00:00:00Z"}
DONE = {
    "done": True, "done_reason": "stop", "total_duration": 9, "load_duration": 1, "prompt_eval_count": 20,
    "prompt_eval_duration": 2, "eval_count": 7, "eval_duration": 5,
}  # fmt: skip
ASK: dict[str, Any] = {
    "model": "qwen3",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?", "images": [b"\x89PNG\r\n\x1a\n"]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rome"}}}]},
        {"role": "tool", "content": "rain", "tool_name": "weather"},
    ],
    "options": {"temperature": 0.5, "num_predict": 64, "stop": ["END"]},
    "tools": [weather],
    "think": True,
}
PICTURE = {
    "type": "uri", "modality": "image", "byte_size": 8,
    "uri": "sha256:4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6",
}  # fmt: skip
SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "description": "its name"}}}
ASKED = {
    "input": [
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("Weather?"), PICTURE]},
        answered(None, called("weather", {"city": "Rome"})),
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "weather", "response": "rain"}]},
    ],
    "tools": [{"type": "function", "name": "weather", "description": "Weather of a city.", "parameters": SCHEMA}],
}
COUNTED = {
    "gen_ai.request.model": "qwen3",
    "gen_ai.response.model": "qwen3",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
}
ATTRIBUTES = {
    **COUNTED,
    "gen_ai.operation.name": "chat",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.request.stop_sequences": ["END"],
}


def said(**message: Any) -> dict[str, Any]:
    return {**HEAD, "message": {"role": "assistant", **message}, "done": False}


CALL = [{"function": {"name": "weather", "arguments": {"city": "Paris"}}}]
CASES = [
    Case(
        name="chat", call=lambda client: client.chat(**ASK), spans=["chat qwen3"], attributes=ATTRIBUTES,
        answers=[Body({**said(thinking="Easy.", content="Sunny."), **DONE})],
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
    ),
    Case(
        name="tool", call=lambda client: client.chat(**ASK), spans=["chat qwen3"], attributes=ATTRIBUTES,
        answers=[Body({**said(content="", tool_calls=CALL), **DONE})],
        content={**ASKED, "output": [answered("stop", called("weather", {"city": "Paris"}))]},
    ),
    Case(
        name="stream", call=lambda client: client.chat(**ASK, stream=True), spans=["chat qwen3"],
        answers=[Lines([said(thinking="Easy.", content=""), said(content="Sun"), said(content="ny."),
                        {**said(content=""), **DONE}])],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 4},
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
        stream=True, first=("token", "reasoning"),
    ),
    Case(
        name="generate", call=lambda client: client.generate("qwen3", "Why?", system="Be brief.", format="json"),
        answers=[Body({**HEAD, "response": "{}", **DONE})], spans=["text_completion qwen3"],
        attributes={**COUNTED, "gen_ai.operation.name": "text_completion", "gen_ai.output.type": "json"},
        content={"system": [text("Be brief.")], "input": [user("Why?")], "output": [answered("stop", "{}")]},
    ),
    Case(
        name="generate_stream", call=lambda client: client.generate("qwen3", "Why?", stream=True),
        answers=[Lines([{**HEAD, "response": "So", "done": False}, {**HEAD, "response": ".", **DONE}])],
        spans=["text_completion qwen3"], stream=True,
        attributes={**COUNTED, "gen_ai.operation.name": "text_completion", "rlhf.stream.chunks": 2},
        content={"input": [user("Why?")], "output": [answered("stop", "So.")]},
    ),
    Case(
        name="embed", call=lambda client: client.embed("nomic", ["one", "two"]), spans=["embeddings nomic"],
        answers=[Body({"model": "nomic", "embeddings": [[0.1, 0.2], [0.3, 0.4]], "prompt_eval_count": 2})],
        attributes={"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "nomic",
                    "gen_ai.response.model": "nomic", "gen_ai.embeddings.dimension.count": 2,
                    "gen_ai.usage.input_tokens": 2},
        content={"input": [user("one"), user("two")]},
    ),
]  # fmt: skip


class Module:
    """The functions of the module, whose client is pointed at the server."""

    def __init__(self, url: str) -> None:
        ollama.chat.__self__.__init__(host=url)

    chat, generate, embed = staticmethod(ollama.chat), staticmethod(ollama.generate), staticmethod(ollama.embed)


LIBRARY = Library(
    package="ollama",
    clients={
        "sync": lambda url: ollama.Client(host=url),
        "async": lambda url: ollama.AsyncClient(host=url),
        "module": Module,
    },
    provider="ollama",
    cases=[replace(case, kinds=("sync", "async", "module")) for case in CASES],
    refusal=Body({"error": {"message": "no such model"}}, 404),
    refused="no such model",
)
