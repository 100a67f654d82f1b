"""The wire format of OpenAI's responses API, with the events of a stream in the order of the real one."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from rlhf_otel.testing.reply import Usage
from rlhf_otel.testing.wire import Endpoint, Event, Json, dump, error_body, error_message, named_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlhf_otel.testing.reply import Reply, Request, ToolCall

_INCOMPLETE = {
    "length": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "max_output_tokens": "max_output_tokens",
    "content_filter": "content_filter",
}


def response(reply: Reply, request: Request) -> Json:
    """The finished `response`; one that was asked for in the background is only queued."""
    return _skeleton(reply, request, "queued") if request.body.get("background") else finished(reply, request)


def finished(reply: Reply, request: Request) -> Json:
    """The response as it ends: completed, incomplete or failed."""
    whole = _skeleton(reply, request, _status(reply))
    whole["output"] = [] if _status(reply) == "failed" else _output(reply, request)
    if reply.usage is not None:
        whole["usage"] = usage_json(reply.usage)
    if _status(reply) == "incomplete":
        whole["incomplete_details"] = {"reason": _INCOMPLETE[reply.finish_reason or ""]}
    if _status(reply) == "failed":
        whole["error"] = {"code": "server_error", "message": error_message(reply)}
    if _status(reply) == "completed":
        whole["completed_at"] = int(request.time)
    return whole


def _status(reply: Reply) -> str:
    if reply.finish_reason in _INCOMPLETE:
        return "incomplete"
    return "failed" if reply.finish_reason == "error" else "completed"


def _skeleton(reply: Reply, request: Request, status: str) -> Json:
    """A response without output; the settings of the request are repeated as the real API repeats them."""
    body = request.body
    return {
        "id": reply.id or f"resp_{request.number}",
        "object": "response",
        "created_at": int(request.time),
        "status": status,
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": reply.model or request.model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "service_tier": reply.service_tier or "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation", "disabled"),
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def usage_json(usage: Usage) -> Json:
    """The usage object of the responses API."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def _output(reply: Reply, request: Request) -> list[Json]:
    items: list[Json] = []
    if reply.reasoning is not None:
        summary = [{"type": "summary_text", "text": reply.reasoning}]
        items.append({"id": f"rs_{request.number}", "type": "reasoning", "summary": summary})
    if reply.refusal is not None:
        items.append(_message(request, {"type": "refusal", "refusal": reply.refusal}))
    elif reply.answer() or not reply.tool_calls:
        items.append(_message(request, _text_part(reply.answer())))
    return items + [_call(request, call, index) for index, call in enumerate(reply.calls, start=1)]


def _message(request: Request, part: Json) -> Json:
    identity = {"id": f"msg_{request.number}", "type": "message", "status": "completed"}
    return {**identity, "role": "assistant", "content": [part]}


def _text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(request: Request, call: ToolCall, index: int) -> Json:
    item = {"id": f"fc_{request.number}_{index}", "type": "function_call", "status": "completed"}
    return {**item, "call_id": call.id, "name": call.name, "arguments": call.arguments}


def response_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """created, in_progress, then every output item from added to done, then completed, incomplete or failed.

    A request for an earlier response may begin after the event `starting_after`.
    """
    seen = int(request.query.get("starting_after", -1))
    for number, event in zip(count(), _events(reply, request), strict=False):
        if number > seen:
            yield named_event({"sequence_number": number, **event}, content=_is_content(event))


def socket_events(reply: Reply, request: Request) -> Iterator[Event]:
    """The messages that a connection answers with: the events of a stream, or an error, in the lane of the request."""
    lane = {key: value for key, value in request.body.items() if key == "stream_id"}
    if reply.status >= 400:
        body = error_body("openai", reply, request)
        yield Event(dump({"type": "error", "status": reply.status, **body, **lane}))
        return
    for number, event in enumerate(_events(reply, request)):
        yield Event(dump({**event, "sequence_number": number, **lane}), _is_content(event))


def _is_content(event: Json) -> bool:
    return bool(event["type"].endswith(".delta"))


def _events(reply: Reply, request: Request) -> Iterator[Json]:
    begun = _skeleton(reply, request, "in_progress")
    whole = finished(reply, request)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(whole["output"]):
        yield from _item_events(reply, item, index)
    yield {"type": f"response.{whole['status']}", "response": whole}


def _item_events(reply: Reply, item: Json, output_index: int) -> Iterator[Json]:
    place = {"item_id": item["id"], "output_index": output_index}
    empty: dict[str, dict[str, Any]] = {
        "reasoning": {"summary": []},
        "message": {"content": [], "status": "in_progress"},
        "function_call": {"arguments": "", "status": "in_progress"},
    }
    events = {"reasoning": _reasoning_events, "message": _part_events, "function_call": _call_events}
    added = {**item, **empty[item["type"]]}
    yield {"type": "response.output_item.added", "output_index": output_index, "item": added}
    yield from events[item["type"]](reply, item, place)
    yield {"type": "response.output_item.done", "output_index": output_index, "item": item}


def _reasoning_events(reply: Reply, item: Json, place: Json) -> Iterator[Json]:
    part = item["summary"][0]
    place = {**place, "summary_index": 0}
    yield {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}}
    for piece in reply.pieces(part["text"]):
        yield {"type": "response.reasoning_summary_text.delta", **place, "delta": piece}
    yield {"type": "response.reasoning_summary_text.done", **place, "text": part["text"]}
    yield {"type": "response.reasoning_summary_part.done", **place, "part": part}


def _part_events(reply: Reply, item: Json, place: Json) -> Iterator[Json]:
    part = item["content"][0]
    name, field = ("refusal", "refusal") if part["type"] == "refusal" else ("output_text", "text")
    extra: Json = {} if name == "refusal" else {"logprobs": []}
    place = {**place, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": {**part, field: ""}}
    for piece in reply.pieces(part[field]):
        yield {"type": f"response.{name}.delta", **place, "delta": piece, **extra}
    yield {"type": f"response.{name}.done", **place, field: part[field], **extra}
    yield {"type": "response.content_part.done", **place, "part": part}


def _call_events(reply: Reply, item: Json, place: Json) -> Iterator[Json]:
    for piece in reply.pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield {"type": "response.function_call_arguments.done", **place, "arguments": item["arguments"]}


def error_event(reply: Reply, request: Request, events_before: int) -> Event:
    """How the responses API tells of an error in a stream that has begun."""
    failure = {"type": "error", "code": "server_error", "message": error_message(reply), "param": None}
    return named_event({**failure, "sequence_number": events_before})


def cancelled(reply: Reply, request: Request) -> Json:
    """A response that was stopped before it said anything."""
    return _skeleton(reply, request, "cancelled")


def compacted(reply: Reply, request: Request) -> Json:
    """A conversation of which only what the user said and something encrypted is left."""
    said = {"id": f"msg_{request.number}", "type": "message", "status": "completed", "role": "user"}
    kept = {**said, "content": [{"type": "input_text", "text": request.prompt}]}
    output = [kept, {"id": f"cmp_{reply.id or request.number}", "type": "compaction", "encrypted_content": "gAAAAAB"}]
    made = {
        "id": reply.id or f"resp_{request.number}",
        "object": "response.compaction",
        "created_at": int(request.time),
    }
    return {**made, "output": output, "usage": usage_json(reply.usage or Usage())}


def input_tokens(reply: Reply, request: Request) -> Json:
    """How many tokens a request would have."""
    return {"object": "response.input_tokens", "input_tokens": (reply.usage or Usage()).input}


ENDPOINTS = (
    Endpoint(method="POST", path="/responses/compact", plain=compacted),
    Endpoint(method="POST", path="/responses/input_tokens", plain=input_tokens),
    Endpoint(method="POST", path="/responses/{id}/cancel", plain=cancelled, scripted=False),
    Endpoint(method="POST", path="/responses", plain=response, stream=response_stream, error_event=error_event),
    Endpoint(
        method="GET",
        path="/responses/{id}",
        plain=finished,
        stream=response_stream,
        error_event=error_event,
        scripted=False,
    ),
)
