"""Services that speak OpenAI's format in their own ways: who they are, their reasoning, their usage, their oddities.

The bodies are in the shapes that the services' API references show, and go over the client's real transport.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from rlhf_otel.testing import Reply

from .routing import rerouted
from .shapes import each, settle

HEAD = {"id": "c-1", "created": 1, "model": "m-1"}
ASKED: Any = [{"role": "user", "content": "?"}]


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: its base URL and name, its answer whole and streamed, and what the span has of it."""

    url: str
    name: str
    message: dict[str, Any]
    usage: dict[str, Any]
    deltas: list[Any]
    reasoning: str | None
    last: dict[str, Any] = field(default_factory=dict)
    counted: dict[str, Any] = field(default_factory=dict)


USAGE = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16}
COUNTED = {"input_tokens": 10, "output_tokens": 6}
SERVICES = {
    "deepseek": Service(
        url="https://api.deepseek.com", name="deepseek",
        message={"content": "Paris.", "reasoning_content": "Hm."},
        usage={**USAGE, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6,
               "completion_tokens_details": {"reasoning_tokens": 2}},
        deltas=[{"role": "assistant", "content": None, "reasoning_content": ""},
                {"content": None, "reasoning_content": "Hm."}, {"content": "Paris.", "reasoning_content": None}],
        reasoning="Hm.", counted={"cache_read.input_tokens": 4, "reasoning.output_tokens": 2},
    ),
    "openrouter": Service(
        url="https://openrouter.ai/api/v1", name="openrouter",
        message={"content": "Paris.", "refusal": None, "reasoning": None,
                 "reasoning_details": [{"type": "reasoning.text", "text": "H", "signature": "x", "index": 0},
                                       {"type": "reasoning.summary", "summary": "m.", "index": 1},
                                       {"type": "reasoning.encrypted", "data": "b3BhcXVl", "index": 2}]},
        usage={**USAGE, "cost": 0.0012, "is_byok": False, "prompt_tokens_details": {"cached_tokens": 3}},
        deltas=[{"role": "assistant", "content": "", "reasoning_details": [
                    {"type": "reasoning.text", "text": "Hm.", "index": 0}]},
                {"role": "assistant", "content": "Paris."}],
        reasoning="Hm.", counted={"cache_read.input_tokens": 3, "cost": 0.0012},
    ),
    "groq": Service(
        url="https://api.groq.com/openai/v1", name="groq",
        message={"content": "Paris.", "reasoning": "Hm."},
        usage={**USAGE, "queue_time": 0.1, "prompt_time": 0.1, "completion_time": 0.1, "total_time": 0.3},
        deltas=[{"role": "assistant", "content": "", "channel": None}, {"reasoning": "Hm."}, {"content": "Paris."}],
        reasoning="Hm.", last={"usage": None, "x_groq": {"id": "req-1", "usage": USAGE}},
    ),
    "mistral": Service(
        url="https://api.mistral.ai/v1", name="mistral_ai",
        message={"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                             {"type": "text", "text": "Paris."}]},
        usage=USAGE,
        deltas=[{"role": "assistant", "content": ""},
                {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]},
                {"content": [{"type": "text", "text": "Par"}]}, {"content": "is."}],
        reasoning="Hm.",
    ),
    "x_ai": Service(
        url="https://api.x.ai/v1", name="x_ai",
        message={"content": "Paris.", "reasoning_content": "Hm."},
        usage={"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 16, "num_sources_used": 0,
               "completion_tokens_details": {"reasoning_tokens": 2}, "prompt_tokens_details": {"cached_tokens": 1}},
        deltas=[{"role": "assistant", "reasoning_content": "Hm."}, {"content": "Paris.", "role": "assistant"}],
        reasoning="Hm.", counted={"cache_read.input_tokens": 1, "reasoning.output_tokens": 2},
    ),
    "perplexity": Service(
        url="https://api.perplexity.ai", name="perplexity",
        message={"content": "Paris."},
        usage={**USAGE, "search_context_size": "low", "reasoning_tokens": 1,
               "cost": {"input_tokens_cost": 0.001, "output_tokens_cost": 0.002, "total_cost": 0.003}},
        deltas=[{"role": "assistant", "content": "Par"}, {"role": "assistant", "content": "is."}],
        reasoning=None, counted={"reasoning.output_tokens": 1, "cost": 0.003},
    ),
    "moonshot": Service(
        url="https://api.moonshot.ai/v1", name="moonshot_ai",
        message={"content": "Paris.", "reasoning_content": "Hm."}, usage={**USAGE, "cached_tokens": 5},
        deltas=[{"reasoning_content": "Hm."}, {"content": "Paris."}],
        reasoning="Hm.", counted={"cache_read.input_tokens": 5},
    ),
    "together": Service(
        url="https://api.together.xyz/v1", name="together",
        message={"content": "Paris.", "tool_calls": []}, usage={**USAGE, "cached_tokens": 0},
        deltas=[{"token_id": 1, "role": "assistant", "content": "Par", "tool_calls": []},
                {"token_id": 2, "content": "is."}],
        reasoning=None, counted={"cache_read.input_tokens": 0},
    ),
    "gemini": Service(
        url="https://generativelanguage.googleapis.com/v1beta/openai/", name="gcp.gemini",
        message={"content": "Paris."}, usage=USAGE, deltas=[{"role": "assistant", "content": "Paris."}],
        reasoning=None,
    ),
    "ollama": Service(
        url="http://localhost:11434/v1", name="ollama",
        message={"content": "Paris.", "reasoning": "Hm."}, usage=USAGE,
        deltas=[{"role": "assistant", "content": "", "reasoning": "Hm."}, {"content": "Paris."}], reasoning="Hm.",
    ),
    "vllm": Service(
        url="http://gpu:8000/v1", name="openai",
        message={"content": "Paris.", "reasoning_content": "Hm.", "tool_calls": [], "refusal": None},
        usage={**USAGE, "prompt_tokens_details": None},
        deltas=[{"role": "assistant", "content": ""}, {"reasoning_content": "Hm."}, {"content": "Paris."}],
        reasoning="Hm.",
    ),
}  # fmt: skip
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=list(SERVICES))


@pytest.fixture(scope="module")
def http(server):
    """Takes every request to the fake provider."""
    with rerouted("openai", server) as client:
        yield client


def whole(service: Service) -> Reply:
    """The answer in one piece."""
    message = {"role": "assistant", **service.message}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = {**HEAD, "object": "chat.completion", "choices": [choice], "usage": service.usage, "provider": "x"}
    return Reply(raw=json.dumps(body))


def streamed(service: Service) -> Reply:
    """The answer as a stream, whose last chunk with a choice has the usage."""
    chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in service.deltas]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": service.usage, **service.last}
    raw = [f"data: {json.dumps({**HEAD, 'object': 'chat.completion.chunk', **c})}\n\n" for c in (*chunks, last)]
    return Reply(raw=[": PROCESSING\n\n", *raw, "data: [DONE]\n\n"])


@pytest.mark.parametrize("way", ["whole", "stream", "lines"])
@each_service
def test_services_are_read_in_their_own_words(service: Service, way: str, http, llm, captured) -> None:
    """Name, text, reasoning, usage and times: of a whole answer, a stream, and lines that the application reads."""
    completions = openai.OpenAI(base_url=service.url, api_key="k", http_client=http, max_retries=0).chat.completions
    llm.script(whole(service) if way == "whole" else streamed(service))
    if way == "lines":
        with completions.with_streaming_response.create(model="m", messages=ASKED, stream=True) as response:
            assert list(response.iter_lines())
    else:
        answer = completions.create(model="m", messages=ASKED, stream=way == "stream")
        assert way == "whole" or list(answer)
    (span,) = captured.spans
    a = span.attributes
    assert a["gen_ai.provider.name"] == service.name
    thought = [{"type": "reasoning", "content": service.reasoning}] if service.reasoning else []
    parts = [*thought, {"type": "text", "content": "Paris."}]
    assert json.loads(a["gen_ai.output.messages"]) == [{"role": "assistant", "parts": parts, "finish_reason": "stop"}]
    counted = {key.partition(".usage.")[2]: value for key, value in a.items() if ".usage." in key}
    counted.pop("cache_hit_ratio", None)  # made of the two others
    expected = {**COUNTED, **({} if service.last else service.counted)}
    assert counted == expected
    assert ("rlhf.response.time_to_first_reasoning" in a) == (way != "whole" and bool(service.reasoning))
    assert ("rlhf.response.time_to_first_token" in a) == (way != "whole")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_chunks_may_lack_nearly_everything(kind, clients, llm, captured, run) -> None:
    """Null choices, one without a delta, usage on every chunk and arguments that are no text are all read."""
    find = {"index": 0, "id": "t-1", "function": {"name": "find", "arguments": {"a": 1}}}
    chunks: list[dict[str, Any]] = [
        {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {"choices": None, "usage": {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}},
        {"id": "c-1", "model": "m-1", "choices": [{"delta": {"content": "Par"}}], "usage": {"total_tokens": 4}},
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]},
        {"choices": [{"index": 0, "delta": {"content": "is.", "tool_calls": [find]}, "finish_reason": None}],
         "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]  # fmt: skip
    llm.script(Reply(raw=[*(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks), "data: [DONE]\n\n"]))

    async def ask() -> int:
        create = clients["openai", kind].chat.completions.create
        return len([chunk async for chunk in each(await settle(create(model="m", messages=ASKED, stream=True)))])

    assert run(kind, ask()) == 6
    (span,) = captured.spans
    assert (span.attributes["gen_ai.response.id"], span.attributes["gen_ai.response.model"]) == ("c-1", "m-1")
    call = {"type": "tool_call", "id": "t-1", "name": "find", "arguments": {"a": 1}}
    (answer,) = json.loads(span.attributes["gen_ai.output.messages"])
    assert answer["parts"] == [{"type": "text", "content": "Paris."}, call]
    assert (span.attributes["gen_ai.usage.input_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (3, 2)


def test_reasoning_that_is_sent_back(clients, captured) -> None:
    """What the application sends back of an earlier answer's reasoning is read by any of its names."""
    said: Any = [
        {"role": "assistant", "content": "A.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                                          {"type": "text", "text": "A."}]},
        {"role": "assistant", "content": "A.", "reasoning": "Hm."},
    ]  # fmt: skip
    clients["openai", "sync"].chat.completions.create(model="m", messages=said)
    (span,) = captured.spans
    parts = [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "A."}]
    assert [m["parts"] for m in json.loads(span.attributes["gen_ai.input.messages"])] == [parts] * 3
