"""What a case of the contract is: one way to call a library, what the wire carries, and the one span it has to make.

Everything that is expected is written out. Nothing is computed by the code under test.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from .wire import Answer, Body

REQUIRED = "RLHF_OTEL_TEST_LIBRARIES"
"""Set where the libraries are meant to be there: then a missing one fails instead of being skipped."""

CONTENT = {
    "input": "gen_ai.input.messages",
    "output": "gen_ai.output.messages",
    "system": "gen_ai.system_instructions",
    "tools": "gen_ai.tool.definitions",
}
VOLATILE = (
    "rlhf.response.",
    "rlhf.stream.max_gap",
    "rlhf.stream.duration",
    "gen_ai.response.time_to_",
    "server.",
    "enduser.pseudo.id",
)
"""How the names of times and of what no literal can know begin."""


REFUSAL = Body({"error": {"message": "no such model", "type": "invalid_request_error"}}, 400)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call.

    Attributes:
        name: of the case.
        call: makes the call with a client; what it returns may have to be awaited.
        answers: what the server sends, request by request.
        spans: the names of the spans, as many as there are calls to a model.
        attributes: of the last span, but for content and times.
        content: the last span's messages, by the keys of `CONTENT`.
        stream: whether the result is read as a stream; then the span says so.
        first: the kinds of first pieces that a stream has: token, reasoning.
        leaves: how a stream has ended of which only one chunk was read; completed where that was all of it.
        kinds: of the library's clients, those that have this call.
    """

    name: str
    call: Callable[[Any], Any]
    answers: Sequence[Answer]
    spans: Sequence[str]
    attributes: Mapping[str, Any]
    content: Mapping[str, Any] = field(default_factory=dict)
    stream: bool = False
    first: Sequence[str] = ("token",)
    leaves: str = "abandoned"
    kinds: Sequence[str] = ("sync", "async")


@dataclass(frozen=True, kw_only=True)
class Library:
    """A client library and its cases.

    Attributes:
        package: as it is imported.
        clients: makes the client of each kind, given the server's URL: sync, async and what else there is.
        provider: the conventions' name of who answers.
        cases: the contract.
        made_anew: whether each call is made with a new client, as one made before keeps its methods unrecorded.
        refusal: what the server sends when it refuses; the first case is called.
        refused: the words of it that the span is to have, and no others; None where the library's own are good enough.
    """

    package: str
    clients: Mapping[str, Callable[[str], Any]]
    provider: str
    cases: Sequence[Case]
    made_anew: bool = False
    refusal: Body = REFUSAL
    refused: str | None = None


def required(module: str) -> Any:
    """The module of a library; where it is missing, the tests are skipped unless it is meant to be there."""
    return importlib.import_module(module) if os.environ.get(REQUIRED) else pytest.importorskip(module)


async def outcome(case: Case, client: Any) -> Any:
    """What the application gets: the result, or all chunks of a stream."""
    result = await _awaited(case.call(client))
    if not case.stream:
        return result
    chunks = [chunk async for chunk in result] if hasattr(result, "__aiter__") else list(result)
    return chunks, type(result)


async def first_chunk(case: Case, client: Any) -> None:
    """Reads one chunk of a stream and leaves it."""
    result = await _awaited(case.call(client))
    if hasattr(result, "__aiter__"):
        async for _ in result:
            break
    else:
        next(iter(result))
    close = getattr(result, "aclose", None) or getattr(result, "close", None)
    if close is not None:
        await _awaited(close())
    del result
    for _ in range(20):  # an asynchronous generator within another is closed by the loop, in one of its next rounds
        await asyncio.sleep(0)


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def told(span: Any) -> dict[str, Any]:
    """A span's attributes without content, times and what no literal can know."""
    kept = {k: v for k, v in span.attributes.items() if not k.startswith(VOLATILE) and k not in CONTENT.values()}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


def said(span: Any) -> dict[str, Any]:
    """A span's content, decoded."""
    return {name: json.loads(span.attributes[key]) for name, key in CONTENT.items() if key in span.attributes}


def user(*texts: str) -> dict[str, Any]:
    """A user's message of text parts."""
    return {"role": "user", "parts": [text(one) for one in texts]}


def answered(finish: str | None, *parts: Any) -> dict[str, Any]:
    """An assistant's message; a string is a text part."""
    made = {"role": "assistant", "parts": [text(part) if isinstance(part, str) else part for part in parts]}
    return made if finish is None else {**made, "finish_reason": finish}


def text(content: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "content": content}


def thought(content: str) -> dict[str, Any]:
    """A part of reasoning."""
    return {"type": "reasoning", "content": content}


def called(name: str, arguments: Any, call_id: str | None = None) -> dict[str, Any]:
    """A part that calls a tool."""
    return {"type": "tool_call", "id": call_id, "name": name, "arguments": arguments}
