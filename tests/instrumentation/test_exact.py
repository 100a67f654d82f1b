"""The figures of a span, to the nanosecond and the token: the tests move the clock themselves.

Nothing here measures how fast the machine is. The clock stands still but for what the script says, so that the time of
each event tells which event it was.
"""

from __future__ import annotations

import json

import pytest

from rlhf_otel.testing import Reply, ToolCall, Usage

from .clockwork import MESSAGES, PATHS, each_kind, each_path, place


@each_kind
@each_path
def test_every_time_belongs_to_its_chunk(path, kind, ask) -> None:
    """First chunk, first reasoning and first token are the times of the very chunks that carry them first."""
    reply = Reply(reasoning="well then", chunks=["Lisb", "on."], usage=Usage(input=40, output=20))
    chunks, a, duration = ask(path, kind, reply)
    assert len(chunks) == a["rlhf.stream.chunks"]
    assert a["gen_ai.response.time_to_first_chunk"] == 4
    assert a["rlhf.response.time_to_first_reasoning"] == place(chunks, "well")
    assert a["rlhf.response.time_to_first_token"] == place(chunks, "Lisb")
    assert 4 < place(chunks, "well") < place(chunks, "Lisb")
    assert duration == 3 + len(chunks) + 1
    assert a["rlhf.stream.duration"] == duration - 4
    assert a["rlhf.stream.max_gap"] == 1


@each_kind
@pytest.mark.parametrize("path", ["chat.completions.create", "messages.create"])
def test_the_arguments_of_a_tool_are_tokens(path, kind, ask) -> None:
    """A call of a tool begins with its name, which is none; the first piece of its arguments is the first token."""
    chunks, a, _ = ask(path, kind, Reply(tool_calls=[ToolCall("find", '{"a": 1}')]))
    assert a["rlhf.response.time_to_first_token"] > place(chunks, "find")
    assert "rlhf.response.time_to_first_reasoning" not in a


@each_kind
@each_path
def test_the_rate_is_output_over_the_time_since_the_first_token(path, kind, ask) -> None:
    """Tokens per second come from the reported usage; without one there is no rate."""
    _, a, duration = ask(path, kind, Reply(chunks=["Lisb", "on."], usage=Usage(input=40, output=20)))
    if path == "chat.completions.create":  # reports usage only where it is asked to
        assert "rlhf.response.output_tokens_per_second" not in a
    else:
        first = a["rlhf.response.time_to_first_token"]
        assert a["rlhf.response.output_tokens_per_second"] == 20 / (duration - first)


@each_kind
@pytest.mark.parametrize("stream", [True, False])
def test_the_network_takes_what_the_provider_does_not(stream, kind, ask) -> None:
    """The wait for the headers, less the time that the provider says it worked."""
    reply = Reply(headers={"openai-processing-ms": "1250"})
    _, a, _ = ask("chat.completions.create", kind, reply, stream=stream)
    assert a["rlhf.response.time_to_headers"] == 3
    assert a["rlhf.response.network_time"] == 1.75


@pytest.mark.parametrize(
    ("headers", "network"),
    [
        ({"x-envoy-upstream-service-time": "500"}, 2.5),
        ({"x-envoy-upstream-service-time": "9000"}, None),
        ({"x-envoy-upstream-service-time": "soon"}, None),
        ({"x-envoy-upstream-service-time": "-1"}, None),
        ({"x-envoy-upstream-service-time": "nan"}, None),
        ({}, None),
    ],
)
def test_only_a_reported_time_is_taken_off(headers, network, ask) -> None:
    """Where the provider reports no time, none that makes sense, or more than was waited, there is no network time."""
    _, a, _ = ask("messages.create", "sync", Reply(headers=headers), stream=False)
    assert a["rlhf.response.time_to_headers"] == 3
    assert a.get("rlhf.response.network_time") == network


def test_a_retry_begins_the_wait_anew(llm, clients, clock, captured) -> None:
    """What the client waited between attempts is in the length of the call, and not in the wait for the headers."""
    busy = Reply(status=429, error="busy", headers={"retry-after-ms": "1"})
    answers = iter([busy, Reply(headers={"openai-processing-ms": "1000"})])

    def answer(_):
        clock.advance(3)
        return next(answers)

    llm.responder = answer
    try:
        clients["openai", "sync"].with_options(max_retries=1).chat.completions.create(model="m", messages=MESSAGES)
    finally:
        llm.responder = None
    (span,) = captured.spans
    assert (span.end_time - span.start_time) / 1e9 == 6
    assert span.attributes["rlhf.response.time_to_headers"] == 3
    assert span.attributes["rlhf.response.network_time"] == 2
    assert span.attributes["http.request.resend_count"] == 1


# --- Tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_totals_include_what_was_cached_and_thought(path, ask) -> None:
    """OpenAI counts cached tokens within its input, Anthropic beside it: the total is the total in both."""
    usage = Usage(input=40, output=20, cached=10, cache_write=6 if path == "messages.create" else 0, reasoning=5)
    _, a, _ = ask(path, "sync", Reply(text="Paris.", usage=usage), stream=False)
    total = 56 if path == "messages.create" else 40
    assert (a["gen_ai.usage.input_tokens"], a["gen_ai.usage.cache_read.input_tokens"]) == (total, 10)
    assert a["rlhf.usage.cache_hit_ratio"] == 10 / total
    assert a["gen_ai.usage.output_tokens"] == 20
    assert a.get("gen_ai.usage.reasoning.output_tokens", 5) == 5


def test_tokens_by_what_they_stand_for(llm, clients, captured) -> None:
    """Counts of text, pictures and sound are kept where the provider reports them, within the totals."""
    usage = {
        "prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50,
        "prompt_tokens_details": {"audio_tokens": 12, "text_tokens": 11, "image_tokens": 7, "cached_tokens": 0},
        "completion_tokens_details": {"audio_tokens": 15, "text_tokens": 5, "reasoning_tokens": 0},
    }  # fmt: skip
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    llm.script(Reply(raw=json.dumps(body), headers={"content-type": "application/json"}))
    clients["openai", "sync"].chat.completions.create(model="m", messages=MESSAGES)
    (span,) = captured.spans
    kinds = ("text", "image", "audio")
    names = [f"gen_ai.usage.{kind}.{way}_tokens" for way in ("input", "output") for kind in kinds]
    assert [span.attributes.get(name) for name in names] == [11, 7, 12, 5, None, 15]
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (30, 20)
