"""Threads, tasks and asynchronous generators of one process: each call once, and beneath the span it was made under."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

from rlhf_otel.instrumentation.call import open_streams
from rlhf_otel.testing import Reply

from .conftest import answer_to, pairs, recorded

pytestmark = pytest.mark.usefixtures("nothing_logged")
PROMPTS = [f"question {number}" for number in range(20)]
HALF = Reply(chunks=["one two", " three"], chunk_delay=60)
"""An answer whose second half never comes."""


def asked(prompt):
    """What a call is made with."""
    return {"model": "m", "messages": [{"role": "user", "content": prompt}]}


@pytest.fixture
def client(llm):
    with openai.OpenAI(base_url=llm.openai_url, api_key="k", max_retries=0) as made:
        yield made


@pytest.fixture
def root(captured):
    """The application's own span, under which everything is asked."""
    with captured.tracer_provider.get_tracer("app").start_as_current_span("request") as span:
        yield span.get_span_context()


def clients(llm):
    """An asynchronous client of each library."""
    return (
        openai.AsyncOpenAI(base_url=llm.openai_url, api_key="k", max_retries=0),
        anthropic.AsyncAnthropic(base_url=llm.anthropic_url, api_key="k", max_retries=0),
    )


async def ask(client, prompt):
    """Asks, plainly or in a stream by the number of the question; the text of the answer."""
    stream = prompt[-1] in "13579"
    if isinstance(client, openai.AsyncOpenAI):
        made = await client.chat.completions.create(**asked(prompt), stream=stream)
        if not stream:
            return made.choices[0].message.content
        return "".join([chunk.choices[0].delta.content or "" async for chunk in made if chunk.choices])
    if not stream:
        return (await client.messages.create(**asked(prompt), max_tokens=9)).content[0].text
    async with client.messages.stream(**asked(prompt), max_tokens=9) as opened:
        return "".join([text async for text in opened.text_stream])


def ended(captured):
    """How each stream ended, and with what."""
    return [(call.stream_end, call.output[0]["parts"][0]["content"]) for call in captured.interactions]


def is_one_trace(captured, root):
    """Whether every call is a child of `root`."""
    parents = {(call.trace_id, call.parent_span_id) for call in captured.interactions}
    return parents == {(f"{root.trace_id:032x}", f"{root.span_id:016x}")}


def test_threads(client, captured, root):
    """Threads that carry the context over ask at once: each call once, all beneath the application's span."""
    context = contextvars.copy_context()

    def work(prompt):
        return context.copy().run(client.chat.completions.create, **asked(prompt)).choices[0].message.content

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, PROMPTS)) == [answer_to(prompt) for prompt in PROMPTS]
    assert recorded(captured) == pairs(*PROMPTS)
    assert is_one_trace(captured, root)


async def gathered(llm):
    made = clients(llm)
    answers = await asyncio.gather(
        *(ask(client, f"{client.__class__.__name__} {p}") for client in made for p in PROMPTS)
    )
    for client in made:
        await client.close()
    return answers


async def grouped(llm):
    made = clients(llm)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(c, f"{c.__class__.__name__} {p}")) for c in made for p in PROMPTS]
    for client in made:
        await client.close()
    return [task.result() for task in tasks]


has_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup is of Python 3.11")


@pytest.mark.parametrize("fan_out", [gathered, pytest.param(grouped, marks=has_groups)])
def test_tasks(fan_out, llm, captured, root):
    """Tasks of one loop ask both libraries at once: each call once, all beneath the application's span."""
    answers = asyncio.run(fan_out(llm))
    prompts = [f"{name} {prompt}" for name in ("AsyncOpenAI", "AsyncAnthropic") for prompt in PROMPTS]
    assert answers == [answer_to(prompt) for prompt in prompts]
    assert recorded(captured) == pairs(*prompts)
    assert is_one_trace(captured, root)


def test_a_group_that_fails(llm, captured):
    """Where one task of a group fails, the calls of the others end as cancelled, and none stays open."""
    if sys.version_info < (3, 11):
        pytest.skip("TaskGroup is of Python 3.11")
    llm.script(HALF)

    async def main():
        (client, other), begun = clients(llm), asyncio.Event()

        async def read():
            async for chunk in await client.chat.completions.create(**asked("half"), stream=True):
                if "one two" in repr(chunk):
                    begun.set()

        async def fail():
            await begun.wait()
            raise LookupError("mine")

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(read())
                group.create_task(fail())
        except BaseException as error:
            caught = error
        await client.close()
        await other.close()
        return caught

    assert isinstance(asyncio.run(main()).exceptions[0], LookupError)
    assert ended(captured) == [("cancelled", "one two")]


async def words(client):
    """An application's generator over a stream, as it is given to a web framework."""
    async for chunk in await client.chat.completions.create(**asked("half"), stream=True):
        yield repr(chunk)


async def begin(client):
    """The same, read to its first words."""
    mine = words(client)
    async for word in mine:
        if "one two" in word:
            break
    return mine


@pytest.mark.parametrize("how", ["closed by another task", "left to the loop", "closed in another context"])
def test_a_generator_that_another_task_ends(how, llm, captured):
    """A generator that one task reads is ended by another, or by the end of its loop: one span, and no complaint."""
    llm.script(HALF)

    async def main():
        client, other = clients(llm)
        mine = await asyncio.create_task(begin(client))
        if how == "closed by another task":
            await asyncio.create_task(mine.aclose())
        elif how == "closed in another context":
            await contextvars.Context().run(asyncio.ensure_future, mine.aclose())
        else:
            return mine
        while open_streams:  # what the application's generator had within is closed by the loop, one after the other
            await asyncio.sleep(0.001)
        await client.close()
        await other.close()
        return None

    kept = asyncio.run(main())
    del kept
    assert ended(captured) == [("abandoned", "one two")]


def test_a_loop_a_thread(llm, captured):
    """Event loops of several threads share one recording."""
    prompts = [[f"loop {thread} {prompt}" for prompt in PROMPTS] for thread in range(3)]

    async def main(mine):
        made = clients(llm)
        await asyncio.gather(*(ask(made[0], prompt) for prompt in mine))
        for client in made:
            await client.close()

    threads = [threading.Thread(target=asyncio.run, args=(main(mine),)) for mine in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorded(captured) == pairs(*itertools.chain(*prompts))


@pytest.mark.parametrize("library", ["openai", "anthropic"])
def test_trio(library, llm, captured):
    """On trio, where the client libraries run too, calls and streams are recorded; a cancelled scope ends its call."""
    trio = pytest.importorskip("trio")

    async def main():
        made = dict(zip(("openai", "anthropic"), clients(llm), strict=True))
        async with trio.open_nursery() as nursery:
            for prompt in PROMPTS:
                nursery.start_soon(ask, made[library], prompt)
        llm.script(HALF)
        with trio.move_on_after(0.3):
            await ask(made[library], "half 1")
        for client in made.values():
            await client.close()

    trio.run(main)
    ends = [call.stream_end for call in captured.interactions if call.input[0]["parts"][0]["content"] == "half 1"]
    assert ends == ["cancelled"]
    assert recorded(captured) == sorted([*pairs(*PROMPTS), ("half 1", "one two")])
