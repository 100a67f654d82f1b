"""What no schema foresees, from either side: the application gets the same, and the span what is known."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any

import openai
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.trace import StatusCode

from rlhf_otel import hooks, instrumentation
from rlhf_otel.testing import Reply, capture

from .shapes import each, neutral, settle, shown

ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
kinds = pytest.mark.parametrize("kind", ["sync", "async"])


async def outcome(client: Any, ask: Any, *, stream: bool = False) -> Any:
    """All that the application sees of a call: values and types, or the exception."""
    try:
        result = await settle(client.chat.completions.create(**ask, **({"stream": True} if stream else {})))
        return [shown(item) async for item in each(result)] if stream else shown(result)
    except Exception as error:
        return type(error), neutral(str(error))


@pytest.fixture
def compared(clients, llm, run, caplog):
    """Makes the same call without and with us: what the application saw, which has to be the same, and the spans."""

    def compare(kind: str, make_ask: Any, *replies: Reply, stream: bool = False) -> tuple[Any, list[Any]]:
        seen = []
        for recording in (nullcontext(), capture(strict=False)):
            with recording as kept:
                if kept is not None:
                    instrumentation.switch_on()
                llm.script(*replies)
                seen.append(run(kind, outcome(clients["openai", kind], make_ask(), stream=stream)))
                llm.clear()
        assert seen[0] == seen[1]
        assert len([record for record in caplog.records if record.name == "rlhf_otel"]) <= 1
        return seen[0], kept.spans

    return compare


# --- Questions ----------------------------------------------------------------------------------------------------


@kinds
def test_generators_are_the_librarys_to_read(kind, clients, llm, run, captured) -> None:
    """Messages and tools that come from generators reach the provider and the span, each item made once."""
    made = []

    def messages() -> Any:
        for word in ("one", "two"):
            made.append(word)
            yield {"role": "user", "content": word}

    async def use() -> None:
        await settle(clients["openai", kind].chat.completions.create(model="m", messages=messages()))

    run(kind, use())
    (request,), (span,) = llm.requests, captured.spans
    assert made == ["one", "two"]
    assert [message["content"] for message in request.body["messages"]] == ["one", "two"]
    parts = [message["parts"] for message in json.loads(span.attributes["gen_ai.input.messages"])]
    assert parts == [[{"type": "text", "content": "one"}], [{"type": "text", "content": "two"}]]


def _cyclic() -> Any:
    message: dict[str, Any] = {"role": "user", "content": "Hi"}
    message["self"] = message
    return {"model": "m", "messages": [message]}


UNSENDABLE = {
    "cyclic": _cyclic,
    "object": lambda: {"model": "m", "messages": [{"role": "user", "content": object}]},
    "nan": lambda: {**ASK, "temperature": float("nan")},
    "surrogate": lambda: {"model": "m", "messages": [{"role": "user", "content": "a\ud83d"}]},
    "model": lambda: {**ASK, "model": object},
    "unknown": lambda: {**ASK, "novelty": 1},
    "bytes": lambda: {**ASK, "messages": [{"role": "user", "content": b"\xff"}]},
    "deep": lambda: {**ASK, "metadata": json.loads("[" * 400 + "]" * 400)},
}


@kinds
@pytest.mark.parametrize("what", UNSENDABLE)
def test_what_cannot_be_sent_fails_as_ever(what, kind, compared) -> None:
    """Arguments that the library cannot send raise what they raise without us; there is a span of it at most."""
    _, spans = compared(kind, UNSENDABLE[what], Reply(text="fine"))
    assert len(spans) <= 1


# --- Answers ------------------------------------------------------------------------------------------------------

LONG = "x" * 1_000_000
BODIES = {
    "long id": json.dumps({"id": LONG, "model": LONG, "choices": []}),
    "surrogates": '{"id": "\\ud83d", "model": "m-\\udc00", "choices": [{"index": 0, "finish_reason": "stop", '
                  '"message": {"role": "assistant", "content": "half \\ud83d"}}]}',
    "numbers": '{"id": 7, "model": 8.5, "choices": [{"index": "0", "finish_reason": 3, "message": {"content": 4}}]}',
    "negative": '{"id": "a", "model": "m", "choices": [], "usage": {"prompt_tokens": -3, "completion_tokens": "many"}}',
    "huge": '{"id": "a", "model": "m", "choices": [], "usage": {"prompt_tokens": 1e400, "completion_tokens": 1'
            + "0" * 30 + "}}",
    "deep": '{"id": "a", "model": "m", "choices": [], "more": ' + "[" * 100 + "]" * 100 + "}",
    "no json": "<html>Bad gateway</html>",
    "cut": '{"id": "a", "model": "m", "choi',
    "empty": "",
    "null": "null",
    "error": '{"error": {"message": "quota", "type": "x", "code": 429}}',
}  # fmt: skip


@kinds
@pytest.mark.parametrize("what", BODIES)
def test_any_answer(what, kind, compared) -> None:
    """Whatever comes instead of an answer, with status 200: one span, and the application sees the same."""
    reply = Reply(raw=BODIES[what], headers={"content-type": "application/json"})
    _, (span,) = compared(kind, lambda: ASK, reply)
    assert span.attributes["gen_ai.request.model"] == "m"
    assert encode_spans([span]).SerializeToString()  # OTLP can hold it
    counts = [value for key, value in span.attributes.items() if key.startswith("gen_ai.usage.")]
    assert all(type(count) is int and 0 <= count < 2**63 for count in counts)


@kinds
@pytest.mark.parametrize("what", BODIES)
def test_any_chunk(what, kind, compared) -> None:
    """The same within a stream, before and after a healthy chunk."""
    healthy = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "delta": {"content": "one"}, "finish_reason": None}]}  # fmt: skip
    event = f"data: {json.dumps(healthy)}\n\n"
    body = BODIES[what].replace('"message"', '"delta"')
    reply = Reply(raw=f"{event}data: {body}\n\n{event}data: [DONE]\n\n", headers={"content-type": "text/event-stream"})
    _, (span,) = compared(kind, lambda: ASK, reply, stream=True)
    assert "one" in span.attributes["gen_ai.output.messages"]


@kinds
@pytest.mark.parametrize("body", ['{"error": {"message": "quota"}}', "", "data: [DONE]\n\n", ": nothing\n\n"])
def test_a_stream_that_is_none(body, kind, compared) -> None:
    """A stream that was promised and never came, with status 200, is an error on the span."""
    content_type = "application/json" if body.startswith("{") else "text/event-stream"
    seen, (span,) = compared(
        kind, lambda: ASK, Reply(raw=body, headers={"content-type": content_type}), stream=True
    )  # fmt: skip
    assert seen == []
    assert (span.attributes["rlhf.stream.end"], span.attributes["error.type"]) == ("error", "IncompleteStream")
    assert span.status.status_code is StatusCode.ERROR


# --- Versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.28.1", "4.0.0", "", "newest"])
def test_a_version_that_is_not_known_is_left_alone(version, clients, llm, captured, caplog, monkeypatch) -> None:
    """One line says so, whoever switches on how often; nothing of the library is replaced, and calls work."""
    instrumentation.switch_off()
    request = openai._base_client.SyncAPIClient.request
    monkeypatch.setattr(openai, "__version__", version)
    for _ in range(3):
        instrumentation.switch_on()
    assert openai._base_client.SyncAPIClient.request is request
    assert clients["openai", "sync"].chat.completions.create(**ASK).choices
    assert captured.spans == []
    said = [record.getMessage() for record in caplog.records if "openai" in record.getMessage()]
    assert len(said) == 1
    assert "majors 1 to 3 are supported" in said[0]


def test_faults_are_not_counted_where_there_are_none(clients, llm, captured) -> None:
    """A healthy call leaves the count of faults as it was."""
    faults = hooks.counters["faults"]
    clients["openai", "sync"].chat.completions.create(**ASK)
    assert hooks.counters["faults"] == faults
