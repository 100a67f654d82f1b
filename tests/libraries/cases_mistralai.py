"""mistralai: OpenAI's wire format, with content in chunks and thinking among them."""

from __future__ import annotations

from typing import Any

from mistralai.client import Mistral

from .case import Case, Library, answered, called, text, thought, user
from .openai_like import ASKED, CALL, TOOL
from .wire import Body, Events

ASK: dict[str, Any] = {
    "model": "magistral",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}],
    "temperature": 0.5,
    "random_seed": 7,
    "tools": [{"type": "function", "function": TOOL}],
}
HEAD = {"id": "m-1", "object": "chat.completion", "model": "magistral-2", "created": 1}
USAGE = {"prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27, "prompt_tokens_details": {"cached_tokens": 5}}
ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "magistral",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.seed": 7,
    "gen_ai.response.id": "m-1",
    "gen_ai.response.model": "magistral-2",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 5,
    "rlhf.usage.cache_hit_ratio": 0.25,
}
BARE = {
    key: value for key, value in ATTRIBUTES.items() if key not in ("gen_ai.request.temperature", "gen_ai.request.seed")
}
THINKING = [{"type": "thinking", "thinking": [{"type": "text", "text": "Easy."}]}, {"type": "text", "text": "Sunny."}]


def plain(message: dict[str, Any], finish: str = "stop") -> Body:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Body({**HEAD, "choices": [choice], "usage": USAGE})


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


STREAM = Events([
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": THINKING[:1]}), chunk({"content": "Sun"}), chunk({"content": "ny."}, "stop", usage=USAGE),
], last="data: [DONE]\n\n")  # fmt: skip
TOOL_STREAM = Events([
    chunk({"tool_calls": [{**CALL, "index": 0}]}, "tool_calls", usage=USAGE)], last="data: [DONE]\n\n")  # fmt: skip


def either(name: str, resource: str, **asked: Any) -> Any:
    """Calls the method of a client, or its asynchronous twin."""
    return lambda client: getattr(getattr(client.sdk, resource), name + client.suffix)(**asked)


class Client:
    """The SDK has one client with two names for each method; this says which."""

    def __init__(self, url: str, suffix: str) -> None:
        self.sdk, self.suffix = Mistral(api_key="k", server_url=url), suffix


CAT = {"type": "image_url", "image_url": "https://example.org/cat.png"}
PICTURE = [{"role": "user", "content": [{"type": "text", "text": "Who?"}, CAT]}]
CASES = [
    Case(
        name="chat", call=either("complete", "chat", **ASK), answers=[plain({"content": THINKING})],
        spans=["chat magistral"], attributes=ATTRIBUTES,
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
    ),
    Case(
        name="tool", call=either("complete", "chat", **ASK), spans=["chat magistral"],
        answers=[plain({"content": "", "tool_calls": [
            {"id": "call_1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}]}, "tool_calls")],
        attributes={**ATTRIBUTES, "gen_ai.response.finish_reasons": ["tool_calls"]},
        content={**ASKED, "output": [answered("tool_call", called("weather", {"city": "Paris"}, "call_1"))]},
    ),
    Case(
        name="stream", call=either("stream", "chat", **ASK), answers=[STREAM], spans=["chat magistral"],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 4},
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
        stream=True, first=("token", "reasoning"),
    ),
    Case(
        name="tool_stream", call=either("stream", "chat", **ASK), answers=[TOOL_STREAM], spans=["chat magistral"],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 1, "gen_ai.response.finish_reasons": ["tool_calls"]},
        content={**ASKED, "output": [answered("tool_call", called("weather", {"city": "Paris"}, "call_1"))]},
        stream=True, leaves="completed",
    ),
    Case(
        name="picture", call=either("complete", "chat", model="magistral", messages=PICTURE),
        answers=[plain({"content": "A cat."})], spans=["chat magistral"], attributes=BARE,
        content={"output": [answered("stop", "A cat.")], "input": [{"role": "user", "parts": [
            text("Who?"), {"type": "uri", "modality": "image", "uri": "https://example.org/cat.png"}]}]},
    ),
    Case(
        name="agent", call=either("complete", "agents", agent_id="ag-1", messages=[{"role": "user", "content": "Hi"}]),
        answers=[plain({"content": "Hello."})], spans=["chat"],
        attributes={"gen_ai.agent.id": "ag-1", **{k: v for k, v in BARE.items() if k != "gen_ai.request.model"}},
        content={"input": [user("Hi")], "output": [answered("stop", "Hello.")]},
    ),
    Case(
        name="fim", call=either("complete", "fim", model="codestral", prompt="def f():", suffix="return x"),
        answers=[plain({"content": "x = 1"})], spans=["text_completion codestral"],
        attributes={**BARE, "gen_ai.request.model": "codestral", "gen_ai.operation.name": "text_completion"},
        content={"input": [user("def f():"), user("return x")], "output": [answered("stop", "x = 1")]},
    ),
    Case(
        name="embed", call=either("create", "embeddings", model="embed", inputs=["one", "two"]),
        answers=[Body({"id": "e-1", "object": "list", "model": "embed-2", "data": [
            {"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2}})],
        spans=["embeddings embed"], content={"input": [user("one"), user("two")]},
        attributes={"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "embed", "gen_ai.response.id": "e-1",
                    "gen_ai.response.model": "embed-2", "gen_ai.embeddings.dimension.count": 2,
                    "gen_ai.usage.input_tokens": 2, "gen_ai.usage.output_tokens": 0},
    ),
]  # fmt: skip
LIBRARY = Library(
    package="mistralai",
    clients={"sync": lambda url: Client(url, ""), "async": lambda url: Client(url, "_async")},
    provider="mistral_ai",
    cases=CASES,
    refusal=Body({"message": "no such model"}, 400),
)
