"""Tells whether a stream ended as OpenAI's wire format has it, with `[DONE]`, or just ended.

The client keeps that event to itself, and not every server that speaks the format gives a finish reason before it. So
it is told from what the client does there: it stops reading, and its source of events stays where it is, while a stream
that just ends exhausts it. That costs nothing for each chunk. Older clients read on to the end of the response; theirs
is looked at event by event.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rlhf_otel.instrumentation.call import Call

DONE = "[DONE]"


def opened(call: Call, stream: Any) -> tuple[Any, Any]:
    """The chunks of an SDK's stream, and the events that they are made of, which it is to be asked of afterwards.

    Both are of copies of the stream: a generator that referred to what holds it would form a cycle with it, and a
    dropped stream, its connection and its span would stay open until the garbage collector comes by.
    """
    events = copy(stream)._iter_events()
    if _reads_on(type(stream)):
        events = (_noted_async if hasattr(events, "__aiter__") else _noted)(call, events)
    reader = copy(stream)
    reader._iter_events = [events].pop
    return reader.__stream__(), events


def note(call: Call) -> None:
    """The answer has been said to be whole; of one without a chunk that means nothing."""
    call.complete = call.complete or bool(call.stamps)


def is_left(events: Any) -> bool:
    """Whether nobody has read `events` to their end."""
    return (getattr(events, "gi_frame", None) or getattr(events, "ag_frame", None)) is not None


def _reads_on(cls: type[Any]) -> bool:
    """Whether streams of this class read the rest of the response after `[DONE]`, in a loop of its own."""
    return "_sse" in cls.__stream__.__code__.co_varnames


def _noted(call: Call, events: Iterator[Any]) -> Iterator[Any]:
    for event in events:
        if event.data.startswith(DONE):
            note(call)
        yield event


async def _noted_async(call: Call, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in events:
        if event.data.startswith(DONE):
            note(call)
        yield event
