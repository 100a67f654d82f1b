"""The contract's table for openai."""

from __future__ import annotations

from rlhf_otel.testing import Reply, ToolCall, Usage

from . import shapes
from .contract import CAT, PICTURES, PIXEL, WEATHER, Case, Place, Talk, answered, text, user


def _common(operation, model, **more):
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "server.address": "127.0.0.1",
        "http.response.header.openai-processing-ms": ["5"],
        **more,
    }


_SCHEMA = {"type": "json_schema", "json_schema": {"name": "Place", "schema": WEATHER, "strict": True}}
_USAGE = {"include_usage": True}
_COUNTS = {
    "gen_ai.usage.input_tokens": 50,
    "gen_ai.usage.output_tokens": 20,
    "gen_ai.usage.cache_read.input_tokens": 0,
    "gen_ai.usage.reasoning.output_tokens": 0,
}
_FIFTY = Usage(input=50, output=20)


def _chat(*finish, **more):
    return _common("chat", "gpt-5", **{
        "openai.api.type": "chat_completions",
        "gen_ai.response.id": "chatcmpl-a",
        "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": list(finish),
        "openai.response.service_tier": "default",
        "http.response.header.x-request-id": ["req-a"],
        **_COUNTS, **more,
    })  # fmt: skip


def _reply(**more):
    return Reply(
        **{"id": "chatcmpl-a", "model": "gpt-5-2026", "usage": _FIFTY, "headers": {"x-request-id": "req-a"}, **more}
    )


_ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "Capital of France?"}]}

CHAT = Talk(
    name="text",
    ask={
        "model": "gpt-5",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Capital"}, {"type": "text", "text": " of France?"}]},
        ],
        "temperature": 0.5, "top_p": 0.9, "max_tokens": 64, "seed": 7, "stop": ["END", "FIN"],
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "service_tier": "flex",
    },
    reply=_reply(text="Paris is it.", usage=Usage(input=50, output=20, cached=10, reasoning=5), service_tier="flex",
                 system_fingerprint="fp_1"),
    span_name="chat gpt-5",
    attributes=_chat("stop", **{
        "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9, "gen_ai.request.max_tokens": 64,
        "gen_ai.request.seed": 7, "gen_ai.request.stop_sequences": ["END", "FIN"],
        "gen_ai.request.frequency_penalty": 0.1, "gen_ai.request.presence_penalty": 0.2,
        "openai.request.service_tier": "flex", "openai.response.service_tier": "flex",
        "openai.response.system_fingerprint": "fp_1",
        "gen_ai.usage.cache_read.input_tokens": 10, "gen_ai.usage.reasoning.output_tokens": 5,
    }),
    content={
        "input": [{"role": "system", "parts": [text("Be brief.")]}, user("Capital", " of France?")],
        "output": [answered("stop", text("Paris is it."))],
    },
    chunks=6,  # the role, three words, the finish reason, the usage
)  # fmt: skip

TOOLS = Talk(
    name="tools",
    ask={
        "model": "gpt-5",
        "messages": [
            {"role": "user", "content": "Weather in both?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}]},
            {"role": "tool", "tool_call_id": "call_0", "content": "snow"},
        ],
        "tools": [{"type": "function", "function": {
            "name": "weather", "description": "Looks out.", "parameters": WEATHER, "strict": True}}],
    },
    reply=_reply(tool_calls=[
        ToolCall("weather", '{"city": "Paris"}', "call_1"), ToolCall("weather", '{"city": "Rome"}', "call_2")]),
    span_name="chat gpt-5",
    attributes=_chat("tool_calls"),
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
    chunks=9,  # the role, for each call its head and two pieces of arguments, the finish reason, the usage
)  # fmt: skip

STRUCTURED = Talk(
    name="structured",
    ask={**_ASK, "response_format": _SCHEMA},
    reply=_reply(text='{"city":"Paris"}'),
    span_name="chat gpt-5",
    attributes=_chat("stop", **{"gen_ai.output.type": "json"}),
    content={"input": [user("Capital of France?")], "output": [answered("stop", text('{"city":"Paris"}'))]},
    chunks=4,
)

IMAGES = Talk(
    name="images",
    ask={"model": "gpt-5", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": CAT}},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
    ]}]},
    reply=_reply(text="A cat."),
    span_name="chat gpt-5",
    attributes=_chat("stop"),
    content={
        "input": [{"role": "user", "parts": [
            *PICTURES,
        ]}],
        "output": [answered("stop", text("A cat."))],
    },
    chunks=5,
)  # fmt: skip

REASONING = Talk(
    name="reasoning",
    ask={**_ASK, "reasoning_effort": "low", "max_completion_tokens": 99},
    reply=_reply(reasoning="Think first.", text="Paris.", usage=Usage(input=50, output=20, reasoning=12)),
    span_name="chat gpt-5",
    attributes=_chat("stop", **{"gen_ai.request.reasoning.level": "low", "gen_ai.request.max_tokens": 99,
                                "gen_ai.usage.reasoning.output_tokens": 12}),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("stop", {"type": "reasoning", "content": "Think first."}, text("Paris."))],
    },
    chunks=6,
    first="reasoning",
)  # fmt: skip

CHOICES = Talk(
    name="n",
    ask={**_ASK, "n": 2},
    reply=_reply(text=["Paris.", "It is Paris."]),
    span_name="chat gpt-5",
    attributes=_chat("stop", "stop", **{"gen_ai.request.choice.count": 2}),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("stop", text("Paris.")), answered("stop", text("It is Paris."))],
    },
    chunks=9,  # two roles, four words, two finish reasons, the usage
)

REFUSAL = Talk(
    name="refusal",
    ask=_ASK,
    reply=_reply(refusal="I will not."),
    span_name="chat gpt-5",
    attributes=_chat("stop"),
    content={
        "input": [user("Capital of France?")],
        "output": [answered("stop", {"type": "refusal", "content": "I will not."})],
    },
    chunks=6,
)

COMPLETION = Talk(
    name="text",
    ask={"model": "gpt-3.5-turbo-instruct", "prompt": "Once", "max_tokens": 5, "stop": "."},
    reply=Reply(id="cmpl-a", text="upon a time", usage=_FIFTY, headers={"x-request-id": "req-a"}),
    span_name="text_completion gpt-3.5-turbo-instruct",
    attributes=_common("text_completion", "gpt-3.5-turbo-instruct", **{
        "gen_ai.request.max_tokens": 5, "gen_ai.request.stop_sequences": ["."],
        "gen_ai.response.id": "cmpl-a", "gen_ai.response.model": "gpt-3.5-turbo-instruct",
        "gen_ai.response.finish_reasons": ["stop"], "http.response.header.x-request-id": ["req-a"], **_COUNTS,
    }),
    content={"input": [user("Once")], "output": [answered("stop", text("upon a time"))]},
    chunks=5,
)  # fmt: skip

EMBEDDING = Talk(
    name="vectors",
    ask={"model": "embed-3", "input": ["one", "two"], "dimensions": 4},
    reply=Reply(usage=_FIFTY, headers={"x-request-id": "req-a"}),
    span_name="embeddings embed-3",
    attributes=_common("embeddings", "embed-3", **{
        "gen_ai.embeddings.dimension.count": 4, "gen_ai.response.model": "embed-3", "gen_ai.usage.input_tokens": 50,
        "gen_ai.request.encoding_formats": ["base64"], "http.response.header.x-request-id": ["req-a"],
    }),
    content={"input": [user("one"), user("two")]},
)  # fmt: skip

_NO_USAGE = dict.fromkeys(_COUNTS)
_CREATE = "chat.completions.create"
_RAW, _STREAMING = "chat.completions.with_raw_response.create", "chat.completions.with_streaming_response.create"
_PARSE = "chat.completions.parse|beta.chat.completions.parse"
_HELPER = "chat.completions.stream|beta.chat.completions.stream"
_WITH_USAGE = {"stream_options": _USAGE}


def _case(path, way, talk, **more):
    return Case(sdk="openai", path=path, way=way, talk=talk, **more)


CASES = [
    *[_case(_CREATE, shapes.plain, talk) for talk in (CHAT, TOOLS, STRUCTURED, IMAGES, REASONING, CHOICES, REFUSAL)],
    *[_case(_CREATE, shapes.stream, talk, more=_WITH_USAGE)
      for talk in (CHAT, TOOLS, STRUCTURED, IMAGES, REASONING, CHOICES, REFUSAL)],
    _case(_CREATE, shapes.stream_with, CHAT, more=_WITH_USAGE),
    _case(_CREATE, shapes.stream_with, REFUSAL, changes={**_NO_USAGE, "rlhf.stream.chunks": 5}),
    *[_case(_RAW, way, CHAT) for way in (shapes.plain, shapes.raw)],
    *[_case(_RAW, way, TOOLS, more=_WITH_USAGE) for way in (shapes.raw_stream,)],
    *[_case(_STREAMING, way, CHAT) for way in (shapes.streaming_parse, shapes.streaming_json)],
    *[_case(_STREAMING, way, TOOLS, more=_WITH_USAGE)
      for way in (shapes.streaming_stream, shapes.streaming_lines, shapes.streaming_bytes)],
    _case(_STREAMING, shapes.streaming_lines, REASONING, more=_WITH_USAGE),
    _case(_PARSE, shapes.plain, STRUCTURED, more={"response_format": Place}),
    _case(_PARSE, shapes.plain, TOOLS),
    *[_case(_HELPER, shapes.helper, talk, more=_WITH_USAGE) for talk in (CHAT, TOOLS, CHOICES, REFUSAL)],
    _case(_HELPER, shapes.helper, STRUCTURED, more={**_WITH_USAGE, "response_format": Place}),
    _case(_HELPER, shapes.helper_until_done, CHAT, more=_WITH_USAGE),
    _case("completions.create", shapes.plain, COMPLETION),
    _case("completions.create", shapes.stream, COMPLETION, more=_WITH_USAGE),
    _case("completions.with_raw_response.create", shapes.raw, COMPLETION),
    _case("completions.with_streaming_response.create", shapes.streaming_lines, COMPLETION, more=_WITH_USAGE),
    _case("embeddings.create", shapes.plain, EMBEDDING),
    _case("embeddings.create", shapes.plain, EMBEDDING, more={"encoding_format": "float"},
          changes={"gen_ai.request.encoding_formats": ["float"]}),
    _case("embeddings.with_raw_response.create", shapes.raw, EMBEDDING),
]  # fmt: skip
