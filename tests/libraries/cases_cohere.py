"""cohere: both versions of its API."""

from __future__ import annotations

from typing import Any

import cohere

from .case import Case, Library, answered, called, text, thought, user
from .wire import Body, Events, Lines

TOOL = {"name": "weather", "description": "Weather of a city", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "c-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
ASK: dict[str, Any] = {
    "model": "command-a",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_plan": "Look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c-1", "content": "rain"},
    ],
    "tools": [{"type": "function", "function": TOOL}],
    "temperature": 0.5, "p": 0.9, "k": 3, "max_tokens": 64,
}  # fmt: skip
ASKED = {
    "input": [
        {"role": "system", "parts": [text("Be brief.")]},
        user("Weather?"),
        answered(None, thought("Look."), called("weather", {"city": "Paris"}, "c-1")),
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c-1", "response": "rain"}]},
    ],
    "tools": [{"type": "function", **TOOL}],
}
USAGE = {
    "billed_units": {"input_tokens": 4.0, "output_tokens": 2.0}, "tokens": {"input_tokens": 20.0, "output_tokens": 7.0},
    "cached_tokens": 5.0,
}  # fmt: skip
COUNTED = {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "command-a",
    "gen_ai.response.finish_reasons": ["COMPLETE"],
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 5,
    "rlhf.usage.cache_hit_ratio": 0.25,
}
ATTRIBUTES = {
    **COUNTED,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_p": 0.9,
    "gen_ai.request.top_k": 3,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.response.id": "r-1",
}
CONTENT = [{"type": "thinking", "thinking": "Easy."}, {"type": "text", "text": "Sunny."}]
SAID = [answered("stop", thought("Easy."), "Sunny.")]


def whole(finish: str = "COMPLETE", **message: Any) -> Body:
    said = {"role": "assistant", **message}
    return Body({"id": "r-1", "finish_reason": finish, "message": said, "usage": USAGE})


def delta(kind: str, index: int, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def streamed(*events: dict[str, Any], finish: str = "COMPLETE") -> Events:
    start = {"type": "message-start", "id": "r-1", "delta": {"message": {"role": "assistant"}}}
    end = {"type": "message-end", "delta": {"finish_reason": finish, "usage": USAGE}}
    return Events([start, *events, end], named=True)


V1: dict[str, Any] = {
    "model": "command-a", "message": "Weather?", "preamble": "Be brief.",
    "chat_history": [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello."}],
}  # fmt: skip
V1_ASKED = {"system": [text("Be brief.")], "input": [user("Hi"), answered(None, "Hello."), user("Weather?")]}
V1_SAID = {"text": "Sunny.", "generation_id": "g-1", "response_id": "r-1", "finish_reason": "COMPLETE", "meta": USAGE}
EMBEDDED = {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "embed-4", "gen_ai.response.id": "e-1",
            "gen_ai.embeddings.dimension.count": 2, "gen_ai.usage.input_tokens": 2}  # fmt: skip
BILLED = {"billed_units": {"input_tokens": 2.0}}
CASES = [
    Case(
        name="chat", call=lambda client: client.v2.chat(**ASK), answers=[whole(content=CONTENT)],
        spans=["chat command-a"], attributes=ATTRIBUTES, content={**ASKED, "output": SAID},
    ),
    Case(
        name="client_v2", call=lambda client: client.newer.chat(**ASK), answers=[whole(content=CONTENT)],
        spans=["chat command-a"], attributes=ATTRIBUTES, content={**ASKED, "output": SAID},
    ),
    Case(
        name="tool", call=lambda client: client.v2.chat(**ASK), spans=["chat command-a"],
        answers=[whole(finish="TOOL_CALL", tool_plan="Look.", tool_calls=[CALL])],
        attributes={**ATTRIBUTES, "gen_ai.response.finish_reasons": ["TOOL_CALL"]},
        content={**ASKED, "output": [
            answered("tool_call", thought("Look."), called("weather", {"city": "Paris"}, "c-1"))]},
    ),
    Case(
        name="stream", call=lambda client: client.v2.chat_stream(**ASK), spans=["chat command-a"],
        answers=[streamed(
            delta("content-start", 0, content={"type": "thinking", "thinking": ""}),
            delta("content-delta", 0, content={"thinking": "Easy."}), {"type": "content-end", "index": 0},
            delta("content-start", 1, content={"type": "text", "text": ""}),
            delta("content-delta", 1, content={"text": "Sun"}), delta("content-delta", 1, content={"text": "ny."}),
            {"type": "content-end", "index": 1})],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 9}, content={**ASKED, "output": SAID},
        stream=True, first=("reasoning", "token"),
    ),
    Case(
        name="tool_stream", call=lambda client: client.v2.chat_stream(**ASK), spans=["chat command-a"],
        answers=[streamed(
            delta("tool-plan-delta", 0, tool_plan="Look."),
            delta("tool-call-start", 0, tool_calls={
                "id": "c-1", "type": "function", "function": {"name": "weather", "arguments": ""}}),
            delta("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"city": '}}),
            delta("tool-call-delta", 0, tool_calls={"function": {"arguments": '"Paris"}'}}),
            {"type": "tool-call-end", "index": 0}, finish="TOOL_CALL")],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 7, "gen_ai.response.finish_reasons": ["TOOL_CALL"]},
        content={**ASKED, "output": [
            answered("tool_call", thought("Look."), called("weather", {"city": "Paris"}, "c-1"))]},
        stream=True, first=("reasoning", "token"),
    ),
    Case(
        name="v1", call=lambda client: client.chat(**V1), answers=[Body(V1_SAID)], spans=["chat command-a"],
        attributes={**COUNTED, "gen_ai.response.id": "r-1"},
        content={**V1_ASKED, "output": [answered("stop", "Sunny.")]},
    ),
    Case(
        name="v1_stream", call=lambda client: client.chat_stream(**V1), spans=["chat command-a"],
        answers=[Lines([
            {"event_type": "stream-start", "generation_id": "g-1", "is_finished": False},
            {"event_type": "text-generation", "text": "Sun", "is_finished": False},
            {"event_type": "text-generation", "text": "ny.", "is_finished": False},
            {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": V1_SAID, "is_finished": True}])],
        attributes={**COUNTED, "gen_ai.response.id": "r-1", "rlhf.stream.chunks": 4},
        content={**V1_ASKED, "output": [answered("stop", "Sunny.")]}, stream=True,
    ),
    Case(
        name="embed", spans=["embeddings embed-4"],
        call=lambda client: client.v2.embed(
            model="embed-4", texts=["one", "two"], input_type="search_query", embedding_types=["float"]),
        answers=[Body({"id": "e-1", "embeddings": {"float": [[0.1, 0.2], [0.3, 0.4]]}, "texts": [], "meta": BILLED,
                       "response_type": "embeddings_by_type"})],
        attributes={**EMBEDDED, "gen_ai.request.encoding_formats": ["float"]},
        content={"input": [user("one"), user("two")]},
    ),
    Case(
        name="v1_embed", call=lambda client: client.embed(model="embed-4", texts=["one", "two"]),
        answers=[Body({"id": "e-1", "embeddings": [[0.1, 0.2], [0.3, 0.4]], "texts": ["one", "two"], "meta": BILLED,
                       "response_type": "embeddings_floats"})],
        spans=["embeddings embed-4"], attributes=EMBEDDED, content={"input": [user("one"), user("two")]},
    ),
    Case(
        name="rerank", call=lambda client: client.v2.rerank(model="rerank-4", query="Q?", documents=["one", "two"]),
        answers=[Body({"id": "k-1", "results": [{"index": 1, "relevance_score": 0.9}]})], spans=["rerank rerank-4"],
        attributes={"gen_ai.operation.name": "rerank", "gen_ai.request.model": "rerank-4",
                    "gen_ai.response.id": "k-1"},
        content={"input": [user("Q?"), user("one", "two")],
                 "output": [answered(None, {"type": "ranking", "results": [{"index": 1, "score": 0.9}]})]},
    ),
]  # fmt: skip


class Clients:
    """The clients of both versions, each made when it is asked for."""

    def __init__(self, url: str, older: Any, newer: Any) -> None:
        self._url, self._older, self._newer = url, older, newer

    @property
    def newer(self) -> Any:
        return self._newer("k", base_url=self._url)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._older("k", base_url=self._url), name)


LIBRARY = Library(
    package="cohere",
    clients={
        "sync": lambda url: Clients(url, cohere.Client, cohere.ClientV2),
        "async": lambda url: Clients(url, cohere.AsyncClient, cohere.AsyncClientV2),
    },
    provider="cohere",
    made_anew=True,
    cases=CASES,
    refusal=Body({"message": "no such model"}, 400),
)
