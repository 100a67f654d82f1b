"""The usage of streams that nobody asked for: on the span, and nowhere else."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from rlhf_otel import hooks, instrumentation
from rlhf_otel.instrumentation import asking
from rlhf_otel.instrumentation.providers import openai_usage
from rlhf_otel.testing import Reply, Usage, capture

from . import contract_openai
from .contract import Case
from .endings import HALF, read_half
from .shapes import each, settle

ASK: Any = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
ASKED = {"include_usage": True}
READS_BYTES = ("streaming_lines", "streaming_bytes", "streaming_stream")
CASES = [case for case in contract_openai.CASES if case.streams and "stream_options" not in case.ask]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
each_kind = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture(autouse=True)
def asking_is_on(monkeypatch) -> None:
    """The setting is on, and the fake provider is known to take the question."""
    monkeypatch.setenv("RLHF_OTEL_INJECT_USAGE", "true")
    monkeypatch.setenv("RLHF_OTEL_PROVIDER_NAMES", "127.0.0.1=openai")


@each_kind
@each_case
def test_the_application_sees_what_it_asked_for(case: Case, kind, clients, llm, run) -> None:
    """In every way of streaming the application sees the same, to the last field; the span has the usage."""
    method = case.method(clients["openai", kind])
    seen = []
    for recording in (nullcontext(), capture()):
        with recording as kept:
            if kept is not None:
                instrumentation.switch_on()
            llm.script(case.talk.reply)
            seen.append(run(kind, case.way(method, case.ask)))
    assert seen[0] == seen[1]
    (span,) = kept.spans
    reads_bytes = case.way.__name__ in READS_BYTES
    assert llm.requests[1].body.get("stream_options") == (None if reads_bytes else ASKED)
    assert ("gen_ai.usage.output_tokens" in span.attributes) == (not reads_bytes)
    assert ("rlhf.response.output_tokens_per_second" in span.attributes) == (not reads_bytes)
    assert span.attributes["rlhf.stream.chunks"] == case.expected()["rlhf.stream.chunks"]
    assert span.attributes["rlhf.stream.end"] == "completed"


@each_kind
def test_chunks_are_the_same_to_the_field(kind, clients, llm, run, captured) -> None:
    """What the service puts into the other chunks because it was asked does not show either."""
    llm.script(Reply(text="Paris.", usage=Usage(input=7, output=3)))

    async def use() -> Any:
        stream = await settle(clients["openai", kind].chat.completions.create(**ASK, stream=True))
        return [chunk async for chunk in each(stream)]

    chunks = run(kind, use())
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, "stop"]
    assert not any("usage" in chunk.to_dict() for chunk in chunks)
    (span,) = captured.spans
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (7, 3)


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({"stream_options": {"include_usage": True}}, {"include_usage": True}),
        ({"stream_options": {"include_usage": False}}, {"include_usage": False}),
        ({"stream_options": {"include_obfuscation": False}}, {"include_obfuscation": False, "include_usage": True}),
        ({"extra_body": {"stream_options": None}}, None),
        ({"extra_body": {"stream_options": {"x": 1}}}, {"x": 1}),
    ],
)
def test_the_application_decides(more, sent, clients, llm, captured) -> None:
    """What the application says of usage holds: it gets its chunk where it asked, and nobody asks where it said no."""
    given = repr(more)
    chunks = list(clients["openai", "sync"].chat.completions.create(**ASK, stream=True, **more))
    assert llm.requests[0].body.get("stream_options") == sent
    assert any(chunk.usage for chunk in chunks) == (more.get("stream_options") == ASKED)
    assert repr(more) == given


def test_nothing_of_the_applications_is_changed(clients, llm, captured) -> None:
    """A body that the application hands over is its own, before, during and after; a retry asks again."""
    body = {**ASK, "stream": True}
    llm.script(Reply(status=429, error="busy", headers={"retry-after-ms": "1"}), Reply(text="Paris."))
    client = clients["openai", "sync"].with_options(max_retries=1)
    stream_class = openai.Stream[openai.types.chat.ChatCompletionChunk]
    stream = client.post(
        "/chat/completions", body=body, stream=True, stream_cls=stream_class, cast_to=openai.types.chat.ChatCompletion
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Paris."
    assert body == {**ASK, "stream": True}
    assert [request.body["stream_options"] for request in llm.requests] == [ASKED, ASKED]


@each_kind
def test_a_stream_that_is_left_has_no_usage(kind, narrow_clients, llm, run, captured) -> None:
    """Leaving early ends the span as ever and frees the connection; nobody reads on for the usage."""
    client = narrow_clients["openai", kind]

    async def use() -> None:
        llm.script(HALF)
        stream = await settle(client.chat.completions.create(**ASK, stream=True))
        await read_half(stream)
        await settle(stream.close())
        llm.script(Reply(text="again"))
        async for _ in each(await settle(client.chat.completions.create(**ASK, stream=True))):
            pass

    run(kind, use())
    first, second = captured.spans
    assert (first.attributes["rlhf.stream.end"], second.attributes["rlhf.stream.end"]) == ("abandoned", "completed")
    assert "gen_ai.usage.output_tokens" not in first.attributes
    assert "gen_ai.usage.output_tokens" in second.attributes


@pytest.mark.parametrize("names", ["127.0.0.1=mistral_ai", "elsewhere=openai"])
def test_only_who_is_known_to_take_it_is_asked(names, clients, llm, monkeypatch) -> None:
    """A service that refuses the question, and one that nobody knows, gets what the application sends."""
    monkeypatch.setenv("RLHF_OTEL_PROVIDER_NAMES", names)
    with capture():
        instrumentation.switch_on()
        list(clients["openai", "sync"].chat.completions.create(**ASK, stream=True))
        list(clients["openai", "sync"].completions.create(model="m", prompt="?", stream=True))
    assert [request.body.get("stream_options") for request in llm.requests] == [None, None]


@pytest.mark.parametrize(
    ("made", "takes"),
    [
        (lambda: openai.OpenAI(api_key="k"), True),
        (lambda: openai.OpenAI(api_key="k", base_url="https://api.deepseek.com"), True),
        (lambda: openai.OpenAI(api_key="k", base_url="https://api.mistral.ai/v1"), False),
        (lambda: openai.OpenAI(api_key="k", base_url="http://localhost:8000/v1"), False),
        (lambda: openai.AzureOpenAI(api_key="k", azure_endpoint="https://x.openai.azure.com", api_version="2023-05-15"),
         False),
        (lambda: openai.AzureOpenAI(api_key="k", azure_endpoint="https://x.openai.azure.com", api_version="2024-10-21"),
         True),
        (lambda: openai.AzureOpenAI(api_key="k", azure_endpoint="https://x.openai.azure.com", api_version="preview"),
         True),
    ],
)  # fmt: skip
def test_who_takes_it(made, takes) -> None:
    """Which services are asked, by client and host."""
    assert openai_usage.takes_usage(made()) is takes


@pytest.mark.parametrize(
    "place", [(asking, "ask_for_usage"), (openai_usage, "with_usage"), (openai_usage, "takes_usage")]
)
def test_a_fault_of_ours_asks_for_nothing(place, clients, llm, lenient, monkeypatch) -> None:
    """Where asking breaks, the request goes out as the application made it."""

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(*place, broken)
    assert len(list(clients["openai", "sync"].chat.completions.create(**ASK, stream=True))) > 1
    assert "stream_options" not in llm.requests[0].body
    assert hooks.counters["faults"] > 0


def test_a_chunk_that_is_not_as_expected_is_the_applications(lenient) -> None:
    """Where hiding breaks, the application gets the chunk."""
    call: Any = SimpleNamespace(hides=openai_usage.is_only_usage, stamps=[1])
    assert list(asking.without(call, (one for one in ["odd"]))) == ["odd"]
