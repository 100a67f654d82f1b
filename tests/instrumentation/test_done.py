"""A server that speaks OpenAI's format need not give a finish reason; then `[DONE]` says that the answer is whole."""

from __future__ import annotations

import gc
import json
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel.testing import Reply

from .shapes import each, entered, settle

kinds = pytest.mark.parametrize("kind", ["sync", "async"])
CHAT: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
LEGACY: Any = {"model": "m", "prompt": "Hi", "stream": True}


def body(*reasons, key="delta", done=True):
    """The bytes of a stream with a chunk for each finish reason."""
    held = {"content": "one"} if key == "delta" else "one"
    choices = [{"index": 0, key: held, "finish_reason": reason} for reason in reasons]
    head = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [f"data: {json.dumps({**head, 'choices': [choice]})}\n\n" for choice in choices]
    return Reply(raw="".join([*events, "data: [DONE]\n\n" if done else ""]),
                 headers={"content-type": "text/event-stream"})  # fmt: skip


async def chat(client):
    return await settle(client.chat.completions.create(**CHAT))


async def legacy(client):
    return await settle(client.completions.create(**LEGACY))


def ended(span):
    """How a stream ended, with what error."""
    return span.attributes["rlhf.stream.end"], span.attributes.get("error.type")


def read(run, kind, open_, client):
    """Reads a stream to its end, and gives back how many chunks it has."""

    async def use():
        return len([chunk async for chunk in each(await open_(client))])

    return run(kind, use())


@kinds
@pytest.mark.parametrize("reason", [None, ""], ids=["null", "empty"])
@pytest.mark.parametrize(("open_", "key"), [(chat, "delta"), (legacy, "text")], ids=["chat", "legacy"])
def test_done_without_a_reason(open_, key, reason, kind, clients, llm, run, captured):
    """A stream without a finish reason that ends with `[DONE]` is completed, and has no finish reason."""
    llm.script(body(reason, reason, key=key))
    assert read(run, kind, open_, clients["openai", kind]) == 2
    (span,) = captured.spans
    assert ended(span) == ("completed", None)
    assert span.status.status_code is StatusCode.UNSET
    assert "gen_ai.response.finish_reasons" not in span.attributes
    assert "oneone" in span.attributes["gen_ai.output.messages"]


@kinds
@pytest.mark.parametrize("reason", [None, ""], ids=["null", "empty"])
@pytest.mark.parametrize(("open_", "key"), [(chat, "delta"), (legacy, "text")], ids=["chat", "legacy"])
def test_neither_a_reason_nor_done(open_, key, reason, kind, clients, llm, run, captured):
    """One that ends without either was cut short, and the application sees no more of that than without us."""
    llm.script(body(reason, reason, key=key, done=False))
    assert read(run, kind, open_, clients["openai", kind]) == 2
    (span,) = captured.spans
    assert ended(span) == ("error", "IncompleteStream")


@kinds
def test_a_reason_without_done(kind, clients, llm, run, captured):
    """A finish reason is enough: not every server sends `[DONE]`."""
    llm.script(body(None, "stop", done=False))
    read(run, kind, chat, clients["openai", kind])
    (span,) = captured.spans
    assert ended(span) == ("completed", None)
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)


@kinds
@pytest.mark.parametrize(("done", "end"), [(True, "completed"), (False, "error")])
def test_bytes_that_the_application_reads_itself(done, end, kind, clients, llm, run, captured):
    """The same holds where the application reads the bytes."""
    llm.script(body(None, None, done=done))

    async def use():
        async with entered(clients["openai", kind].chat.completions.with_streaming_response.create(**CHAT)) as got:
            async for _ in each(got.iter_bytes()):
                pass

    run(kind, use())
    (span,) = captured.spans
    assert ended(span)[0] == end


@kinds
def test_left_before_done(kind, clients, llm, run, captured):
    """Whoever leaves before `[DONE]` has abandoned the stream, an empty finish reason or not; nothing stays behind."""
    llm.script(body("", "", ""))

    async def use():
        stream = await chat(clients["openai", kind])
        async for _ in each(stream):
            break
        await settle(stream.close())

    run(kind, use())
    assert ended(captured.spans[0]) == ("abandoned", None)


@kinds
def test_streams_leave_no_cycles(kind, clients, llm, run, captured):
    """A stream that was read to `[DONE]`, and one that nobody reads, are gone when the application lets go of them."""
    llm.script(body(None), body(None))

    async def use():
        await chat(clients["openai", kind])
        async for _ in each(await chat(clients["openai", kind])):
            pass

    gc.collect()
    gc.disable()
    try:
        run(kind, use())
        assert [span.attributes["rlhf.stream.end"] for span in captured.spans] == ["abandoned", "completed"]
    finally:
        gc.enable()
