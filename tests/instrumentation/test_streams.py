"""However a stream ends, it is one span with what had come by then, and it says how it ended."""

from __future__ import annotations

import asyncio
import gc
import threading

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation.call import open_streams
from rlhf_otel.testing import Reply

from .endings import HALF, SOURCES, WHOLE, opened, read_half, said, scope
from .shapes import each

each_source = pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.id)
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])
FAILURES = (openai.APIError, anthropic.APIError)


@pytest.fixture(autouse=True)
def nothing_logged(caplog):
    """No test here leaves a line in the log, least of all on a token of a different Context, or an open stream."""
    yield
    assert [r.getMessage() for r in caplog.records if r.name.startswith(("opentelemetry", "rlhf_otel"))] == []
    assert len(open_streams) == 0


@pytest.fixture
def ended(captured):
    """The one span there is, and that it ended as expected: `ended("abandoned", "one two")`."""

    def check(end, text):
        (span,) = captured.spans
        assert (span.attributes["rlhf.stream.end"], said(span)) == (end, text)
        assert (span.status.status_code is StatusCode.ERROR) == (end == "error")
        assert ("error.type" in span.attributes) == (end == "error")
        return span

    return check


async def _let_finalizers_run():
    """Asynchronous generators that were dropped are closed by their event loop, one by one, a little later."""
    gc.collect()
    while asyncio._get_running_loop() is not None and open_streams:
        await asyncio.sleep(0.001)
        gc.collect()


async def _works(source, client, llm):
    """The connection came free: a client that has only one can call again."""
    llm.script(WHOLE)
    async with scope(source, client) as items:
        async for _ in each(items):
            pass


# --- The application has read enough ------------------------------------------------------------------------------


@each_kind
@each_source
def test_read_to_the_end(source, kind, clients, llm, run, ended):
    """A stream that was read to its end is completed, with the whole text."""
    run(kind, _works(source, clients[source.sdk, kind], llm))
    ended("completed", "one two three")


@each_kind
@each_source
def test_closed(source, kind, narrow_clients, llm, run, ended):
    """`close()` ends the span as abandoned and frees the connection."""
    llm.script(HALF)
    client = narrow_clients[source.sdk, kind]

    async def use():
        stream = await opened(source, client)
        await read_half(stream.items)
        await stream.close()
        await stream.close()
        ended("abandoned", "one two")
        await _works(source, client, llm)

    run(kind, use())


@each_kind
@each_source
def test_closed_unread(source, kind, clients, llm, run, ended):
    """A stream that is closed before anything was read is abandoned, without text."""
    llm.script(HALF)

    async def use():
        await (await opened(source, clients[source.sdk, kind])).close()

    run(kind, use())
    ended("abandoned", "")


@each_kind
@each_source
def test_left_inside_with(source, kind, narrow_clients, llm, run, ended):
    """Leaving the `with` block early ends the span there and then, and frees the connection."""
    llm.script(HALF)
    client = narrow_clients[source.sdk, kind]

    async def use():
        async with scope(source, client) as items:
            await read_half(items)
        ended("abandoned", "one two")
        await _works(source, client, llm)

    run(kind, use())


@each_kind
@each_source
def test_the_applications_own_error(source, kind, clients, llm, run, ended):
    """What the application raises inside the `with` block is its own: the stream is abandoned and nothing failed."""
    llm.script(HALF)

    async def use():
        async with scope(source, clients[source.sdk, kind]) as items:
            await read_half(items)
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(kind, use())
    ended("abandoned", "one two")


@each_kind
@each_source
def test_dropped(source, kind, clients, llm, run, ended):
    """A stream that is left by a `break` and forgotten is abandoned, once the garbage collector has been by."""
    llm.script(HALF)

    async def use():
        stream = await opened(source, clients[source.sdk, kind])
        await read_half(stream.items)
        del stream
        await _let_finalizers_run()

    run(kind, use())
    ended("abandoned", "one two")


@each_kind
@each_source
def test_never_read(source, kind, clients, llm, run, ended):
    """A stream that nobody ever reads is abandoned."""
    llm.script(HALF)

    async def use():
        await opened(source, clients[source.sdk, kind])
        await _let_finalizers_run()

    run(kind, use())
    ended("abandoned", "")


# --- Somebody else ends it ----------------------------------------------------------------------------------------


@each_source
def test_task_cancelled(source, clients, llm, loop, ended):
    """The cancellation of the task that reads ends the span as cancelled, and reaches the application."""
    llm.script(HALF)
    halfway = asyncio.Event()

    async def use():
        async with scope(source, clients[source.sdk, "async"]) as items:
            async for item in each(items):
                if "one two" in repr(item):
                    halfway.set()

    async def main():
        task = asyncio.ensure_future(use())
        await halfway.wait()
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    loop.run_until_complete(main())
    ended("cancelled", "one two")


@each_source
def test_time_is_up(source, clients, llm, loop, ended):
    """`asyncio.wait_for` around the reading ends the span as cancelled."""
    llm.script(HALF)

    async def use():
        stream = await opened(source, clients[source.sdk, "async"])
        async for _ in each(stream.items):
            pass

    with pytest.raises(asyncio.TimeoutError):
        loop.run_until_complete(asyncio.wait_for(use(), 0.3))
    ended("cancelled", "one two")


@each_source
def test_closed_from_another_task(source, clients, llm, loop, ended):
    """A stream that one task reads can be closed by another."""
    llm.script(HALF)

    async def main():
        stream = await opened(source, clients[source.sdk, "async"])
        await read_half(stream.items)
        await asyncio.ensure_future(stream.close())

    loop.run_until_complete(main())
    ended("abandoned", "one two")


@each_source
def test_generator_closed_from_another_task(source, clients, llm, loop, ended):
    """An application's own asynchronous generator over a stream can be closed by another task than reads it."""
    llm.script(HALF)

    async def words():
        async with scope(source, clients[source.sdk, "async"]) as items:
            async for item in each(items):
                yield repr(item)

    async def main():
        mine = words()
        while "one two" not in await asyncio.ensure_future(mine.__anext__()):
            pass
        await asyncio.ensure_future(mine.aclose())
        await _let_finalizers_run()

    loop.run_until_complete(main())
    ended("abandoned", "one two")


@each_source
def test_closed_from_another_thread(source, clients, llm, run, ended):
    """A stream that one thread reads can be closed by another."""
    llm.script(HALF)

    async def use():
        stream = await opened(source, clients[source.sdk, "sync"])
        await read_half(stream.items)
        closer = threading.Thread(target=lambda: run("sync", stream.close()))
        closer.start()
        closer.join()

    run("sync", use())
    ended("abandoned", "one two")


# --- The provider breaks off --------------------------------------------------------------------------------------

BREAKS = {
    "disconnect": Reply(chunks=["one two", " three"], disconnect_after=1),
    "error_event": Reply(chunks=["one two", " three"], malformed="error_event", error="overloaded, sorry"),
    "invalid_json": Reply(chunks=["one two", " three"], malformed="invalid_json"),
}


async def _outcome(source, client):
    """What the application gets: its exception, and how many items came before."""
    count = 0
    try:
        async with scope(source, client) as items:
            async for _ in each(items):
                count += 1
    except Exception as error:
        return type(error), str(error), count
    return None, None, count


@each_kind
@pytest.mark.parametrize("fault", BREAKS)
@each_source
def test_broken_off(source, fault, kind, clients, llm, run, ended, captured):
    """A stream that the provider breaks off is an error with its type and what had come, and raised as without us."""
    client = clients[source.sdk, kind]
    llm.script(BREAKS[fault], BREAKS[fault])
    instrumentation.switch_off()
    bare = run(kind, _outcome(source, client))
    instrumentation.switch_on()
    assert run(kind, _outcome(source, client)) == bare
    if bare[0] is None:
        (span,) = captured.spans  # bytes that the application takes as they are: the client has nothing to raise
        assert said(span) == "one two"
        return
    span = ended("error", "one two")
    assert span.attributes["error.type"] == bare[0].__name__
    assert span.status.description == bare[1]


@each_kind
@each_source
def test_truncated(source, kind, clients, llm, run, captured):
    """A stream that just stops is an error, although the client raises none: what came is no whole answer."""
    llm.script(Reply(chunks=["one two", " three"], malformed="truncated"))
    kind_of_error, _, _ = run(kind, _outcome(source, clients[source.sdk, kind]))
    (span,) = captured.spans
    assert (span.attributes["rlhf.stream.end"], span.status.status_code) == ("error", StatusCode.ERROR)
    assert span.attributes["error.type"] == ("IncompleteStream" if kind_of_error is None else kind_of_error.__name__)
    assert said(span) == "one two"
    assert "gen_ai.response.finish_reasons" not in span.attributes


@each_kind
@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_empty(sdk, kind, clients, llm, run, captured):
    """A stream without an event is an error too; the application sees an empty stream, as without us."""
    source = next(s for s in SOURCES if s.sdk == sdk)
    llm.script(Reply(raw="", headers={"content-type": "text/event-stream"}))
    assert run(kind, _outcome(source, clients[sdk, kind])) == (None, None, 0)
    (span,) = captured.spans
    assert (span.attributes["rlhf.stream.end"], span.attributes["rlhf.stream.chunks"]) == ("error", 0)
    assert span.attributes["error.type"] == "IncompleteStream"


# --- Many ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_thousand_abandoned_streams(sdk, clients, llm, run, captured):
    """A thousand streams that are begun and forgotten leave a thousand spans and nothing open."""
    source = next(s for s in SOURCES if s.sdk == sdk)
    llm.script(*[WHOLE] * 500)

    async def use():
        for _ in range(500):
            stream = await opened(source, clients[sdk, "sync"])
            await read_half(stream.items)

    run("sync", use())
    gc.collect()
    assert len(captured.spans) == 500
    assert {span.attributes["rlhf.stream.end"] for span in captured.spans} == {"abandoned"}
    assert len({span.context.span_id for span in captured.spans}) == 500
    assert len(open_streams) == 0


def test_the_first_piece_does_not_wait_for_the_second(clients, llm, captured):
    """Nothing is read ahead: what has come is handed out although the provider has stalled after it."""
    for sdk in ("openai", "anthropic"):
        llm.script(HALF)
        source = next(s for s in SOURCES if s.sdk == sdk)
        stream = source.method(clients[sdk, "sync"])(**source.ask, stream=True)
        for item in stream:
            if "one two" in repr(item):
                break
        stream.close()
    assert [said(span) for span in captured.spans] == ["one two", "one two"]


@pytest.mark.parametrize("source", [s for s in SOURCES if s.how == "plain"], ids=lambda s: s.id)
def test_the_streams_own_class_and_attributes(source, clients, llm, captured):
    """A recorded stream is of the very class of the SDK, with its response, and `next` works on it."""
    module = openai if source.sdk == "openai" else anthropic
    llm.script(WHOLE)
    with source.method(clients[source.sdk, "sync"])(**source.ask, stream=True) as stream:
        assert type(stream) is module.Stream
        assert stream.response.status_code == 200
        assert next(stream) is not None
        assert "one two" in repr(list(stream))
    (span,) = captured.spans
    assert span.attributes["rlhf.stream.end"] == "completed"
