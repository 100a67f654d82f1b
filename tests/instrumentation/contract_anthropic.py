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
        "gen_ai.usage.cache_read.input_tokens": 0, "gen_ai.usage.cache_write.input_tokens": 0,
        "anthropic.response.service_tier": "standard",
        "http.response.header.anthropic-organization-id": ["org-fake"], **more,
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
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 7,
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

_CITED = {"type": "web_search_result_location", "url": CAT, "title": "Cats", "cited_text": "Paris has cats.",
          "encrypted_index": "b3BhcXVl"}  # fmt: skip

DOCUMENTS = Talk(
    name="documents",
    ask={"model": "claude", "max_tokens": 64, "service_tier": "standard_only", "messages": [
        {"role": "user", "content": [
            {"type": "document", "title": "Plan", "context": "A draft.",
             "source": {"type": "text", "media_type": "text/plain", "data": "Buy milk."}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}},
            {"type": "document", "source": {"type": "url", "url": CAT}},
            {"type": "document", "source": {"type": "file", "file_id": "file-1"}},
            {"type": "document", "title": "Mixed", "source": {"type": "content", "content": [
                {"type": "text", "text": "A cat:"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]}},
            {"type": "document", "source": {"type": "content", "content": "Bare."}},
            {"type": "search_result", "source": CAT, "title": "Cats", "content": [{"type": "text", "text": "Miaow."}]},
            {"type": "container_upload", "file_id": "file-2"},
        ]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "b3BhcXVl"},
            {"type": "redacted_thinking", "data": "b3BhcXVl"},
            {"type": "tool_use", "id": "toolu_0", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_0", "is_error": False, "content": [
            {"type": "text", "text": "See:"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}}]}]},
    ]},
    reply=_reply(text="Milk."),
    span_name="chat claude",
    attributes=_message("end_turn", **{"anthropic.request.service_tier": "standard_only"}),
    content={
        "input": [
            {"role": "user", "parts": [
                {"type": "text", "content": "Buy milk.", "title": "Plan", "context": "A draft."},
                {**PICTURES[1], "modality": "document", "mime_type": "application/pdf"},
                {**PICTURES[0], "modality": "document"},
                {"type": "file", "modality": "document", "file_id": "file-1"},
                {"type": "text", "content": "A cat:", "title": "Mixed"},
                {**PICTURES[1], "title": "Mixed"},
                {"type": "text", "content": "Bare."},
                {"type": "search_result", "source": CAT, "title": "Cats",
                 "content": [{"type": "text", "text": "Miaow."}]},
                {"type": "file", "modality": "document", "file_id": "file-2"},
            ]},
            {"role": "assistant", "parts": [
                {"type": "reasoning", "content": "Hm."},
                {"type": "reasoning", "content": "", "redacted": True},
                {"type": "tool_call", "id": "toolu_0", "name": "look", "arguments": {}},
            ]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "toolu_0", "response": [
                text("See:"), PICTURES[1], {**PICTURES[1], "modality": "document", "mime_type": "application/pdf"}]}]},
        ],
        "output": [answered("stop", text("Milk."))],
    },
)  # fmt: skip

SERVER_TOOLS = Talk(
    name="server_tools",
    ask=_ASK,
    reply=_reply(finish_reason="pause_turn", usage=Usage(input=50, output=20, cache_write=9), blocks=[
        {"type": "thinking", "thinking": "Search.", "signature": "b3BhcXVl"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "server_tool_use", "id": "srv-1", "name": "web_search", "input": {"query": "Paris"}},
        {"type": "web_search_tool_result", "tool_use_id": "srv-1", "content": [
            {"type": "web_search_result", "url": CAT, "title": "Cats", "encrypted_content": "b3BhcXVl",
             "page_age": None}]},
        {"type": "web_fetch_tool_result", "tool_use_id": "srv-2", "content": {
            "type": "web_fetch_result", "url": CAT, "retrieved_at": None, "content": {
                "type": "document", "title": "Cats",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}}}},
        {"type": "mcp_tool_use", "id": "mcp-1", "name": "look", "server_name": "eyes", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "mcp-1", "is_error": False,
         "content": [{"type": "text", "text": "A cat."}]},
        {"type": "container_upload", "file_id": "file-3"},
        {"type": "text", "text": "Paris.", "citations": [_CITED]},
    ], usage_details={
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 1},
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
    }),
    span_name="chat claude",
    attributes=_message("pause_turn", **{
        "gen_ai.usage.input_tokens": 59, "gen_ai.usage.cache_write.input_tokens": 9,
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 4,
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 5,
        "anthropic.usage.server_tool_use.web_search_requests": 1,
        "anthropic.usage.server_tool_use.web_fetch_requests": 1,
    }),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("pause_turn",
            {"type": "reasoning", "content": "Search."},
            {"type": "reasoning", "content": "", "redacted": True},
            {"type": "server_tool_call", "id": "srv-1", "name": "web_search",
             "server_tool_call": {"type": "web_search", "input": {"query": "Paris"}}},
            {"type": "server_tool_call_response", "id": "srv-1", "server_tool_call_response": {
                "type": "web_search_tool_result",
                "content": [{"type": "web_search_result", "url": CAT, "title": "Cats", "page_age": None}]}},
            {"type": "server_tool_call_response", "id": "srv-2", "server_tool_call_response": {
                "type": "web_fetch_tool_result", "content": {
                    "type": "web_fetch_result", "url": CAT, "retrieved_at": None, "content": {
                        **PICTURES[1], "modality": "document", "mime_type": "application/pdf", "title": "Cats"}}}},
            {"type": "server_tool_call", "id": "mcp-1", "name": "look",
             "server_tool_call": {"type": "mcp", "input": {}, "server_name": "eyes"}},
            {"type": "server_tool_call_response", "id": "mcp-1", "server_tool_call_response": {
                "type": "mcp_tool_result", "is_error": False, "content": [{"type": "text", "text": "A cat."}]}},
            {"type": "file", "modality": "document", "file_id": "file-3"},
            {"type": "text", "content": "Paris.", "citations": [
                {key: value for key, value in _CITED.items() if key != "encrypted_index"}]},
        )],
    },
    chunks=28,  # the start; blocks of 4, 2, 4, 2, 2, 3, 2, 2 and 4; the stop reason; the end
    pings=1,
    first="reasoning",
)  # fmt: skip

COMPACTED = Talk(
    name="compacted",
    ask={**_ASK, "messages": [
        {"role": "assistant", "content": [{"type": "compaction", "content": "They spoke of Rome."}]},
        {"role": "user", "content": "Capital of France?"}]},
    reply=_reply(blocks=[
        {"type": "compaction", "content": "They spoke of France."}, {"type": "text", "text": "Paris."}],
        usage_details={"iterations": [
            {"type": "compaction", "input_tokens": 100, "output_tokens": 30, "cache_read_input_tokens": 5,
             "cache_creation_input_tokens": 2},
            {"type": "message", "input_tokens": 50, "output_tokens": 20, "cache_read_input_tokens": 0,
             "cache_creation_input_tokens": 0}]}),
    span_name="chat claude",
    attributes=_message("end_turn", **{
        "gen_ai.conversation.compacted": True, "anthropic.usage.compaction.input_tokens": 107,
        "anthropic.usage.compaction.output_tokens": 30}),
    content={
        "input": [answered(None, {"type": "compaction", "content": "They spoke of Rome."}), user("Capital of France?")],
        "output": [answered("stop", {"type": "compaction", "content": "They spoke of France."}, text("Paris."))],
    },
    chunks=9,  # the start; two blocks of three; the stop reason; the end
    pings=1,
)  # fmt: skip

COUNTED = Talk(
    name="counted",
    ask={key: value for key, value in TOOLS.ask.items() if key != "max_tokens"},
    reply=_reply(usage=Usage(input=14)),
    span_name="count_tokens claude",
    attributes={
        "gen_ai.operation.name": "count_tokens", "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude", "server.address": "127.0.0.1", "gen_ai.usage.input_tokens": 14,
        "http.response.header.request-id": ["req-a"],
        "http.response.header.anthropic-organization-id": ["org-fake"],
    },
    content={key: value for key, value in TOOLS.content.items() if key != "output"},
)  # fmt: skip


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
    _case("messages.create", shapes.plain, DOCUMENTS),
    _case("messages.count_tokens", shapes.plain, COUNTED),
    _case("messages.with_raw_response.count_tokens", shapes.raw, COUNTED),
    _case("beta.messages.count_tokens", shapes.plain, COUNTED),
    *[_case("beta.messages.create", way, talk)
      for talk in (SERVER_TOOLS, COMPACTED) for way in (shapes.plain, shapes.stream)],
    _case("beta.messages.stream", shapes.helper, SERVER_TOOLS),
    _case("beta.messages.with_streaming_response.create", shapes.streaming_lines, SERVER_TOOLS),
    _case("beta.messages.parse", shapes.plain, STRUCTURED, more={"output_format": Place}),
]  # fmt: skip
