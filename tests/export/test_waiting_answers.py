"""An answer that is read later, out of its bytes, is the record that it would have been if it had been read at once."""

from __future__ import annotations

import copy
import dataclasses
import json

import anthropic
import httpx2
import openai
import pytest

import rlhf_otel as rlhf
from rlhf_otel import hooks
from rlhf_otel.instrumentation.call import Call

OPENAI = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "m-1", "system_fingerprint": "fp",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi ü 🙂"}}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
              "prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 2}},
}  # fmt: skip
ANTHROPIC = {
    "id": "m1", "type": "message", "role": "assistant", "model": "m-1", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "hi ü 🙂"}],
    "usage": {"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 2, "service_tier": "standard"},
}  # fmt: skip
TOOL = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"city": "Paris"}'}}
OF_OPENAI = {
    "plain": {},
    "a tool": {"message": {"content": None, "tool_calls": [TOOL]}},
    "arguments that are an object": {
        "message": {"tool_calls": [{**TOOL, "function": {"name": "f", "arguments": {"city": "Paris"}}}]}
    },
    "the function of old": {"message": {"function_call": {"name": "f", "arguments": "{}"}}},
    "a refusal": {"message": {"content": None, "refusal": "no"}},
    "reasoning of other services": {"message": {"reasoning_content": "because", "reasoning": "because"}},
    "several choices": {"choices": [{"finish_reason": "length", "message": {"content": text}} for text in "ab"]},
    "no choices": {"choices": None},
    "no usage": {"usage": None},
    "counts with a point": {"usage": {"prompt_tokens": 3.0, "completion_tokens": 4.0, "total_tokens": 7.0}},
    "counts as texts": {
        "usage": {"prompt_tokens": "3", "completion_tokens": "4", "total_tokens": "9",
                  "completion_tokens_details": {"reasoning_tokens": 2}}
    },
    "reasoning beside the output": {
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9,
                  "completion_tokens_details": {"reasoning_tokens": 2}}
    },
    "half a character": {"message": {"content": "\ud83d", "tool_calls": [TOOL]}},
    "fields of nobody's": {"model_extra": {"a": 1}, "service_tier": "flex", "citations": ["x"], "__class__": "y"},
    "objects in the place of texts": {"service_tier": {"a": 1}, "model": {"a": 1}, "system_fingerprint": {"a": [1]}},
    "an error with 200": {"choices": [], "error": {"message": "busy"}},
}  # fmt: skip
OF_ANTHROPIC = {
    "plain": {},
    "blocks": {
        "content": [{"type": "thinking", "thinking": "so", "signature": "s"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"city": "Paris", "n": 1.0}},
                    {"type": "of tomorrow", "what": {"a": [1, None]}}]
    },
    "no content": {"content": None},
    "content that is one block": {"content": {"type": "text", "text": "hi"}},
    "counts with a point": {"usage": {"input_tokens": 3.0, "output_tokens": 4.0, "cache_creation_input_tokens": 1.0}},
    "a model that is an object": {"model": {"a": 1}},
    "tools of the server": {"usage": {"input_tokens": 1, "output_tokens": 2, "server_tool_use": {"web_search": 1}}},
}  # fmt: skip
OF_THE_MOMENT = {"trace_id", "span_id", "start_ns", "end_ns", "time_to_headers_s"}


def body_of(usual, change):
    """A body in the place of the usual one; what is changed of the message goes into the first choice."""
    body = copy.deepcopy(usual)
    change = dict(change)
    body.get("choices", [{}])[0].get("message", {}).update(change.pop("message", {}))
    return json.dumps({**body, **change}).encode()


@pytest.mark.parametrize(
    ("sdk", "body"),
    [
        *(pytest.param(openai, body_of(OPENAI, change), id=f"openai: {name}") for name, change in OF_OPENAI.items()),
        *(pytest.param(anthropic, body_of(ANTHROPIC, change), id=f"anthropic: {name}")
          for name, change in OF_ANTHROPIC.items()),
        pytest.param(anthropic, json.dumps(ANTHROPIC).replace('"hi', '"hi", "x": NaN, "y": "').encode(), id="NaN"),
    ],
)  # fmt: skip
def test_an_answer_read_later_is_the_same(sdk, body, monkeypatch):
    """Whatever an OpenAI-like or Anthropic-like server sends, field by field, and nothing fails in either way."""
    kept = []

    def answer(_):
        return httpx2.Response(200, headers={"content-type": "application/json"}, content=body)

    client = (openai.OpenAI if sdk is openai else anthropic.Anthropic)(
        api_key="k", max_retries=0, http_client=httpx2.Client(transport=httpx2.MockTransport(answer))
    )
    create = client.chat.completions.create if sdk is openai else client.messages.create
    rlhf.add_processor(lambda interaction: kept.append(interaction) and None)
    rlhf.instrument(store=":memory:")
    ask = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        **({} if sdk is openai else {"max_tokens": 5}),
    }
    create(**ask)
    assert rlhf.flush(10)
    monkeypatch.setattr(Call, "received", lambda call, body: None)
    create(**ask)
    assert rlhf.flush(10)
    later, at_once = (
        {name: value for name, value in dataclasses.asdict(one).items() if name not in OF_THE_MOMENT} for one in kept
    )
    assert later == at_once
    assert not hooks.counters["faults"]
