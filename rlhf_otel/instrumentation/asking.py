"""Asks a provider for more than the application does, and hides from the application what comes of it.

Nothing of the application's is changed: the question goes into a new body, and only where the provider says that the
service takes it. What the answer brings is read like all else and then left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlhf_otel import hooks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator

    from rlhf_otel.instrumentation.call import Call


def ask_for_usage(call: Call, client: Any, options: Any) -> None:
    """Has the request that is made of `options`, the SDK's own copy, ask for the usage of a stream."""
    more: Any = getattr(call.endpoint, "usage_option", None)
    takes = getattr(getattr(call.patch, "provider", None), "takes_usage", None)
    if not call.stream or more is None or takes is None or not takes(client):
        return
    if (body := more.with_usage(options)) is not None:
        options.json_data = body
        call.hides = more.is_only_usage


def without(call: Call, observed: Generator[Any, Any, Any]) -> Iterator[Any]:
    """What `observed` yields, without the chunks that are hidden."""
    try:
        for chunk in observed:
            if not _is_hidden(call, chunk):
                yield chunk
    finally:
        observed.close()


async def without_async(call: Call, observed: AsyncGenerator[Any, Any]) -> AsyncIterator[Any]:
    """The same for an asynchronous stream."""
    try:
        async for chunk in observed:
            if not _is_hidden(call, chunk):
                yield chunk
    finally:
        await observed.aclose()


def _is_hidden(call: Call, chunk: Any) -> bool:
    """Whether the application did not ask for `chunk`, which does not count then."""
    try:
        hidden = call.hides is not None and call.hides(chunk)
    except Exception as error:  # noqa: BLE001 - a chunk that is not as expected is the application's
        hooks.fault("hiding a chunk", error)
        return False
    if hidden:
        call.stamps.pop()
    return hidden
