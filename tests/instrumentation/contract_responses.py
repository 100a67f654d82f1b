"""The contract's table for openai's responses."""

from __future__ import annotations

from rlhf_otel.testing import Reply, ToolCall, Usage

from . import shapes
from .contract import CAT, PICTURES, PIXEL, WEATHER, Case, Place, Talk, answered, text, user


def _span(finish, **more):
    return {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
        "openai.api.type": "responses", "server.address": "127.0.0.1",
        "gen_ai.response.id": "resp-a", "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": [finish], "openai.response.service_tier": "default",
        "http.response.header.x-request-id": ["req-a"], "http.response.header.openai-processing-ms": ["5"],
        "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.reasoning.output_tokens": 0, **more,
    }  # fmt: skip


def _reply(**more):
    return Reply(**{"id": "resp-a", "model": "gpt-5-2026", "usage": Usage(input=50, output=20),
                    "headers": {"x-request-id": "req-a"}, **more})  # fmt: skip


TEXT = Talk(
    name="text",
    ask={
        "model": "gpt-5", "input": "Capital of France?", "instructions": "Be brief.",
        "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 64, "previous_response_id": "resp-0",
        "extra_body": {"service_tier": "flex"},  # not every version has a keyword for it
    },
    reply=_reply(text="Paris is it.", usage=Usage(input=50, output=20, cached=10), service_tier="flex"),
    span_name="chat gpt-5",
    attributes=_span("stop", **{
        "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9, "gen_ai.request.max_tokens": 64,
        "gen_ai.request.previous_response.id": "resp-0", "openai.request.service_tier": "flex",
        "openai.response.service_tier": "flex", "gen_ai.usage.cache_read.input_tokens": 10,
    }),
    content={
        "system": [text("Be brief.")],
        "input": [user("Capital of France?")],
        "output": [answered("stop", text("Paris is it."))],
    },
    chunks=11,  # created, in progress; item and part added; three words; text, part and item done; completed
)  # fmt: skip

TOOLS = Talk(
    name="tools",
    ask={
        "model": "gpt-5",
        "input": [
            {"role": "user", "content": "Weather in both?"},
            {"type": "function_call", "call_id": "call_0", "name": "weather", "arguments": '{"city":"Oslo"}'},
            {"type": "function_call_output", "call_id": "call_0", "output": "snow"},
        ],
        "tools": [{"type": "function", "name": "weather", "description": "Looks out.", "parameters": WEATHER,
                   "strict": True}],
    },
    reply=_reply(tool_calls=[
        ToolCall("weather", '{"city": "Paris"}', "call_1"), ToolCall("weather", '{"city": "Rome"}', "call_2")]),
    span_name="chat gpt-5",
    attributes=_span("tool_calls"),
    content={
        "input": [
            user("Weather in both?"),
            answered(None, {"type": "tool_call", "id": "call_0", "name": "weather", "arguments": {"city": "Oslo"}}),
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0", "response": "snow"}]},
        ],
        "output": [answered(
            "tool_call",
            {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}},
            {"type": "tool_call", "id": "call_2", "name": "weather", "arguments": {"city": "Rome"}},
        )],
        "tools": [{"type": "function", "name": "weather", "description": "Looks out.", "parameters": WEATHER}],
    },
    chunks=13,  # created, in progress; for each call added, two pieces, arguments done, item done; completed
)  # fmt: skip

REASONING = Talk(
    name="reasoning",
    ask={"model": "gpt-5", "input": [{"role": "user", "content": [
        {"type": "input_text", "text": "Which?"},
        {"type": "input_image", "image_url": CAT, "detail": "auto"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"},
    ]}], "reasoning": {"effort": "low", "summary": "auto"}},
    reply=_reply(reasoning="Think first.", text="Paris.", usage=Usage(input=50, output=20, reasoning=12)),
    span_name="chat gpt-5",
    attributes=_span("stop", **{"gen_ai.request.reasoning.level": "low", "gen_ai.usage.reasoning.output_tokens": 12}),
    content={
        "input": [{"role": "user", "parts": [
            text("Which?"),
            *PICTURES,
        ]}],
        "output": [answered("stop", {"type": "reasoning", "content": "Think first."}, text("Paris."))],
    },
    chunks=16,  # created, in progress; a summary of two words in seven events; a message of a word in six; completed
    first="reasoning",
)  # fmt: skip

REFUSAL = Talk(
    name="refusal",
    ask={"model": "gpt-5", "input": "Capital of France?"},
    reply=_reply(refusal="I will not."),
    span_name="chat gpt-5",
    attributes=_span("stop"),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("stop", {"type": "refusal", "content": "I will not."})],
    },
    chunks=11,
)

CUT = Talk(
    name="incomplete",
    ask={"model": "gpt-5", "input": "Capital of France?"},
    reply=_reply(text="Paris is", finish_reason="length"),
    span_name="chat gpt-5",
    attributes=_span("max_output_tokens"),
    content={"input": [user("Capital of France?")], "output": [answered("length", text("Paris is"))]},
    chunks=10,
)

STRUCTURED = Talk(
    name="structured",
    ask={"model": "gpt-5", "input": "Capital of France?", "text": {"format": {
        "type": "json_schema", "name": "Place", "schema": WEATHER, "strict": True}}},
    reply=_reply(text='{"city":"Paris"}'),
    span_name="chat gpt-5",
    attributes=_span("stop", **{"gen_ai.output.type": "json"}),
    content={"input": [user("Capital of France?")], "output": [answered("stop", text('{"city":"Paris"}'))]},
    chunks=9,
)  # fmt: skip


def _case(path, way, talk, **more):
    return Case(sdk="openai", path=path, way=way, talk=talk, **more)


ALL = (TEXT, TOOLS, REASONING, REFUSAL, CUT, STRUCTURED)
_PARSED = {"less": ("text",), "more": {"text_format": Place}}
_STREAMING = "responses.with_streaming_response.create"
CASES = [
    *[_case("responses.create", way, talk) for way in (shapes.plain, shapes.stream) for talk in ALL],
    *[_case("responses.stream", shapes.helper, talk) for talk in (TEXT, TOOLS, REASONING, REFUSAL)],
    _case("responses.stream", shapes.helper, STRUCTURED, **_PARSED),
    _case("responses.parse", shapes.plain, STRUCTURED, **_PARSED),
    _case("responses.with_raw_response.create", shapes.raw, TEXT),
    _case("responses.with_raw_response.create", shapes.raw_stream, TOOLS),
    *[_case(_STREAMING, way, REASONING)
      for way in (shapes.streaming_parse, shapes.streaming_json, shapes.streaming_stream, shapes.streaming_lines,
                  shapes.streaming_bytes)],
]  # fmt: skip
