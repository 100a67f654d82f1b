"""The calls that the application makes, with either client library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rlhf_otel.testing import Reply, Usage
from tests.instrumentation import shapes
from tests.instrumentation.contract import Place

KINDS = ("sync", "async")
_ANSWER = Reply(text="Paris is it.", usage=Usage(input=50, output=20))
_JSON = Reply(text='{"city": "Paris"}', usage=Usage(input=50, output=20))
_REFUSED = Reply(status=400, error="not today")


async def closed(method: Any, ask: Any) -> Any:
    """A stream that is closed after its first chunk."""
    made = await shapes.settle(method(**ask, stream=True))
    async for item in shapes.each(made):
        first = shapes.shown(item)
        break
    await shapes.close(made)
    return [type(made), first]


@dataclass(frozen=True, kw_only=True)
class Made:
    """One call: a method in one of the ways in which it can be used."""

    sdk: str
    path: str
    way: Callable[..., Any]
    ask: Mapping[str, Any]
    reply: Reply = _ANSWER
    name: str = ""
    operation: str = "chat"

    @property
    def id(self) -> str:
        return f"{self.sdk}-{self.path.partition('|')[0]}-{self.name or self.way.__name__}"

    def method(self, client: Any) -> Any:
        return shapes.find(client, self.path)


_SAY = {"messages": [{"role": "user", "content": "Capital of France?"}]}
_CHAT = {"sdk": "openai", "ask": {"model": "gpt-5", **_SAY}}
_USAGE = {"sdk": "openai", "ask": {"model": "gpt-5", **_SAY, "stream_options": {"include_usage": True}}}
_RESPONSE = {"sdk": "openai", "ask": {"model": "gpt-5", "input": "Capital of France?"}}
_MESSAGE = {"sdk": "anthropic", "ask": {"model": "claude", "max_tokens": 64, **_SAY}}
_CREATE, _HELPER = "chat.completions.create", "chat.completions.stream|beta.chat.completions.stream"
_RAW, _STREAMING = "chat.completions.with_raw_response.create", "chat.completions.with_streaming_response.create"

CALLS = [
    Made(path=_CREATE, way=shapes.plain, **_CHAT),
    Made(path=_CREATE, way=shapes.stream, **_USAGE),
    Made(path=_CREATE, way=shapes.stream_with, **_USAGE),
    Made(path=_CREATE, way=closed, **_USAGE),
    Made(path=_CREATE, way=shapes.plain, reply=_REFUSED, name="error", **_CHAT),
    Made(path=_CREATE, way=shapes.stream, reply=_REFUSED, name="stream_error", **_CHAT),
    Made(path=_RAW, way=shapes.raw, **_CHAT),
    Made(path=_RAW, way=shapes.raw_stream, **_USAGE),
    Made(path=_STREAMING, way=shapes.streaming_parse, **_CHAT),
    Made(path=_STREAMING, way=shapes.streaming_stream, **_USAGE),
    Made(path=_HELPER, way=shapes.helper, **_USAGE),
    Made(path="chat.completions.parse|beta.chat.completions.parse", way=shapes.plain, reply=_JSON, sdk="openai",
         ask={**_CHAT["ask"], "response_format": Place}),
    Made(path="responses.create", way=shapes.plain, **_RESPONSE),
    Made(path="responses.create", way=shapes.stream, **_RESPONSE),
    Made(path="responses.create", way=shapes.plain, reply=_REFUSED, name="error", **_RESPONSE),
    Made(path="responses.with_raw_response.create", way=shapes.raw, **_RESPONSE),
    Made(path="responses.stream", way=shapes.helper, **_RESPONSE),
    Made(path="responses.parse", way=shapes.plain, reply=_JSON, sdk="openai",
         ask={**_RESPONSE["ask"], "text_format": Place}),
    Made(path="completions.create", way=shapes.plain, sdk="openai", operation="text_completion",
         ask={"model": "gpt-3.5-turbo-instruct", "prompt": "Once"}),
    Made(path="embeddings.create", way=shapes.plain, sdk="openai", operation="embeddings",
         ask={"model": "text-embedding-3-small", "input": "Once"}),
    Made(path="messages.create", way=shapes.plain, **_MESSAGE),
    Made(path="messages.create", way=shapes.stream, **_MESSAGE),
    Made(path="messages.create", way=shapes.stream_with, **_MESSAGE),
    Made(path="messages.create", way=closed, **_MESSAGE),
    Made(path="messages.create", way=shapes.plain, reply=_REFUSED, name="error", **_MESSAGE),
    Made(path="messages.create", way=shapes.stream, reply=_REFUSED, name="stream_error", **_MESSAGE),
    Made(path="messages.with_raw_response.create", way=shapes.raw, **_MESSAGE),
    Made(path="messages.with_raw_response.create", way=shapes.raw_stream, **_MESSAGE),
    Made(path="messages.with_streaming_response.create", way=shapes.streaming_parse, **_MESSAGE),
    Made(path="messages.stream", way=shapes.helper, **_MESSAGE),
    Made(path="messages.stream", way=shapes.helper_text, **_MESSAGE),
]  # fmt: skip
