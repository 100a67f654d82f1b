"""Streams of every make, opened so that a test can end them as it likes."""

from __future__ import annotations

import inspect
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from rlhf_otel.testing import Reply

from .shapes import each, entered, find, settle

_CHAT = {"model": "m", "messages": [{"role": "user", "content": "Count."}]}
_MESSAGE = {**_CHAT, "max_tokens": 9}
_RESPONSE = {"model": "m", "input": "Count."}

HALF = Reply(chunks=["one two", " three"], chunk_delay=60)
"""An answer whose second half never comes."""
WHOLE = Reply(chunks=["one two", " three"])


@dataclass(frozen=True)
class Source:
    """A kind of stream."""

    sdk: str
    path: str
    ask: dict[str, Any] = field(repr=False)
    how: str = "plain"

    @property
    def id(self) -> str:
        return f"{self.path.partition('|')[0]}-{self.how}"

    def method(self, client):
        found = find(client, self.path)
        if found is None:
            pytest.skip(f"this version of {self.sdk} has no {self.path}")
        return found


SOURCES = [
    Source("openai", "chat.completions.create", _CHAT),
    Source("openai", "chat.completions.stream|beta.chat.completions.stream", _CHAT, "helper"),
    Source("openai", "chat.completions.with_raw_response.create", _CHAT, "raw"),
    Source("openai", "chat.completions.with_streaming_response.create", _CHAT, "lines"),
    Source("openai", "responses.create", _RESPONSE),
    Source("anthropic", "messages.create", _MESSAGE),
    Source("anthropic", "messages.stream", _MESSAGE, "helper"),
    Source("anthropic", "messages.with_raw_response.create", _MESSAGE, "raw"),
    Source("anthropic", "messages.with_streaming_response.create", _MESSAGE, "lines"),
]


class Opened:
    """A stream that has been opened: what to iterate over, and what to close."""

    def __init__(self, items, owner):
        self.items, self.owner = items, owner

    async def close(self):
        await settle(self.owner.close())


async def opened(source, client):
    """Opens a stream without a `with` block."""
    method = source.method(client)
    if source.how == "helper":
        manager = method(**source.ask)
        enter = getattr(manager, "__aenter__", None) or manager.__enter__
        made = await settle(enter())
        return Opened(made, made)
    if source.how == "lines":
        manager = method(**source.ask, stream=True)
        enter = getattr(manager, "__aenter__", None) or manager.__enter__
        response = await settle(enter())
        return Opened(response.iter_lines(), response)
    made = await settle(method(**source.ask, stream=True))
    if source.how == "raw":
        made = await settle(made.parse())
    return Opened(made, made)


@asynccontextmanager
async def scope(source, client):
    """Opens a stream in the `with` block that belongs to it; gives what to iterate over."""
    method = source.method(client)
    if source.how == "helper":
        manager = method(**source.ask)
    elif source.how == "lines":
        manager = method(**source.ask, stream=True)
    else:
        manager = (await opened(source, client)).items
    async with entered(manager) as value:
        yield value.iter_lines() if source.how == "lines" else value


async def read_half(items):
    """Reads until the first half of the answer has come, and leaves off."""
    iterator = each(items)
    async for item in iterator:
        if "one two" in repr(item):
            return
    raise AssertionError("the first half never came")


async def step(items):
    """One item, asked for without a loop around."""
    if hasattr(items, "__anext__"):
        return await items.__anext__()
    return next(items)


def pulls_by_itself(items):
    """Whether the stream has a generator's own `aclose`, as the lines of a response have."""
    return inspect.isasyncgen(items)


def said(span):
    """What the span holds of the answer."""
    messages = json.loads(span.attributes.get("gen_ai.output.messages", "[]"))
    return "".join(part["content"] for message in messages for part in message["parts"])
