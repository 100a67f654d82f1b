"""Responses over a WebSocket: each answer is one call, whoever reads the messages and however it ends."""

from __future__ import annotations

import json

import openai
import pytest

from rlhf_otel import handles, instrumentation
from rlhf_otel.testing import Reply, Usage, capture

from .shapes import each, entered, neutral, settle

pytest.importorskip("websockets")
pytestmark = [
    pytest.mark.skipif(int(openai.__version__.partition(".")[0]) < 3, reason="connections are newer"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of websockets, which the SDK calls in an older way
]
ASK = {"model": "gpt-5", "input": "Capital of France?"}
REPLY = Reply(id="resp-a", text="Paris is it.", usage=Usage(input=50, output=20))
PATHS = ("responses", "beta.responses")
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])
each_path = pytest.mark.parametrize("path", PATHS)


def connect(client, path):
    """The manager of a connection."""
    for name in path.split("."):
        client = getattr(client, name)
    return client.connect()


async def until_done(connection):
    """The types of the events up to the one that ends a response."""
    seen = []
    async for event in each(connection):
        seen.append(event.type)
        if event.type in ("response.completed", "error"):
            return seen
    return seen


def said(span):
    """What a span has for an answer."""
    (message,) = json.loads(span.attributes["gen_ai.output.messages"])
    return "".join(part["content"] for part in message["parts"])


@each_path
@each_kind
def test_each_answer_is_a_call(kind, path, llm, clients, run, mode):
    """Two questions on one connection are two spans, with everything that a stream over HTTP has."""
    llm.script(REPLY, Reply(id="resp-b", text="Rome."))

    async def talk():
        async with entered(connect(clients["openai", kind], path)) as connection:
            await settle(connection.response.create(**ASK))
            seen = await until_done(connection)
            await settle(connection.send({"type": "response.create", "model": "gpt-5", "input": "And Italy?"}))
            return seen, await until_done(connection)

    with mode() as kept:
        instrumentation.switch_on()
        seen, _ = run(kind, talk())
        first, second = kept.spans
    a = first.attributes
    assert (first.name, a["gen_ai.response.id"], a["openai.api.type"]) == ("chat gpt-5", "resp-a", "responses")
    assert (a["gen_ai.request.stream"], a["rlhf.stream.end"]) == (True, "completed")
    assert a["rlhf.stream.chunks"] == len(seen) == 11
    assert (a["gen_ai.usage.input_tokens"], a["gen_ai.usage.output_tokens"]) == (50, 20)
    assert (a["server.address"], a["server.port"]) == ("127.0.0.1", int(llm.url.rpartition(":")[2]))
    assert 0 < a["gen_ai.response.time_to_first_chunk"] < a["rlhf.response.time_to_first_token"]
    assert json.loads(a["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Capital of France?"}]}
    ]
    assert [said(first), said(second)] == ["Paris is it.", "Rome."]
    assert handles.find("resp-b", "response").span_id == f"{second.context.span_id:016x}"


@each_kind
def test_the_application_sees_the_same(kind, llm, clients, run):
    """Messages, their order and the classes of everything are those of the bare client."""

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            await settle(connection.response.create(**ASK))
            raw = await settle(connection.recv_bytes())
            transport = type(connection._connection)
            return [raw, *await until_done(connection), transport.__name__, transport.__module__]

    seen = []
    for _ in range(2):
        llm.script(REPLY)
        seen.append([neutral(repr(one)) for one in run(kind, talk())])
        if len(seen) == 1:
            recording = capture()
            recording.__enter__()
            instrumentation.switch_on()
    recording.__exit__(None, None, None)
    assert seen[0] == seen[1]


def test_answers_in_several_lanes_are_told_apart(llm, clients, captured):
    """Lanes of one connection, read by the SDK's own session, are calls of their own."""
    websocket = pytest.importorskip("openai.lib.responses_websocket")
    limits = websocket.ResponsesWebSocketLimits(
        max_lanes=4, max_events_per_lane=99, max_events=99, max_bytes_per_lane=1 << 20, max_bytes=1 << 20
    )
    llm.script(REPLY, Reply(id="resp-b", text="Rome."))
    with connect(clients["openai", "sync"], "responses") as connection:
        with websocket.ResponsesWebSocketSession(connection, limits=limits) as session:
            lanes = [session.lane("one"), session.lane("two")]
            for lane, question in zip(lanes, ("France?", "Italy?"), strict=True):
                lane.send({"type": "response.create", "model": "gpt-5", "input": question})
            assert [lane.get_final_response().output_text for lane in reversed(lanes)] == ["Rome.", "Paris is it."]
    asked = [json.loads(span.attributes["gen_ai.input.messages"])[0]["parts"][0]["content"] for span in captured.spans]
    assert dict(zip(asked, map(said, captured.spans), strict=True)) == {"France?": "Paris is it.", "Italy?": "Rome."}


@each_kind
def test_an_error_ends_its_call(kind, llm, clients, run, captured):
    """An error event is the end of what was asked, with its code and its message."""
    llm.script(Reply(status=429, error="slow down"), REPLY)

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            for _ in range(2):
                await settle(connection.response.create(**ASK))
                await until_done(connection)

    run(kind, talk())
    failed, answered = captured.spans
    assert (failed.attributes["error.type"], failed.status.description) == ("rate_limit_exceeded", "slow down")
    assert failed.attributes["rlhf.stream.end"] == "error"
    assert said(answered) == "Paris is it."


@each_kind
def test_a_connection_that_is_lost_ends_its_call(kind, llm, clients, run, captured):
    """The server goes away in the middle: the application gets the SDK's exception, the span what had come."""
    llm.script(Reply(id="resp-a", text="Paris is it.", disconnect_after=6))

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            await settle(connection.response.create(**ASK))
            with pytest.raises(Exception, match="close frame") as raised:
                await until_done(connection)
            return raised.type.__name__

    name = run(kind, talk())
    (span,) = captured.spans
    assert (name, span.attributes["error.type"]) == ("ConnectionClosedError", "ConnectionClosedError")
    assert span.attributes["rlhf.stream.end"] == "error"
    assert said(span) == "Paris is"


@each_kind
def test_closing_early_leaves_the_answer(kind, llm, clients, run, captured):
    """An application that closes has abandoned what was under way, which is no error."""
    llm.script(REPLY)

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            await settle(connection.response.create(**ASK))
            for _ in range(5):
                await settle(connection.recv())

    run(kind, talk())
    (span,) = captured.spans
    assert (span.attributes["rlhf.stream.end"], said(span)) == ("abandoned", "Paris")
    assert not span.status.description


@each_kind
def test_nothing_is_recorded_once_switched_off(kind, llm, clients, run, captured):
    """A connection that is still open when recording ends goes on without it, and later ones are the SDK's own."""
    llm.script(REPLY, REPLY, REPLY)

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            instrumentation.switch_off()
            await settle(connection.response.create(**ASK))
            await until_done(connection)
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            await settle(connection.response.create(**ASK))
            await until_done(connection)
            return type(connection._connection)

    assert not hasattr(run(kind, talk()), "_rlhf_conversation")
    assert captured.spans == []


@each_kind
def test_questions_that_do_not_wait_for_answers(kind, llm, clients, run, captured):
    """Questions in the same lane are answered in their order, and each answer is that to its own question."""
    llm.script(REPLY, Reply(id="resp-b", text="Rome."))

    async def talk():
        async with entered(connect(clients["openai", kind], "responses")) as connection:
            for question in ("Capital of France?", "And Italy?"):
                await settle(connection.response.create(model="gpt-5", input=question))
            return [await until_done(connection) for _ in range(2)]

    run(kind, talk())
    asked = [span.attributes["gen_ai.input.messages"] for span in captured.spans]
    assert ["France" in asked[0], "Italy" in asked[1]] == [True, True]
    assert [said(span) for span in captured.spans] == ["Paris is it.", "Rome."]
    assert [span.attributes["rlhf.stream.end"] for span in captured.spans] == ["completed", "completed"]
