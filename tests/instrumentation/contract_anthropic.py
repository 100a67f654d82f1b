"""The contract's table for anthropic."""

from __future__ import annotations

from rlhf_otel.testing import Reply, ToolCall, Usage

from . import shapes
from .contract import CAT, PICTURES, PIXEL, WEATHER, Case, Place, Talk, answered, text, user


def _message(finish, **more):
    return {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude",
        "gen_ai.request.max_tokens": 64, "server.address": "127.0.0.1",
        "gen_ai.response.id": "msg-a", "gen_ai.response.model": "claude-2026",
        "gen_ai.response.finish_reasons": [finish], "http.response.header.request-id": ["req-a"],
        "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.cache_write.input_tokens": 0, **more,
    }  # fmt: skip


def _reply(**more):
    return Reply(**{"id": "msg-a", "model": "claude-2026", "usage": Usage(input=50, output=20),
                    "headers": {"request-id": "req-a"}, **more})  # fmt: skip


_ASK = {"model": "claude", "max_tokens": 64, "messages": [{"role": "user", "content": "Capital of France?"}]}

TEXT = Talk(
    name="text",
    ask={
        "model": "claude", "max_tokens": 64, "stop_sequences": ["END"],
        "extra_body": {"temperature": 0.5, "top_p": 0.9, "top_k": 3},  # not every version has keywords for these
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
            {"role": "user", "content": "Capital of France?"},
        ],
    },
    reply=_reply(text="Paris is it.", usage=Usage(input=50, output=20, cached=10, cache_write=7)),
    span_name="chat claude",
    attributes=_message("end_turn", **{
        "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9, "gen_ai.request.top_k": 3,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.usage.input_tokens": 67, "gen_ai.usage.cache_read.input_tokens": 10,
        "gen_ai.usage.cache_write.input_tokens": 7,
    }),
    content={
        "system": [text("Be brief.")],
        "input": [user("Hi"), answered(None, text("Hello.")), user("Capital of France?")],
        "output": [answered("stop", text("Paris is it."))],
    },
    chunks=8,  # the start, a block from start to stop with three words, the stop reason, the end
    pings=1,
)  # fmt: skip

TOOLS = Talk(
    name="tools",
    ask={
        "model": "claude", "max_tokens": 64,
        "system": "Use tools.",
        "messages": [
            {"role": "user", "content": "Weather in both?"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_0", "name": "weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_0", "content": [{"type": "text", "text": "snow"}]}]},
        ],
        "tools": [{"name": "weather", "description": "Looks out.", "input_schema": WEATHER}],
    },
    reply=_reply(text="Let me see.", tool_calls=[
        ToolCall("weather", '{"city": "Paris"}', "toolu_1"), ToolCall("weather", '{"city": "Rome"}', "toolu_2")]),
    span_name="chat claude",
    attributes=_message("tool_use"),
    content={
        "system": [text("Use tools.")],
        "input": [
            user("Weather in both?"),
            answered(None, {"type": "tool_call", "id": "toolu_0", "name": "weather", "arguments": {"city": "Oslo"}}),
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "toolu_0", "response": "snow"}]},
        ],
        "output": [answered(
            "tool_call",
            text("Let me see."),
            {"type": "tool_call", "id": "toolu_1", "name": "weather", "arguments": {"city": "Paris"}},
            {"type": "tool_call", "id": "toolu_2", "name": "weather", "arguments": {"city": "Rome"}},
        )],
        "tools": [{"type": "function", "name": "weather", "description": "Looks out.", "parameters": WEATHER}],
    },
    chunks=16,  # start; a block of three words; two blocks of two pieces; the stop reason; the end
    pings=1,
)  # fmt: skip

IMAGES = Talk(
    name="images",
    ask={"model": "claude", "max_tokens": 64, "messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "url", "url": CAT}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "text", "text": "Which?"},
    ]}]},
    reply=_reply(text="A cat."),
    span_name="chat claude",
    attributes=_message("end_turn"),
    content={
        "input": [{"role": "user", "parts": [
            *PICTURES,
            text("Which?"),
        ]}],
        "output": [answered("stop", text("A cat."))],
    },
    chunks=7,
    pings=1,
)  # fmt: skip

THINKING = Talk(
    name="thinking",
    ask={**_ASK, "extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    reply=_reply(reasoning="Think first.", text="Paris.", finish_reason="max_tokens",
                 usage=Usage(input=50, output=20, reasoning=12)),
    span_name="chat claude",
    attributes=_message("max_tokens", **{"gen_ai.usage.reasoning.output_tokens": 12}),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("length", {"type": "reasoning", "content": "Think first."}, text("Paris."))],
    },
    chunks=11,  # the start; a block of two thoughts and a signature; a block of a word; the stop reason; the end
    pings=1,
    first="reasoning",
)  # fmt: skip

REFUSAL = Talk(
    name="refusal",
    ask=_ASK,
    reply=_reply(refusal="I will not."),
    span_name="chat claude",
    attributes=_message("refusal"),
    content={"input": [user("Capital of France?")], "output": [answered("refusal", text("I will not."))]},
    chunks=8,
    pings=1,
)

STRUCTURED = Talk(
    name="structured",
    ask=_ASK,
    reply=_reply(text='{"city":"Paris"}'),
    span_name="chat claude",
    attributes=_message("end_turn", **{"gen_ai.output.type": "json"}),
    content={"input": [user("Capital of France?")], "output": [answered("stop", text('{"city":"Paris"}'))]},
    chunks=6,
    pings=1,
)


def _case(path, way, talk, **more):
    return Case(sdk="anthropic", path=path, way=way, talk=talk, **more)


ALL = (TEXT, TOOLS, IMAGES, THINKING, REFUSAL)
CASES = [
    *[_case("messages.create", way, talk) for way in (shapes.plain, shapes.stream) for talk in ALL],
    _case("messages.create", shapes.stream_with, TEXT),
    *[_case("messages.stream", shapes.helper, talk) for talk in ALL],
    *[_case("messages.stream", way, TEXT)
      for way in (shapes.helper_text, shapes.helper_final, shapes.helper_until_done)],
    _case("messages.parse", shapes.plain, STRUCTURED, more={"output_format": Place}),
    _case("messages.with_raw_response.create", shapes.raw, THINKING),
    _case("messages.with_raw_response.create", shapes.raw_stream, TOOLS),
    *[_case("messages.with_streaming_response.create", way, TOOLS)
      for way in (shapes.streaming_parse, shapes.streaming_json, shapes.streaming_stream, shapes.streaming_lines,
                  shapes.streaming_bytes)],
    *[_case("beta.messages.create", way, TOOLS) for way in (shapes.plain, shapes.stream)],
    _case("beta.messages.create", shapes.plain, TEXT, more={"betas": ["some-beta"]}),
    _case("beta.messages.with_raw_response.create", shapes.raw, TEXT),
    _case("beta.messages.with_raw_response.create", shapes.raw_stream, THINKING),
    _case("beta.messages.stream", shapes.helper, THINKING),
    _case("beta.messages.stream", shapes.helper_text, TEXT),
    _case("beta.messages.parse", shapes.plain, STRUCTURED, more={"output_format": Place}),
]  # fmt: skip
