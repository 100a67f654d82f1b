"""The glance at a chunk says what reading it does: whatever a stream is made of, both ways give the same answer."""

from __future__ import annotations

from typing import Any

import anthropic._models
import openai._models
import pytest
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from rlhf_otel.instrumentation.call import Call
from rlhf_otel.instrumentation.providers.anthropic import Messages
from rlhf_otel.instrumentation.providers.openai import Chat
from rlhf_otel.instrumentation.providers.openai_responses import Responses
from rlhf_otel.instrumentation.streams import observe

TEXT = st.sampled_from(["a", "b ", "é", "\ud800", "", None, 7])
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
EXTRA = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant"), "reasoning_content": TEXT, "refusal": TEXT, "unknown": st.just(1),
        "tool_calls": st.just([{"index": 0, "id": "t", "function": {"name": "f", "arguments": "{}"}}]),
    },
)  # fmt: skip
TOKENS = st.fixed_dictionaries({}, optional={"content": TEXT})
DELTAS = st.one_of(TOKENS, TOKENS, st.builds(lambda a, b: {**a, **b}, TOKENS, EXTRA), st.none())
CHOICES = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 0, 1, None]), "delta": DELTAS},
    optional={"finish_reason": st.sampled_from([None, "stop"])},
)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.one_of(st.lists(CHOICES, max_size=2), st.none())},
    optional={"id": st.sampled_from(["c-1", None]), "model": st.just("m"), "usage": st.sampled_from([None, USAGE])},
)
INDEX = st.sampled_from([0, 0, 1])
PIECES = {
    "text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json",
    "signature_delta": "signature", "another_delta": "text",
}  # fmt: skip
EVENTS = st.one_of(
    st.builds(
        lambda index, kind, piece: {
            "type": "content_block_delta", "index": index, "delta": {"type": kind, PIECES[kind]: piece},
        },
        INDEX, st.sampled_from(list(PIECES)), TEXT,
    ),
    st.builds(
        lambda index, kind: {"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}},
        INDEX, st.sampled_from(["text", "thinking"]),
    ),
    st.builds(lambda index: {"type": "content_block_stop", "index": index}, INDEX),
    st.sampled_from([{"type": "ping"}, {"type": "message_stop"}]),
)  # fmt: skip
ITEMS = st.builds(
    lambda kind, index, delta: {"type": f"response.{kind}.delta", "output_index": index, "delta": delta},
    st.sampled_from(["output_text", "refusal", "function_call_arguments", "reasoning_text", "another"]), INDEX, TEXT,
)  # fmt: skip


def said(endpoint: Any, chunks: list[Any]) -> tuple[Any, ...]:
    """What is known of a call once a stream of these chunks has been read through."""
    call = Call(None, endpoint, provider="p", stream=True)  # type: ignore[arg-type]
    assert list(observe(call, iter(chunks))) == chunks
    call.read(endpoint.end, call.state)
    return (call.output, call.finish_reasons, call.complete, call.misread, call.input_tokens, call.response_id,
            bool(call.first_token) and call.stamps.index(call.first_token), len(call.stamps))  # fmt: skip


def check(endpoint: type[Any], sdk: Any, kind: Any, values: list[Any]) -> None:
    """Both ways, for the models that `sdk` makes of `values`."""
    chunks = [sdk.construct_type(type_=kind, value=value) for value in values]
    closely = type("Closely", (endpoint,), {"taker": None})
    assert said(endpoint(), chunks) == said(closely(), chunks)


@settings(deadline=None, max_examples=60)
@given(st.lists(CHUNKS, max_size=12))
def test_of_chat_completions(values: list[Any]) -> None:
    """Several choices, tools, reasoning, usage, reasons, what no schema knows and what breaks it."""
    check(Chat, openai._models, ChatCompletionChunk, values)


@settings(deadline=None, max_examples=60)
@given(st.lists(EVENTS, max_size=12))
def test_of_messages(values: list[Any]) -> None:
    """Blocks of several kinds, also those that begin without a start or come in between."""
    check(Messages, anthropic._models, RawMessageStreamEvent, values)


@settings(deadline=None, max_examples=60)
@given(st.lists(ITEMS, max_size=12))
def test_of_responses(values: list[Any]) -> None:
    """Items of several kinds, and deltas that are no text."""
    check(Responses, openai._models, ResponseStreamEvent, values)


@pytest.mark.parametrize(
    ("endpoint", "sdk", "kind", "value"),
    [
        (Chat, openai._models, ChatCompletionChunk, {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}}]}),
        (Messages, anthropic._models, RawMessageStreamEvent,
         {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        (Responses, openai._models, ResponseStreamEvent,
         {"type": "response.output_text.delta", "output_index": 0, "delta": "x"}),
    ],
)  # fmt: skip
def test_plain_text_is_read_once(endpoint, sdk, kind, value) -> None:
    """All that follows the first piece of a text is taken at a glance, in little room."""
    read = []

    class Counting(endpoint):
        def chunk(self, call, state, chunk):
            read.append(chunk)
            super().chunk(call, state, chunk)

    chunks = [sdk.construct_type(type_=kind, value=value) for _ in range(100)]
    output = said(Counting(), chunks)[0]
    assert len(read) == 1
    assert output[0]["parts"][0]["content"] == "x" * 100
