"""What people complain about in other instrumentations, 1 to 10: streams. See `README.md` for the threads."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from opentelemetry.trace import StatusCode

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation.call import open_streams
from rlhf_otel.testing import Reply, Usage
from tests.instrumentation.clockwork import MESSAGES, PATHS, each_kind, each_path, place
from tests.instrumentation.endings import HALF, SOURCES, WHOLE, opened, read_half, said, scope
from tests.instrumentation.shapes import each, entered, find, settle

ASK: Any = {"model": "m", "messages": MESSAGES}
PLAIN = [source for source in SOURCES if source.how == "plain"]  # all others: `tests/instrumentation/test_streams.py`
each_source = pytest.mark.parametrize("source", PLAIN, ids=lambda source: source.id)


async def _broken_off(source: Any, client: Any) -> None:
    stream = await opened(source, client)
    await read_half(stream.items)


async def _closed(source: Any, client: Any) -> None:
    stream = await opened(source, client)
    await read_half(stream.items)
    await stream.close()


async def _left(source: Any, client: Any) -> None:
    async with scope(source, client) as items:
        await read_half(items)


async def _never_read(source: Any, client: Any) -> None:
    await opened(source, client)


@each_kind
@each_source
@pytest.mark.parametrize("way", [_broken_off, _closed, _left, _never_read], ids=lambda way: way.__name__)
def test_01_streams_that_are_left_early_are_one_span(way, source, kind, clients, llm, run, captured) -> None:
    """However a stream is left, there is exactly one span, abandoned and not OK, with the text that had come."""
    llm.script(HALF)

    async def use() -> None:
        await way(source, clients[source.sdk, kind])
        gc.collect()
        while kind == "async" and open_streams:  # the loop closes dropped generators one by one
            await asyncio.sleep(0.001)
            gc.collect()

    run(kind, use())
    (span,) = captured.spans
    assert (span.attributes["rlhf.stream.end"], span.status.status_code) == ("abandoned", StatusCode.UNSET)
    assert said(span) == ("" if way is _never_read else "one two")


@each_source
def test_02_abandoned_streams_leave_nothing_open(source, clients, llm, run, captured) -> None:
    """No span stays open and no call alive. Ten thousand, and the memory they take, are in `tests/conditions`."""
    llm.script(*[WHOLE] * 100)

    async def use() -> None:
        for _ in range(100):
            await _broken_off(source, clients[source.sdk, "sync"])

    run("sync", use())
    gc.collect()
    assert (len(captured.spans), len(open_streams)) == (100, 0)


@each_kind
@each_path
def test_03_the_first_token_is_the_first_that_says_something(path, kind, ask) -> None:
    """A role, a ping and the start of a message are no token: the time is that of the chunk that first has text."""
    chunks, a, duration = ask(path, kind, Reply(chunks=["Lisb", "on."], pings=3))
    assert a["rlhf.response.time_to_first_token"] == place(chunks, "Lisb") > a["gen_ai.response.time_to_first_chunk"]
    assert a["rlhf.response.time_to_first_token"] < duration


@each_kind
@each_path
def test_04_reasoning_has_a_time_of_its_own(path, kind, ask) -> None:
    """The first reasoning and the first answer are timed apart."""
    chunks, a, _ = ask(path, kind, Reply(reasoning="well then", chunks=["Lisb", "on."]))
    assert a["rlhf.response.time_to_first_reasoning"] == place(chunks, "well")
    assert a["rlhf.response.time_to_first_token"] == place(chunks, "Lisb") > place(chunks, "well")


@each_kind
@each_source
def test_05_the_first_chunk_is_measured_on_every_path(source, kind, clients, llm, run, captured) -> None:
    """Each kind of stream has the attribute, is marked as a stream, and is counted in the histogram."""
    llm.script(WHOLE)

    async def use() -> None:
        async with scope(source, clients[source.sdk, kind]) as items:
            async for _ in each(items):
                pass

    run(kind, use())
    (span,) = captured.spans
    assert span.attributes["gen_ai.request.stream"] is True
    assert span.attributes["gen_ai.response.time_to_first_chunk"] > 0
    (histogram,) = [m for m in captured.metrics if m.name == "gen_ai.client.operation.time_to_first_chunk"]
    assert [point.count for point in histogram.data.data_points] == [1]


@each_source
def test_06_generators_may_be_closed_from_another_task(source, clients, llm, loop, captured, caplog) -> None:
    """Not a line about a token of a different Context, and the span has ended."""
    llm.script(HALF)

    async def words() -> Any:
        async with scope(source, clients[source.sdk, "async"]) as items:
            async for item in each(items):
                yield repr(item)

    async def main() -> None:
        mine = words()
        while "one two" not in await asyncio.ensure_future(mine.__anext__()):
            pass
        await asyncio.ensure_future(mine.aclose())
        gc.collect()
        while open_streams:
            await asyncio.sleep(0.001)
            gc.collect()

    loop.run_until_complete(main())
    assert [record.getMessage() for record in caplog.records if "opentelemetry" in record.name] == []
    assert [span.attributes["rlhf.stream.end"] for span in captured.spans] == ["abandoned"]


def test_07_a_streaming_web_application(clients, llm, loop, captured, caplog) -> None:
    """An ASGI application that hands a stream on through generators, to five clients at once: five spans, no errors."""
    llm.script(*[WHOLE] * 5)

    async def tokens() -> Any:
        async for chunk in await clients["openai", "async"].chat.completions.create(**ASK, stream=True):
            yield chunk.choices[0].delta.content or ""

    async def steps() -> Any:
        async for token in tokens():
            yield token.encode()

    async def app(scope_: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for body in steps():
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def visit() -> bytes:
        sent: list[Any] = []

        async def send(event: Any) -> None:
            await asyncio.sleep(0)
            sent.append(event.get("body", b""))

        await app({"type": "http"}, None, send)
        return b"".join(sent)

    async def main() -> list[bytes]:
        return await asyncio.gather(*(asyncio.ensure_future(visit()) for _ in range(5)))

    assert loop.run_until_complete(main()) == [b"one two three"] * 5
    assert [said(span) for span in captured.spans] == ["one two three"] * 5
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_08_calls_that_fan_out_are_of_one_trace(clients, llm, loop, captured) -> None:
    """Tasks and threads that a step starts make their calls as its children."""
    tracer = captured.tracer_provider.get_tracer("app")

    async def main() -> None:
        await asyncio.gather(*(clients["openai", "async"].chat.completions.create(**ASK) for _ in range(4)))

    with tracer.start_as_current_span("step") as root:
        loop.run_until_complete(main())
        with ThreadPoolExecutor(4) as pool:
            create = clients["openai", "sync"].chat.completions.create
            list(pool.map(lambda context: context.run(create, **ASK), [contextvars.copy_context() for _ in range(4)]))
    calls = [span for span in captured.spans if span.name == "chat m"]
    assert len(calls) == 8
    assert {span.context.trace_id for span in calls} == {root.get_span_context().trace_id}
    assert {span.parent.span_id for span in calls} == {root.get_span_context().span_id}


HELPERS = {
    "openai": ("chat.completions.stream|beta.chat.completions.stream", ASK),
    "openai-responses": ("responses.stream", {"model": "m", "input": "?"}),
    "anthropic": ("messages.stream", {**ASK, "max_tokens": 9}),
}


@each_kind
@pytest.mark.parametrize("which", [*PATHS, *HELPERS])
def test_09_streams_are_the_libraries_own(which, kind, clients, llm, run, captured) -> None:
    """A stream is of the library's own class and has every public attribute that it has without us, which all work."""
    sdk, arguments = PATHS[which] if which in PATHS else (which.partition("-")[0], HELPERS[which][1])
    method = find(clients[sdk, kind], which if which in PATHS else HELPERS[which][0])
    finals = ("get_final_completion", "get_final_response", "get_final_message", "get_final_text")

    async def use() -> Any:
        llm.script(WHOLE)
        made = await settle(method(**arguments, **({"stream": True} if which in PATHS else {})))
        async with entered(made) as stream:
            names = [name for name in dir(stream) if not name.startswith("_")]
            async for _ in each(stream):
                pass
            ends = [repr(await settle(getattr(stream, name)())) for name in finals if name in names]
            return type(stream), names, ["one two three" in end for end in ends]

    instrumentation.switch_off()
    bare = run(kind, use())
    instrumentation.switch_on()
    assert run(kind, use()) == bare
    streams = {openai.Stream, openai.AsyncStream, anthropic.Stream, anthropic.AsyncStream}
    assert (bare[0] in streams) == (which in PATHS)
    assert len(captured.spans) == 1


async def _read_text(stream: Any) -> None:
    async for _ in each(stream.text_stream):
        pass


async def _read_events(stream: Any) -> None:
    async for _ in each(stream):
        pass


WAYS = {
    ("anthropic", "text_stream"): _read_text,
    ("anthropic", "until_done"): lambda stream: settle(stream.until_done()),
    ("anthropic", "get_final_text"): lambda stream: settle(stream.get_final_text()),
    ("openai", "events"): _read_events,
    ("openai-responses", "get_final_response"): lambda stream: settle(stream.get_final_response()),
}


@each_kind
@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_10_helpers_leave_a_whole_span(way, kind, clients, llm, run, captured) -> None:
    """Text, usage and the reason of the end are there, whichever of the helpers reads the stream."""
    path, arguments = HELPERS[way[0]]
    llm.script(Reply(text="one two three", usage=Usage(input=7, output=3)))
    more = {"stream_options": {"include_usage": True}} if way[0] == "openai" else {}

    async def use() -> None:
        method = find(clients[way[0].partition("-")[0], kind], path)
        async with entered(method(**arguments, **more)) as stream:
            await WAYS[way](stream)

    run(kind, use())
    (span,) = captured.spans
    assert said(span) == "one two three"
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (7, 3)
    assert span.attributes["gen_ai.response.finish_reasons"] in (("stop",), ("end_turn",))
