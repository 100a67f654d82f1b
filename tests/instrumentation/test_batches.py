"""Anthropic's batches: each result that the application reads is a call of its own, once, with its question."""

from __future__ import annotations

import json
from typing import Any

import pytest

import rlhf_otel
from rlhf_otel import instrumentation
from rlhf_otel.instrumentation import batches
from rlhf_otel.testing import Reply, Usage

from .contract import answered, decoded, text, user
from .shapes import each, settle

pytestmark = pytest.mark.parametrize("kind", ["sync", "async"])


def question(custom_id: str, words: str) -> dict[str, Any]:
    """One request of a batch."""
    params = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": words}]}
    return {"custom_id": custom_id, "params": params}


ASKED = [question("a", "One?"), question("b", "Two?"), question("c", "Three?"), question("d", "Four?")]
REPLIES = [
    Reply(text="1.", id="msg-1", model="claude-2026", usage=Usage(input=5, output=3, cached=2)),
    Reply(status=500, error="broken"),
    Reply(finish_reason="expired"),
    Reply(finish_reason="canceled"),
]


@pytest.fixture(params=["messages.batches", "beta.messages.batches"])
def made(request, kind, clients, llm, captured, run):
    """The resource for batches, and the id of a batch that it has made of `ASKED`."""
    resource: Any = clients["anthropic", kind]
    for name in request.param.split("."):
        resource = getattr(resource, name, None)
    if resource is None:
        pytest.skip(f"this version of anthropic has no {request.param}")
    llm.script(*REPLIES)
    batch = run(kind, settle_of(resource.create, requests=ASKED))
    return resource, batch.id


async def settle_of(method: Any, *args: Any, **kwargs: Any) -> Any:
    """What the method returns, or promises."""
    return await settle(method(*args, **kwargs))


async def results(resource: Any, batch: str, most: int = 99) -> list[Any]:
    """The first results of a batch."""
    taken: list[Any] = []
    decoder = await settle(resource.results(batch))
    async for result in each(decoder):
        taken.append(result)
        if len(taken) == most:
            break
    return taken


async def closed(decoder: Any) -> None:
    """Closes the response of results that are not read to their end; older decoders cannot do it themselves."""
    response = decoder.http_response
    await settle(response.aclose() if hasattr(decoder, "__aiter__") else response.close())


def by_id(spans: list[Any]) -> dict[str, Any]:
    """The spans of single results, by the application's id of their request."""
    return {
        span.attributes["rlhf.batch.custom_id"]: span for span in spans if "rlhf.batch.custom_id" in span.attributes
    }


def test_every_result_is_a_call(kind, made, captured, run) -> None:
    """A result has the literal attributes of a message, the question that was asked in the batch, and no duration."""
    resource, batch = made
    taken = run(kind, results(resource, batch))
    assert [result.custom_id for result in taken] == ["a", "b", "c", "d"]
    spans = by_id(captured.spans)
    assert list(spans) == ["a", "b", "c", "d"]
    assert {span.name for span in spans.values()} == {"chat claude"}
    source = next(span for span in captured.spans if span.name == "fetch_batch_results")
    assert {span.parent.span_id for span in spans.values()} == {source.context.span_id}
    assert decoded(spans["a"].attributes) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude",
        "gen_ai.request.max_tokens": 9, "server.address": "127.0.0.1", "rlhf.batch.id": batch,
        "rlhf.batch.custom_id": "a", "gen_ai.response.id": "msg-1", "gen_ai.response.model": "claude-2026",
        "gen_ai.response.finish_reasons": ["end_turn"], "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3, "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_write.input_tokens": 0, "anthropic.response.service_tier": "standard",
        "gen_ai.input.messages": [user("One?")], "gen_ai.output.messages": [answered("stop", text("1."))],
    }  # fmt: skip
    assert rlhf_otel.handle(taken[0].result.message).span_id == f"{spans['a'].context.span_id:016x}"


def test_what_was_not_answered_is_an_error(kind, made, captured, run) -> None:
    """An error and an expired request are errors with their words; a cancelled one has only the word."""
    run(kind, results(*made))
    told = {custom_id: (span.status.status_code.name, span.status.description, span.attributes.get("error.type"),
                        json.loads(span.attributes["gen_ai.input.messages"]))
            for custom_id, span in by_id(captured.spans).items()}  # fmt: skip
    del told["a"]
    assert told == {
        "b": ("ERROR", "broken", "api_error", [user("Two?")]),
        "c": ("ERROR", "the batch expired before this request was answered", "expired", [user("Three?")]),
        "d": ("UNSET", None, "canceled", [user("Four?")]),
    }


def test_the_requests_about_a_batch(kind, made, captured, run) -> None:
    """Making, looking at, cancelling and reading a batch are spans of their own, which name it and how far it is."""
    resource, batch = made
    run(kind, settle_of(resource.retrieve, batch))
    run(kind, settle_of(resource.cancel, batch))
    run(kind, results(resource, batch))
    told = [(span.name, span.attributes["rlhf.batch.id"], span.attributes.get("rlhf.batch.status"),
             span.attributes.get("rlhf.batch.size"))
            for span in captured.spans if "rlhf.batch.custom_id" not in span.attributes]  # fmt: skip
    assert told == [
        ("create_batch", batch, "ended", 4), ("fetch_batch", batch, "ended", None),
        ("cancel_batch", batch, "canceling", None), ("fetch_batch", batch, "canceling", None),
        ("fetch_batch_results", batch, None, None),
    ]  # fmt: skip


def test_results_are_recorded_once(kind, made, captured, run) -> None:
    """Reading some results, and then all of them twice, records each of them once; all reads are spans."""
    resource, batch = made
    for most in (1, 99, 99):
        run(kind, results(resource, batch, most))
    assert list(by_id(captured.spans)) == ["a", "b", "c", "d"]
    assert [span.name for span in captured.spans].count("chat claude") == 4
    assert [span.name for span in captured.spans].count("fetch_batch_results") == 3


def test_nothing_is_read_ahead(kind, made, captured, run) -> None:
    """Results that the application asks for and never reads are not read, and not recorded."""
    resource, batch = made
    decoder = run(kind, settle_of(resource.results, batch))
    assert by_id(captured.spans) == {}
    run(kind, closed(decoder))
    assert by_id(captured.spans) == {}
    (source,) = [span for span in captured.spans if span.name == "fetch_batch_results"]
    assert source.attributes["rlhf.stream.end"] == "abandoned"


def test_a_batch_of_another_process(kind, made, captured, run, monkeypatch) -> None:
    """Without the question a result is recorded all the same, without a model that was asked for."""
    monkeypatch.setattr(batches, "memory", batches.Memory())
    run(kind, results(*made))
    span = by_id(captured.spans)["a"]
    assert span.name == "chat"
    assert json.loads(span.attributes["gen_ai.output.messages"]) == [answered("stop", text("1."))]
    assert {"gen_ai.input.messages", "gen_ai.request.model"}.isdisjoint(span.attributes)


def test_the_application_sees_the_same(kind, made, run) -> None:
    """Results are the SDK's own objects in the SDK's own decoder, recorded or not."""
    resource, batch = made
    seen = []
    for _ in range(2):
        decoder = run(kind, settle_of(resource.results, batch))
        seen.append((type(decoder), run(kind, results(resource, batch))))
        run(kind, closed(decoder))
        instrumentation.switch_off()
    assert seen[0] == seen[1]
