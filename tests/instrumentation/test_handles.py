"""Handles point at the right call from whatever the application holds, and what it knows is on the span."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import anthropic
import openai
import pytest

import rlhf_otel as rlhf
from rlhf_otel.testing import Reply

from .conftest import CLASSES
from .endings import SOURCES, WHOLE, opened
from .shapes import each, entered, find, settle

kinds = pytest.mark.parametrize("kind", ["sync", "async"])
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def span_id(span):
    return f"{span.context.span_id:016x}"


def prompts(span):
    return [part["content"] for m in json.loads(span.attributes["gen_ai.input.messages"]) for part in m["parts"]]


# --- From what the application holds ------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("path", ["chat.completions.create", "chat.completions.parse|beta.chat.completions.parse",
                                  "responses.create", "embeddings.create"])  # fmt: skip
def test_of_a_response(path, kind, clients, llm, run, captured):
    """The handle of a response names its span, its trace and its response id."""
    asks = {"responses.create": {"model": "m", "input": "Hi"}, "embeddings.create": {"model": "m", "input": "Hi"}}
    response = run(kind, settle(find(clients["openai", kind], path)(**asks.get(path, ASK))))
    (span,) = captured.spans
    handle = rlhf.handle(response)
    assert handle.span_id == span_id(span)
    assert handle.trace_id == f"{span.context.trace_id:032x}"
    assert handle.response_id == getattr(response, "id", None)
    assert handle.start_ns == span.start_time
    assert handle.traceparent == f"00-{handle.trace_id}-{handle.span_id}-01"


@kinds
@pytest.mark.parametrize("source", [s for s in SOURCES if s.how != "lines"], ids=lambda s: s.id)
def test_of_a_stream_and_its_chunks(source, kind, clients, llm, run, captured):
    """The handle is known from the stream before anything was read, from the chunks that carry an id, and after."""
    llm.script(WHOLE)

    async def use():
        stream = await opened(source, clients[source.sdk, kind])
        before = rlhf.handle(stream.items)
        by_chunk = {
            rlhf.handle(chunk) async for chunk in each(stream.items) if isinstance(getattr(chunk, "id", None), str)
        }
        finals = [name for name in ("get_final_completion", "get_final_message") if hasattr(stream.items, name)]
        final = rlhf.handle(await settle(getattr(stream.items, finals[0])())) if finals else before
        return before, by_chunk, final

    before, by_chunk, final = run(kind, use())
    (span,) = captured.spans
    assert before.span_id == final.span_id == span_id(span)
    carries_ids = source.path.startswith("chat") and source.how != "helper"
    assert {handle.span_id for handle in by_chunk if handle} == ({span_id(span)} if carries_ids else set())


@kinds
def test_of_raw_responses(kind, clients, llm, run, captured):
    """The handle is known from a raw response, from what it parses to, and from a response that is read as it comes."""
    completions = clients["openai", kind].chat.completions

    async def use():
        raw = await settle(completions.with_raw_response.create(**ASK))
        handles = [rlhf.handle(raw), rlhf.handle(await settle(raw.parse()))]
        async with entered(completions.with_streaming_response.create(**ASK)) as response:
            handles += [rlhf.handle(response), rlhf.handle(await settle(response.parse()))]
        return handles

    handles = run(kind, use())
    first, second = (span_id(span) for span in captured.spans)
    assert [handle.span_id for handle in handles] == [first, first, second, second]


def test_of_nothing(captured):
    """What no recorded call returned has no handle, and a handle is its own."""
    assert rlhf.handle(object()) is None
    assert rlhf.handle("resp_1") is None
    assert rlhf.handle(rlhf.Handle("0" * 32, "1" * 16)).span_id == "1" * 16


@kinds
@pytest.mark.parametrize("stream", [False, True])
def test_current_and_last(stream, kind, llm, run, captured):
    """Inside a call `current()` is its handle, as an event hook of the HTTP client sees it; afterwards `last()` is."""
    seen = []

    def hook(request):
        seen.append((rlhf.current().span_id, rlhf.last().span_id))

    async def async_hook(request):
        hook(request)

    asynchronous = kind == "async"
    http_class = openai.DefaultAsyncHttpxClient if asynchronous else openai.DefaultHttpxClient
    http = http_class(event_hooks={"request": [async_hook if asynchronous else hook]})
    client = CLASSES[openai][asynchronous](base_url=llm.openai_url, api_key="k", http_client=http)

    async def use():
        assert rlhf.current() is None
        result = await settle(client.chat.completions.create(**ASK, **({"stream": True} if stream else {})))
        assert rlhf.current() is None
        if stream:
            async for _ in each(result):
                assert rlhf.current() is None
        last = rlhf.last().span_id
        await settle(client.close())
        return last

    last = run(kind, use())
    (span,) = captured.spans
    assert seen == [(span_id(span), span_id(span))]
    assert last == span_id(span)


# --- What the application tells -----------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("stream", [False, True])
def test_context(stream, kind, clients, llm, run, captured):
    """Session, user, message, variant, consent and anything else are on the span, by their names."""

    async def use():
        with rlhf.context(session="s-1", user="u-1", app_version="1.2"):
            with rlhf.context(message="m-7", variant="B", consent="train", tags=["a", "b"]):
                made = await settle(clients["openai", kind].chat.completions.create(**ASK, stream=stream))
        if stream:
            async for _ in each(made):
                pass

    run(kind, use())
    (span,) = captured.spans
    expected = {
        "session.id": "s-1", "gen_ai.conversation.id": "s-1", "enduser.id": "u-1", "rlhf.message.id": "m-7",
        "rlhf.variant": "B", "feature_flag.result.variant": "B", "rlhf.consent": "train",
        "rlhf.context.app_version": "1.2", "rlhf.context.tags": ("a", "b"),
    }  # fmt: skip
    assert {key: span.attributes.get(key) for key in expected} == expected
    assert "enduser.pseudo.id" not in span.attributes


def test_without_context(clients, llm, captured):
    """Without a context the user is one anonymous id of the process, and there is no session."""
    for _ in range(2):
        clients["openai", "sync"].chat.completions.create(**ASK)
    first, second = (span.attributes for span in captured.spans)
    assert first["enduser.pseudo.id"] == second["enduser.pseudo.id"]
    assert not {"enduser.id", "session.id", "gen_ai.conversation.id"} & set(first)


# --- Many at once -------------------------------------------------------------------------------------------------

COUNT = 200


def check_all(pairs, spans):
    """Every response's handle is that of the span that holds the response's id and its question."""
    by_id = {span_id(span): span for span in spans}
    assert len(by_id) == len(pairs) == COUNT
    for asked, response, handle, last in pairs:
        span = by_id[handle.span_id]
        assert (span.attributes["gen_ai.response.id"], prompts(span)) == (response.id, [asked])
        assert last == rlhf.handle(response) == handle


def _question(number):
    return {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}


@pytest.fixture
def echo(server):
    """The provider answers each question by repeating it."""
    server.responder = lambda request: Reply(text=request.prompt, headers_delay=0.001)
    yield server
    server.responder = None


def test_many_tasks(echo, clients, loop, captured):
    """Of 200 calls in concurrent tasks every handle is that of its response."""
    client = clients["openai", "async"]

    async def one(number):
        with rlhf.context(session=str(number)):
            response = await client.chat.completions.create(**_question(number))
            return f"question {number}", response, rlhf.handle(response), rlhf.last()

    async def main():
        return await asyncio.gather(*map(one, range(COUNT)))

    check_all(loop.run_until_complete(main()), captured.spans)
    assert {span.attributes["session.id"] for span in captured.spans} == {str(n) for n in range(COUNT)}


def test_many_threads(echo, clients, captured):
    """Of 200 calls in concurrent threads every handle is that of its response."""
    client = clients["openai", "sync"]

    def one(number):
        response = client.chat.completions.create(**_question(number))
        return f"question {number}", response, rlhf.handle(response), rlhf.last()

    with ThreadPoolExecutor(16) as pool:
        check_all(list(pool.map(one, range(COUNT))), captured.spans)


def test_interleaved_streams(clients, llm, run, captured):
    """Streams that are read in turns keep their texts and their handles apart."""
    llm.script(*[Reply(chunks=[f"{n} ", "and ", f"{n}"], id=f"chatcmpl-s{n}") for n in range(5)])
    create = clients["openai", "sync"].chat.completions.create
    streams = [create(**_question(n), stream=True) for n in range(5)]
    handles = [rlhf.handle(stream).span_id for stream in streams]
    for _ in zip(*streams, strict=True):
        pass
    by_id = {span_id(span): json.loads(span.attributes["gen_ai.output.messages"]) for span in captured.spans}
    texts = [by_id[handle][0]["parts"][0]["content"] for handle in handles]
    assert texts == [f"{n} and {n}" for n in range(5)]


# --- The application's own objects --------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("sdk", [openai, anthropic], ids=lambda sdk: sdk.__name__)
@pytest.mark.parametrize("stream", [False, True])
def test_later_changes_do_not_reach_the_span(stream, sdk, kind, clients, llm, run, captured):
    """What the application does to its messages once they are sent does not change what was recorded."""
    client = clients[sdk.__name__, kind]
    method = client.messages.create if sdk is anthropic else client.chat.completions.create
    messages = [{"role": "user", "content": [{"type": "text", "text": "as it was"}]}]

    async def use():
        made = await settle(method(model="m", max_tokens=9, messages=messages, stream=stream))
        messages[0]["content"][0]["text"] = "changed"
        messages.append({"role": "user", "content": "added"})
        if stream:
            async for _ in each(made):
                pass

    run(kind, use())
    assert [prompts(span) for span in captured.spans] == [["as it was"]]


@kinds
@pytest.mark.parametrize("sdk", [openai, anthropic], ids=lambda sdk: sdk.__name__)
@pytest.mark.parametrize("stream", [False, True])
def test_generators_reach_the_provider(stream, sdk, kind, clients, llm, run, captured):
    """Messages that a generator makes are read once, by the client, and reach the provider and the span."""
    client = clients[sdk.__name__, kind]
    method = client.messages.create if sdk is anthropic else client.chat.completions.create
    read = []

    def messages():
        for text in ("one", "two"):
            read.append(text)
            yield {"role": "user", "content": text}

    async def use():
        made = await settle(method(model="m", max_tokens=9, messages=messages(), stream=stream))
        if stream:
            async for _ in each(made):
                pass

    run(kind, use())
    (request,) = llm.requests
    assert read == ["one", "two"] == [message["content"] for message in request.body["messages"]]
    assert [prompts(span) for span in captured.spans] == [["one", "two"]]


def test_models_as_messages(clients, llm, captured):
    """An answer that is put back into the conversation as the client's own object is recorded like any message."""
    create = clients["openai", "sync"].chat.completions.create
    llm.script(Reply(text="Hello."))
    answer = create(**ASK).choices[0].message
    create(model="m", messages=[*ASK["messages"], answer, {"role": "user", "content": "Bye"}])
    assert prompts(captured.spans[1]) == ["Hi", "Hello.", "Bye"]


def test_a_thread_of_its_own_has_no_last(clients, llm, captured):
    """`last()` is of this thread: another one has none."""
    clients["openai", "sync"].chat.completions.create(**ASK)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(rlhf.last()))
    thread.start()
    thread.join()
    assert seen == [None]
    assert rlhf.last() is not None
