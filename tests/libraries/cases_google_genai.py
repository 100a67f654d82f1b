"""google-genai, with the Gemini API and on Vertex AI."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from .case import Case, Library, answered, called, text, thought, user
from .wire import Body, Events

PIXEL = b"\x89PNG\r\n\x1a\n"
PICTURE = {
    "type": "uri", "modality": "image", "byte_size": 8, "mime_type": "image/png",
    "uri": "sha256:4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6",
}  # fmt: skip
USAGE = {
    "promptTokenCount": 20, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "cachedContentTokenCount": 8,
    "totalTokenCount": 27,
}  # fmt: skip
HEAD = {"responseId": "r-1", "modelVersion": "gemini-3-flash-001"}


def weather(city: str) -> str:
    """Weather of a city."""
    return f"sunny in {city}"


CONFIG = types.GenerateContentConfig(
    system_instruction="Be brief.", temperature=0.5, max_output_tokens=64, stop_sequences=["END"], top_k=3,
    thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_level="LOW"),
    tools=[types.Tool(function_declarations=[types.FunctionDeclaration(
        name="weather", description="Weather of a city",
        parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}))])],
)  # fmt: skip
CONTENTS: list[Any] = [
    "Weather?",
    types.Part.from_bytes(data=PIXEL, mime_type="image/png"),
    types.Content(role="model", parts=[types.Part.from_function_call(name="weather", args={"city": "Rome"})]),
    {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"result": "rain"}}}]},
]
ASKED = {
    "system": [text("Be brief.")],
    "input": [
        {"role": "user", "parts": [text("Weather?"), PICTURE]},
        answered(None, called("weather", {"city": "Rome"})),
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "weather", "response": {"result": "rain"}}]},
    ],
    "tools": [{"type": "function", "name": "weather", "description": "Weather of a city",
               "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}],
}  # fmt: skip
ATTRIBUTES = {
    "gen_ai.operation.name": "generate_content",
    "gen_ai.request.model": "gemini-3-flash",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.top_k": 3.0,
    "gen_ai.request.max_tokens": 64,
    "gen_ai.request.stop_sequences": ["END"],
    "gen_ai.request.reasoning.level": "low",
    "gen_ai.response.id": "r-1",
    "gen_ai.response.model": "gemini-3-flash-001",
    "gen_ai.response.finish_reasons": ["STOP"],
    "gen_ai.usage.input_tokens": 20,
    "gen_ai.usage.output_tokens": 7,
    "gen_ai.usage.cache_read.input_tokens": 8,
    "gen_ai.usage.reasoning.output_tokens": 2,
    "rlhf.usage.cache_hit_ratio": 0.4,
}


def whole(*parts: Any, finish: str | None = "STOP", usage: Any = USAGE) -> dict[str, Any]:
    """A response, or a chunk of a stream."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0}
    made = {**HEAD, "candidates": [{k: v for k, v in candidate.items() if v is not None}]}
    return {**made, "usageMetadata": usage} if usage else made


def ask(client: Any, config: Any = CONFIG) -> Any:
    return client.models.generate_content(model="gemini-3-flash", contents=list(CONTENTS), config=config)


def streamed(client: Any) -> Any:
    return client.models.generate_content_stream(model="gemini-3-flash", contents=list(CONTENTS), config=CONFIG)


def chat(client: Any) -> Any:
    return client.chats.create(model="gemini-3-flash").send_message("Hi")


async def chat_streamed(client: Any) -> Any:
    return await client.chats.create(model="gemini-3-flash").send_message_stream("Hi")


SAID = whole({"text": "Easy.", "thought": True}, {"text": "Sunny."})
CHUNKS = [
    whole({"text": "Ea", "thought": True}, finish=None, usage={"promptTokenCount": 20}),
    whole({"text": "sy.", "thought": True}, finish=None),
    whole({"text": "Sun"}, finish=None, usage=None),
    whole({"text": "ny."}),
]
CALL = whole({"functionCall": {"name": "weather", "args": {"city": "Paris"}}})
SHORT = {key: ATTRIBUTES[key] for key in ATTRIBUTES if ".request." not in key or key.endswith("model")}
AUTOMATIC = types.GenerateContentConfig(tools=[weather])

INTERACTION_ASK: dict[str, Any] = {
    "model": "gemini-3-flash", "system_instruction": "Be brief.", "generation_config": {"temperature": 0.5},
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
    "input": [
        {"type": "user_input", "content": [
            {"type": "text", "text": "Weather?"}, {"type": "image", "data": "iVBORw0KGgo=", "mime_type": "image/png"}]},
        {"type": "function_call", "id": "f-1", "name": "weather", "arguments": {"city": "Rome"}},
        {"type": "function_result", "call_id": "f-1", "name": "weather", "result": "rain"},
    ],
}  # fmt: skip
INTERACTION_ASKED = {
    "system": [text("Be brief.")],
    "input": [
        {"role": "user", "parts": [text("Weather?"), PICTURE]},
        answered(None, called("weather", {"city": "Rome"}, "f-1")),
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "f-1", "response": "rain"}]},
    ],
    "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}}],
}
STEPS = [
    {"type": "thought", "summary": [{"type": "text", "text": "Easy."}]},
    {"type": "model_output", "content": [{"type": "text", "text": "Sunny."}]},
    {"type": "function_call", "id": "f-2", "name": "weather", "arguments": {"city": "Paris"}},
]
INTERACTION_USAGE = {"total_input_tokens": 20, "total_output_tokens": 5, "total_thought_tokens": 2,
                     "total_cached_tokens": 8, "total_tokens": 27}  # fmt: skip
INTERACTION = {"id": "i-1", "model": "gemini-3-flash-001", "status": "requires_action", "usage": INTERACTION_USAGE}
INTERACTION_ATTRIBUTES = {
    **{k: v for k, v in SHORT.items() if k not in ("gen_ai.response.id", "gen_ai.response.finish_reasons")},
    "gen_ai.request.temperature": 0.5, "gen_ai.response.id": "i-1",
    "gen_ai.response.finish_reasons": ["requires_action"],
}  # fmt: skip
INTERACTION_SAID = [answered(None, thought("Easy."), "Sunny.", called("weather", {"city": "Paris"}, "f-2"))]
INTERACTION_EVENTS = [
    {"event_type": "interaction.created", "interaction": {"id": "i-1", "status": "in_progress"}},
    {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
    {"event_type": "step.delta", "index": 0,
     "delta": {"type": "thought_summary", "content": {"type": "text", "text": "Easy."}}},
    {"event_type": "step.stop", "index": 0},
    {"event_type": "step.start", "index": 1, "step": {"type": "model_output"}},
    {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "Sun"}},
    {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "ny."}},
    {"event_type": "step.start", "index": 2,
     "step": {"type": "function_call", "id": "f-2", "name": "weather", "arguments": {}}},
    {"event_type": "step.delta", "index": 2, "delta": {"type": "arguments_delta", "arguments": '{"city": '}},
    {"event_type": "step.delta", "index": 2, "delta": {"type": "arguments_delta", "arguments": '"Paris"}'}},
    {"event_type": "interaction.completed", "interaction": INTERACTION},
]  # fmt: skip
CASES = [
    Case(
        name="generate", call=ask, answers=[Body(SAID)], spans=["generate_content gemini-3-flash"],
        attributes=ATTRIBUTES, content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
    ),
    Case(
        name="vertex", call=ask, answers=[Body(SAID)], spans=["generate_content gemini-3-flash"],
        attributes={"gen_ai.provider.name": "gcp.vertex_ai", **ATTRIBUTES}, kinds=("vertex", "vertex_async"),
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
    ),
    Case(
        name="tool", call=ask, answers=[Body(CALL)], spans=["generate_content gemini-3-flash"],
        attributes=ATTRIBUTES, content={**ASKED, "output": [answered("stop", called("weather", {"city": "Paris"}))]},
    ),
    Case(
        name="stream", call=streamed, answers=[Events(CHUNKS)], spans=["generate_content gemini-3-flash"],
        attributes={**ATTRIBUTES, "rlhf.stream.chunks": 4},
        content={**ASKED, "output": [answered("stop", thought("Easy."), "Sunny.")]},
        stream=True, first=("reasoning", "token"),
    ),
    Case(
        name="automatic", call=lambda client: client.models.generate_content(
            model="gemini-3-flash", contents="Weather?", config=AUTOMATIC),
        answers=[Body(CALL), Body(whole({"text": "Sunny."}))], spans=["generate_content gemini-3-flash"] * 2,
        attributes=SHORT,
        content={
            "tools": [{"type": "function", "name": "weather", "description": "Weather of a city."}],
            "input": [
                user("Weather?"), answered(None, called("weather", {"city": "Paris"})),
                {"role": "tool", "parts": [
                    {"type": "tool_call_response", "id": "weather", "response": {"result": "sunny in Paris"}}]},
            ],
            "output": [answered("stop", "Sunny.")],
        },
    ),
    Case(
        name="chat", call=chat, answers=[Body(whole({"text": "Hello."}))], spans=["generate_content gemini-3-flash"],
        attributes=SHORT, content={"input": [user("Hi")], "output": [answered("stop", "Hello.")]},
    ),
    Case(
        name="blocked", call=chat, spans=["generate_content gemini-3-flash"],
        answers=[Body({**HEAD, "promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})],
        attributes={
            **{key: value for key, value in SHORT.items() if "usage." not in key},
            "gen_ai.usage.input_tokens": 3, "gen_ai.response.finish_reasons": ["SAFETY"],
        },
        content={"input": [user("Hi")]},
    ),
    Case(
        name="chat_stream", call=chat_streamed, answers=[Events(CHUNKS)], kinds=("async",),
        spans=["generate_content gemini-3-flash"], attributes={**SHORT, "rlhf.stream.chunks": 4},
        content={"input": [user("Hi")], "output": [answered("stop", thought("Easy."), "Sunny.")]},
        stream=True, first=("reasoning", "token"),
    ),
    Case(
        name="embed", call=lambda client: client.models.embed_content(
            model="embedding-2", contents=["one", "two"], config={"outputDimensionality": 3}),
        answers=[Body({"embeddings": [{"values": [0.1, 0.2, 0.3]}, {"values": [0.4, 0.5, 0.6]}]})],
        spans=["embeddings embedding-2"],
        attributes={"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "embedding-2",
                    "gen_ai.embeddings.dimension.count": 3},
        content={"input": [user("one"), user("two")]},
    ),
    Case(
        name="images", call=lambda client: client.models.generate_images(
            model="imagen-4", prompt="A cat", config={"number_of_images": 2}),
        answers=[Body({"predictions": [
            {"mimeType": "image/png", "bytesBase64Encoded": "iVBORw0KGgo="}, {"raiFilteredReason": "unsafe"}]})],
        spans=["image_generation imagen-4"], kinds=("vertex", "vertex_async"),
        attributes={"gen_ai.provider.name": "gcp.vertex_ai", "gen_ai.operation.name": "image_generation",
                    "gen_ai.request.model": "imagen-4", "gen_ai.request.choice.count": 2,
                    "gen_ai.response.finish_reasons": ["unsafe"]},
        content={"input": [user("A cat")], "output": [answered(None, PICTURE)]},
    ),
    Case(
        name="interaction", call=lambda client: client.interactions.create(**INTERACTION_ASK),
        answers=[Body({**INTERACTION, "steps": STEPS})], spans=["generate_content gemini-3-flash"],
        attributes=INTERACTION_ATTRIBUTES, content={**INTERACTION_ASKED, "output": INTERACTION_SAID},
    ),
    Case(
        name="interaction_stream", call=lambda client: client.interactions.create(**INTERACTION_ASK, stream=True),
        answers=[Events(INTERACTION_EVENTS)], spans=["generate_content gemini-3-flash"],
        attributes={**INTERACTION_ATTRIBUTES, "rlhf.stream.chunks": 11},
        content={**INTERACTION_ASKED, "output": INTERACTION_SAID}, stream=True, first=("reasoning", "token"),
    ),
    Case(
        name="count", call=lambda client: client.models.count_tokens(model="gemini-3-flash", contents="Hi"),
        answers=[Body({"totalTokens": 2})], spans=["count_tokens gemini-3-flash"],
        attributes={"gen_ai.operation.name": "count_tokens", "gen_ai.request.model": "gemini-3-flash",
                    "gen_ai.usage.input_tokens": 2},
        content={"input": [user("Hi")]},
    ),
]  # fmt: skip


def _gemini(url: str) -> Any:
    return genai.Client(api_key="k", http_options={"base_url": url})


def _vertex(url: str) -> Any:
    options = {"project": "p", "location": "l", "credentials": Credentials("token")}
    return genai.Client(vertexai=True, http_options={"base_url": url}, **options)


LIBRARY = Library(
    package="google.genai",
    clients={
        "sync": _gemini,
        "async": lambda url: _gemini(url).aio,
        "vertex": _vertex,
        "vertex_async": lambda url: _vertex(url).aio,
    },
    provider="gcp.gemini",
    cases=CASES,
    refusal=Body({"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}, 404),
    refused="no such model",
)
