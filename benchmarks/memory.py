"""What an open stream keeps: KB for each asynchronous openai stream of which 200 chunks have been read, over bare.

The streams are decoded by the client from bytes, so that every stream has text of its own. Counted by tracemalloc, each
variant in a process of its own; this does not vary between runs by more than a few bytes, nor with how many are open:
250 take three minutes, and --rounds 4 opens a thousand.

python benchmarks/memory.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import cases
import httpx2
import variants
from harness import Row, arguments, clean_environment, show

CHUNKS = 200
TARGET_KB = 10.0
_LABELS = {"floor": "floor", "own": "own provider", "foreign": "foreign provider"}


class _Body(httpx2.AsyncByteStream):
    """The bytes of a completion, one piece for each chunk."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


async def kilobytes(variant: str, streams: int) -> float:
    """What one open stream of `variant` takes."""
    import openai
    import openai._streaming

    decode = openai._streaming.AsyncStream.__stream__
    clients = cases.Clients()
    openai._streaming.AsyncStream.__stream__ = decode  # type: ignore[method-assign]
    pieces = [f"data: {chunk.model_dump_json()}\n\n".encode() for chunk in cases.openai_chunks()]
    head = {"content-type": "text/event-stream"}
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, headers=head, stream=_Body(pieces)))
    clients.async_openai = openai.AsyncOpenAI(api_key="none", http_client=httpx2.AsyncClient(transport=transport))
    kept = _switched_on(variant, clients)
    await _open(clients.async_openai, 5)
    gc.collect()
    tracemalloc.start()
    held = await _open(clients.async_openai, streams)
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    del held, kept
    return size / streams / 1024


def _switched_on(variant: str, clients: cases.Clients) -> Any:
    """Instruments the clients: one of our own variants, or a peer."""
    if variant in variants.VARIANTS:
        return variants.VARIANTS[variant](clients)
    import peers

    return peers.PEERS[variant].switch_on(clients)


async def _open(client: Any, count: int) -> list[Any]:
    """So many streams, each read as far as is measured."""
    held = []
    for _ in range(count):
        stream = await client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        chunks = aiter(stream)
        for _ in range(CHUNKS):
            await anext(chunks)
        held.append((stream, chunks))
    return held


def measured(variant: str, streams: int, python: str = sys.executable) -> float:
    """The same, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [python, __file__, "--of", variant, str(streams)],
            check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=clean_environment(),
        )  # fmt: skip
    return float(run.stdout)


def rows(streams: int) -> list[Row]:
    """The table."""
    bare = measured("bare", streams)
    added = {variant: measured(variant, streams) - bare for variant in _LABELS}
    name = f"memory of an open stream, {CHUNKS} chunks read, {streams} open"
    return [
        Row(name, _LABELS[variant], kb, "KB", target=None if variant == "floor" else TARGET_KB,
            note=f"bare takes {bare:.1f} KB" if variant == "floor" else "")
        for variant, kb in added.items()
    ]  # fmt: skip


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--of"]:
        print(asyncio.run(kilobytes(sys.argv[2], int(sys.argv[3]))))
        return
    options = arguments(__doc__, rounds=1)
    show(rows(10 if options.quick else 250 * options.rounds), "Memory that an open stream takes", options)


if __name__ == "__main__":
    main()
