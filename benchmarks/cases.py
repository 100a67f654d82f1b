"""The calls that are measured: real clients of openai and anthropic, answered in this process, without a network.

A stream is *isolated*: what the client does to make chunks of bytes is replaced by chunks made beforehand, because it
takes a hundred times as long as what we add and varies by more than that. What is left is the path that every wrapper
shares, the client's own objects and generators included.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2

CHUNKS = 500
BIG_TURNS, BIG_BYTES = 50, 200_000
_ANSWER = "The capital of France is Paris. It lies on the Seine and has been the capital, with breaks, since 987."
MESSAGES = [
    {"role": "user", "content": "I am learning the capitals of Europe and forget them again."},
    {"role": "assistant", "content": "Then let us go through them one by one. Which one would you like to begin with?"},
    {"role": "user", "content": "With the one of France, please. Name it and add one sentence about it."},
]
_SENTENCE = "Of what was said before, this is the part that the next question leans on. "
_BIG_TEXT = _SENTENCE * (BIG_BYTES // BIG_TURNS // len(_SENTENCE))
_BIG = [{"role": ("user", "assistant")[i % 2], "content": f"{i}: {_BIG_TEXT}"} for i in range(BIG_TURNS - 1)]

OPENAI_REPLY = {
    "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"index": 0, "finish_reason": "stop", "logprobs": None, "message": {"role": "assistant", "content": _ANSWER}}
    ],
    "usage": {"prompt_tokens": 62, "completion_tokens": 25, "total_tokens": 87},
}  # fmt: skip
ANTHROPIC_REPLY = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-benchmark", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": _ANSWER}],
    "usage": {"input_tokens": 62, "output_tokens": 25},
}  # fmt: skip


def answer(request: httpx2.Request) -> httpx2.Response:
    """The provider's side."""
    if b'"stream":true' in request.content[-4096:] or b'"stream":true' in request.content[:4096]:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=_Body())
    reply = OPENAI_BYTES if request.url.path.endswith("/chat/completions") else ANTHROPIC_BYTES
    return httpx2.Response(200, headers={"content-type": "application/json", "x-request-id": "r-1"}, content=reply)


OPENAI_BYTES, ANTHROPIC_BYTES = json.dumps(OPENAI_REPLY).encode(), json.dumps(ANTHROPIC_REPLY).encode()


class _Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """The body of a stream, which nobody reads."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"data: [DONE]\n\n"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: [DONE]\n\n"


def openai_chunks(count: int = CHUNKS) -> list[Any]:
    """A whole streamed completion: a role, the text word by word, the reason, the usage."""
    from openai.types.chat import ChatCompletionChunk

    def chunk(choices: list[Any], usage: Any = None) -> ChatCompletionChunk:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini-2024-07-18"}
        return ChatCompletionChunk.model_validate({**head, "choices": choices, "usage": usage})

    def choice(reason: str | None = None, **delta: str) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "finish_reason": reason}

    usage = {"prompt_tokens": 62, "completion_tokens": count - 3, "total_tokens": count + 59}
    words = [chunk([choice(content=f" word{i}")]) for i in range(count - 3)]
    return [chunk([choice(role="assistant", content="")]), *words, chunk([choice("stop")]), chunk([], usage)]


def anthropic_events(count: int = CHUNKS) -> list[Any]:
    """A whole streamed message: its start, one block of text word by word, its end."""
    from anthropic._models import construct_type
    from anthropic.types import RawMessageStreamEvent

    start = {**ANTHROPIC_REPLY, "content": [], "stop_reason": None, "usage": {"input_tokens": 62, "output_tokens": 1}}
    words = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f" word{i}"}}
        for i in range(count - 5)
    ]
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *words,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": count - 5}},
        {"type": "message_stop"},
    ]
    return [construct_type(type_=RawMessageStreamEvent, value=event) for event in events]


def isolate(streaming: Any, ready: list[Any]) -> None:
    """Makes the stream classes of an SDK's module `streaming` yield `ready` in place of what they decode."""

    def stream(self: Any) -> Iterator[Any]:
        try:
            yield from ready
        finally:
            self.response.close()

    async def stream_async(self: Any) -> AsyncIterator[Any]:
        try:
            for chunk in ready:
                yield chunk
        finally:
            await self.response.aclose()

    streaming.Stream.__stream__ = stream
    streaming.AsyncStream.__stream__ = stream_async


class Clients:
    """One client of each kind, and one function for each case that makes the call and reads the answer to its end."""

    def __init__(self) -> None:
        import anthropic
        import anthropic._streaming
        import openai
        import openai._streaming

        isolate(openai._streaming, openai_chunks())
        isolate(anthropic._streaming, anthropic_events())
        transport = httpx2.MockTransport(answer)
        key = {"api_key": "none", "max_retries": 0}
        self.openai = openai.OpenAI(**key, http_client=httpx2.Client(transport=transport))
        self.anthropic = anthropic.Anthropic(**key, http_client=httpx2.Client(transport=transport))
        self.async_openai = openai.AsyncOpenAI(**key, http_client=httpx2.AsyncClient(transport=transport))
        self.async_anthropic = anthropic.AsyncAnthropic(**key, http_client=httpx2.AsyncClient(transport=transport))

    def cases(self) -> dict[str, Callable[[], Any]]:
        """The cases by name; those with `async` in their name return a coroutine."""
        chat = {"model": "gpt-4o-mini", "messages": MESSAGES}
        message = {"model": "claude-benchmark", "max_tokens": 256, "messages": MESSAGES}
        usage = {"stream": True, "stream_options": {"include_usage": True}}
        return {
            "openai chat": lambda: self.openai.chat.completions.create(**chat),
            "openai chat, async": lambda: self.async_openai.chat.completions.create(**chat),
            "openai stream of 500": lambda: _drain(self.openai.chat.completions.create(**chat, **usage)),
            "openai stream of 500, async": lambda: _adrain(self.async_openai.chat.completions.create(**chat, **usage)),
            "anthropic message": lambda: self.anthropic.messages.create(**message),
            "anthropic message, async": lambda: self.async_anthropic.messages.create(**message),
            "anthropic stream of 500": lambda: _drain(self.anthropic.messages.create(**message, stream=True)),
            "anthropic stream of 500, async": lambda: _adrain(
                self.async_anthropic.messages.create(**message, stream=True)
            ),
            "anthropic, 200 KB in 50 turns": lambda: self.anthropic.messages.create(
                **{**message, "messages": [*_BIG, MESSAGES[-1]]}
            ),
        }


def _drain(stream: Any) -> None:
    for _ in stream:
        pass


async def _adrain(made: Any) -> None:
    async for _ in await made:
        pass
