"""The ways in which an application calls a model, each written once for synchronous and asynchronous clients.

A way is a coroutine function `(method, ask) -> what the application saw`. With a synchronous client it never waits.
"""

from __future__ import annotations

import inspect
import operator
import re
from asyncio import _get_running_loop
from contextlib import asynccontextmanager

_CHANGES = re.compile(
    r"(created|created_at|completed_at)(['\"]?[:=] ?)[\d.]+|\b(msg|rs|fc|req|resp|cmpl|chatcmpl)[_-]\d+"
)


def find(client, path):
    """The first of the methods `a.b|c.d` that this version of the client has; None where it has none of them."""
    for one in path.split("|"):
        try:
            return operator.attrgetter(one)(client)
        except AttributeError:
            continue
    return None


def _is_asynchronous(value, asynchronous, synchronous):
    """What some other instrumentations return looks like both; a synchronous client is used without an event loop."""
    return hasattr(value, asynchronous) and not (hasattr(value, synchronous) and _get_running_loop() is None)


async def settle(value):
    """The value, which an asynchronous client promises and a synchronous one gives."""
    return await value if inspect.isawaitable(value) else value


async def each(source):
    """The items of a stream of either kind."""
    if _is_asynchronous(source, "__aiter__", "__iter__"):
        async for item in source:
            yield item
    else:
        for item in source:
            yield item


@asynccontextmanager
async def entered(manager):
    """A `with` block of either kind."""
    if _is_asynchronous(manager, "__aenter__", "__enter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


async def close(stream):
    """Closes a stream of either kind."""
    await settle(stream.close() if hasattr(stream, "close") else stream.aclose())


def shown(value):
    """Type and value of what the application holds, without what differs from one request to the next."""
    if isinstance(value, BaseException):
        return type(value), neutral(str(value))
    dumped = value.model_dump(warnings=False) if hasattr(value, "model_dump") else value
    return type(value), neutral(repr(dumped))


def neutral(words):
    """`words` without times and numbered ids."""
    return _CHANGES.sub(r"\1\2\3", words)


async def _all(source):
    return [shown(item) async for item in each(source)]


# --- Plain answers ------------------------------------------------------------------------------------------------


async def plain(method, ask):
    """`create`, `parse`, `embeddings.create`."""
    answer = await settle(method(**ask))
    return [shown(answer), shown(getattr(answer, "_request_id", None)), sorted(vars(answer))]


async def raw(method, ask):
    """`with_raw_response`, whose `parse` is called twice."""
    response = await settle(method(**ask))
    first, second = await settle(response.parse()), await settle(response.parse())
    return [type(response), response.status_code, sorted(response.headers), shown(first), first is second]


async def streaming_parse(method, ask):
    """`with_streaming_response`, parsed."""
    async with entered(method(**ask)) as response:
        return [type(response), shown(await settle(response.parse()))]


async def streaming_json(method, ask):
    """`with_streaming_response`, whose JSON the application reads by itself."""
    async with entered(method(**ask)) as response:
        return [type(response), shown(await settle(response.json()))]


async def words(method, ask):
    """An answer that is plain text, as of transcripts in some formats."""
    answer = await settle(method(**ask))
    return [type(answer), answer]


async def raw_words(method, ask):
    """The same by `with_raw_response`."""
    response = await settle(method(**ask))
    return [type(response), response.text, await settle(response.parse())]


async def binary(method, ask):
    """An answer that is a sound."""
    answer = await settle(method(**ask))
    return [type(answer), answer.response.headers["content-type"], answer.content, answer.read()]


async def raw_binary(method, ask):
    """The same by `with_raw_response`."""
    response = await settle(method(**ask))
    return [type(response), response.content, (await settle(response.parse())).content]


async def streaming_binary(method, ask):
    """The same by `with_streaming_response`, piece by piece."""
    async with entered(method(**ask)) as response:
        return [type(response), [piece async for piece in each(response.iter_bytes(3))]]


# --- Streams ------------------------------------------------------------------------------------------------------


async def stream(method, ask):
    """`create(stream=True)`, read to its end."""
    made = await settle(method(**ask, stream=True))
    return [type(made), made.response.status_code, *await _all(made)]


async def stream_with(method, ask):
    """`create(stream=True)` in a `with` block."""
    async with entered(await settle(method(**ask, stream=True))) as made:
        return [type(made), *await _all(made)]


async def raw_stream(method, ask):
    """`with_raw_response.create(stream=True)`, parsed into a stream."""
    response = await settle(method(**ask, stream=True))
    made = await settle(response.parse())
    return [type(response), type(made), response.status_code, *await _all(made)]


async def streaming_stream(method, ask):
    """`with_streaming_response.create(stream=True)`, parsed into a stream."""
    async with entered(method(**ask, stream=True)) as response:
        made = await settle(response.parse())
        return [type(response), type(made), *await _all(made)]


async def streaming_lines(method, ask):
    """Server-sent events that the application reads line by line."""
    async with entered(method(**ask, stream=True)) as response:
        return [type(response), *await _all(response.iter_lines())]


async def streaming_bytes(method, ask):
    """Server-sent events that the application reads as bytes."""
    async with entered(method(**ask, stream=True)) as response:
        return [type(response), shown(b"".join([data async for data in each(response.iter_bytes())]))]


# --- Stream helpers -----------------------------------------------------------------------------------------------


async def helper(method, ask):
    """`.stream()`, iterated; then the accumulated result is asked for."""
    async with entered(method(**ask)) as made:
        events = await _all(made)
        for name in ("get_final_completion", "get_final_response", "get_final_message"):
            if hasattr(made, name):
                events.append(shown(await settle(getattr(made, name)())))
        return [type(made), *events]


async def helper_text(method, ask):
    """Anthropic's `text_stream`."""
    async with entered(method(**ask)) as made:
        return [type(made), *await _all(made.text_stream), shown(await settle(made.get_final_message()))]


async def helper_final(method, ask):
    """Only the final text is asked for."""
    async with entered(method(**ask)) as made:
        return [type(made), await settle(made.get_final_text()), shown(made.current_message_snapshot)]


async def helper_until_done(method, ask):
    """`until_done` reads to the end without looking."""
    async with entered(method(**ask)) as made:
        await settle(made.until_done())
        return [type(made)]
