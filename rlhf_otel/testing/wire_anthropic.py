"""The Anthropic wire format: messages, plain and streamed, and the counting of tokens."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from rlhf_otel.testing.reply import Reply, Request, ToolCall, Usage
from rlhf_otel.testing.wire import Endpoint, Event, Json, error_body, named_event

if TYPE_CHECKING:
    from collections.abc import Iterator

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_NO_CONTENT = ("signature_delta", "citations_delta")
_PING = Event(b'event: ping\ndata: {"type": "ping"}\n\n')


def message(reply: Reply, request: Request) -> Json:
    """A whole `message`."""
    return {
        **_envelope(reply, request),
        "content": _blocks(reply),
        **_stop(reply),
        "usage": _usage(reply.usage, reply),
    }


def message_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """message_start, every block from start to stop, message_delta with the stop reason, message_stop.

    As with the real API the first ping follows the start of the first block. Later ones stand before later pieces.
    """
    pings = reply.pings
    for event in _events(reply, request):
        kind = event["type"]
        is_content = kind == "content_block_delta" and event["delta"]["type"] not in _NO_CONTENT
        if is_content and pings and pings < reply.pings:
            pings -= 1
            yield _PING
        yield named_event(event, content=is_content)
        if kind == "content_block_start" and pings and pings == reply.pings:
            pings -= 1
            yield _PING


def _events(reply: Reply, request: Request) -> Iterator[Json]:
    opening_usage = {**_usage(reply.usage, reply), "output_tokens": 1, "server_tool_use": None}
    opening_usage.pop("iterations", None)
    unfinished: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": opening_usage}
    yield {"type": "message_start", "message": {**_envelope(reply, request), **unfinished}}
    for index, block in enumerate(_blocks(reply)):
        yield {"type": "content_block_start", "index": index, "content_block": _emptied(block)}
        for delta in _block_deltas(reply, block):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": _stop(reply), "usage": _closing_usage(reply)}
    yield {"type": "message_stop"}


def _blocks(reply: Reply) -> list[Json]:
    if reply.blocks:
        return [dict(block) for block in reply.blocks]
    blocks: list[Json] = []
    if reply.reasoning is not None:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": "c2lnbmF0dXJl"})
    if text := reply.refusal or reply.answer():
        blocks.append({"type": "text", "text": text})
    return blocks + [_tool_use(call) for call in reply.calls]


def _tool_use(call: ToolCall) -> Json:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": _json_object(call.arguments)}


def _json_object(arguments: str) -> dict[str, Any]:
    """Arguments as the object of a plain answer; what does not parse is kept under the key of a parse error."""
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        return {"INVALID_JSON": arguments}
    return value if isinstance(value, dict) else {"INVALID_JSON": arguments}


_EMPTY: dict[str, Json] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": "", "citations": None},
    "tool_use": {"input": {}},
    "server_tool_use": {"input": {}},
    "mcp_tool_use": {"input": {}},
    "compaction": {"content": None},
}
"""What a block of each kind that has deltas starts as."""


def _emptied(block: Json) -> Json:
    return {**block, **{key: value for key, value in _EMPTY.get(block["type"], {}).items() if key in block}}


def _block_deltas(reply: Reply, block: Json) -> Iterator[Json]:
    kind = block["type"]
    if kind == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in reply.pieces(block["text"]))
        yield from ({"type": "citations_delta", "citation": cited} for cited in block.get("citations") or ())
    elif kind == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in reply.pieces(block["thinking"]))
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind == "compaction":
        yield {"type": "compaction_delta", "content": block["content"], "encrypted_content": None}
    elif kind in _EMPTY:
        arguments = next((call.arguments for call in reply.calls if call.id == block["id"]), json.dumps(block["input"]))
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in reply.pieces(arguments))


def _envelope(reply: Reply, request: Request) -> Json:
    return {
        "id": reply.id or f"msg_{request.number}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or request.model,
    }


def _stop(reply: Reply) -> Json:
    by_content = "refusal" if reply.refusal else "tool_use" if reply.tool_calls else "end_turn"
    reason = reply.finish_reason or by_content
    stop: Json = {"stop_reason": _STOP_REASONS.get(reason, reason), "stop_sequence": None}
    if stop["stop_reason"] == "refusal":
        stop["stop_details"] = {"type": "refusal", "category": None, "explanation": reply.refusal}
    return stop


def _usage(usage: Usage | None, reply: Reply) -> Json:
    """The usage of a message; Anthropic always sends one, so a missing one counts as nothing."""
    usage = usage or Usage(input=0, output=0)
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        **_thinking_tokens(usage),
        "service_tier": reply.service_tier or "standard",
        **reply.usage_details,
    }


_ONLY_FIRST = ("service_tier", "cache_creation", "inference_geo")
"""What only `message_start` tells of the usage."""


def _closing_usage(reply: Reply) -> Json:
    """The usage of `message_delta`, whose counts are running totals and not additions."""
    usage = reply.usage or Usage(input=0, output=0)
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
        **_thinking_tokens(usage),
        **{key: value for key, value in reply.usage_details.items() if key not in _ONLY_FIRST},
    }


def _thinking_tokens(usage: Usage) -> Json:
    return {"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}


def completion(reply: Reply, request: Request) -> Json:
    """A whole `completion` of the endpoint without roles."""
    return _completion(reply, request, reply.answer(), _stop(reply)["stop_reason"])


def completion_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """A `completion` for each piece, and a last one with the stop reason."""
    for piece in reply.pieces(reply.answer()):
        yield named_event(_completion(reply, request, piece, None), content=True)
    yield named_event(completion(dataclasses.replace(reply, text="", chunks=None), request))


def _completion(reply: Reply, request: Request, text: str, stop_reason: str | None) -> Json:
    return {"type": "completion", "id": reply.id or f"compl_{request.number}", "model": reply.model or request.model,
            "completion": text, "stop_reason": stop_reason, "stop": None}  # fmt: skip


def count_tokens(reply: Reply, request: Request) -> Json:
    """The number of input tokens that the reply was scripted with."""
    return {"input_tokens": (reply.usage or Usage(input=0)).input}


def models(reply: Reply, request: Request) -> Json:
    """The list of models, which has one."""
    name = reply.model or "fake-model"
    released = "2025-01-01T00:00:00Z"
    entry = {"type": "model", "id": name, "display_name": name, "created_at": released, "lifecycle": "active"}
    return {"data": [entry], "has_more": False, "first_id": name, "last_id": name}


def session_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """One turn of a managed agent: a question, a request to its model, the answer, and waiting for the next."""
    counts = {key: value for key, value in _usage(reply.usage, reply).items() if isinstance(value, int)}
    events: list[Json] = [
        {"type": "user.message", "content": [{"type": "text", "text": "Hello."}]},
        {"type": "session.status_running"},
        {"type": "span.model_request_start"},
        *({"type": "agent.custom_tool_use", "name": call.name, "input": _json_object(call.arguments)}
          for call in reply.calls),
        {"type": "agent.message", "content": [{"type": "text", "text": reply.answer()}]},
        {"type": "span.model_request_end", "model_request_start_id": "sevt_3", "model_usage": counts},
        {"type": "session.status_idle", "stop_reason": {"type": "end_turn"}},
    ]  # fmt: skip
    for number, event in enumerate(events, start=1):
        told = {"id": f"sevt_{number}", "processed_at": "2026-01-01T00:00:00Z", **event}
        yield named_event(told, content=event["type"] == "agent.message")


def _no_session(reply: Reply, request: Request) -> Json:
    raise AssertionError("sessions are only streamed")


def error_event(reply: Reply, request: Request, events_before: int) -> Event:
    """How Anthropic tells of an error in a stream that has begun: the service is overloaded, unless scripted."""
    body = error_body("anthropic", reply, request)
    if reply.status < 400 and not isinstance(reply.error, dict):
        body["error"]["type"] = "overloaded_error"
    return named_event({"type": "error", "error": body.get("error", body)})


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/messages",
        plain=message,
        dialect="anthropic",
        stream=message_stream,
        error_event=error_event,
    ),
    Endpoint(
        method="POST",
        path="/complete",
        plain=completion,
        dialect="anthropic",
        stream=completion_stream,
        error_event=error_event,
    ),
    *(
        Endpoint(
            method="GET",
            path=f"/sessions/{{id}}/{path}/stream",
            plain=_no_session,
            dialect="anthropic",
            stream=session_stream,
            error_event=error_event,
        )
        for path in ("events", "threads/{id}")
    ),
    Endpoint(method="POST", path="/messages/count_tokens", plain=count_tokens, dialect="anthropic"),
)
