"""A clock that stands still but for what the script says, so that the time of each event tells which event it was."""

from __future__ import annotations

import sys

import pytest

from rlhf_otel.testing import FixedClock

from .shapes import each, entered, find, settle

MESSAGES = [{"role": "user", "content": "?"}]
PATHS = {
    "chat.completions.create": ("openai", {"model": "m", "messages": MESSAGES}),
    "responses.create": ("openai", {"model": "m", "input": "?"}),
    "messages.create": ("anthropic", {"model": "m", "messages": MESSAGES, "max_tokens": 9}),
}
each_path = pytest.mark.parametrize("path", PATHS)
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture
def clock(monkeypatch, captured):
    """The engine's clock, which stands still until it is moved on."""
    made = FixedClock(step_ns=0)
    for name, module in list(sys.modules.items()):
        if name.startswith("rlhf_otel.instrumentation") and hasattr(module, "_clock"):
            monkeypatch.setattr(module, "_clock", made.time_ns)
    return made


@pytest.fixture
def ask(llm, clients, run, captured, clock):
    """Asks once: the headers take 3 seconds, each chunk 1; the chunks, the times at which they came, and the span."""

    def asked(path, kind, reply, *, stream=True, way=None):
        sdk, arguments = PATHS[path]

        def answer(_):
            clock.advance(3)
            return reply

        async def use():
            method = find(clients[sdk, kind], way or path)
            if not stream:
                return await settle(method(**arguments))
            seen = []
            async with entered(await settle(method(**arguments, stream=True))) as items:
                source = each(items)
                while True:
                    clock.advance(1)
                    try:
                        item = await source.__anext__()
                    except StopAsyncIteration:
                        return seen
                    seen.append(item)

        llm.responder = answer
        try:
            seen = run(kind, use())
        finally:
            llm.responder = None
        (span,) = captured.spans
        return seen, span.attributes, (span.end_time - span.start_time) / 1e9

    return asked


def place(chunks, words):
    """When the first chunk that says `words` was handed out."""
    return next(3 + number for number, chunk in enumerate(chunks, start=1) if words in repr(chunk))
