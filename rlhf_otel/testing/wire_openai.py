"""The OpenAI wire format but for the responses API: chat completions, legacy completions, embeddings, models."""

from __future__ import annotations

import base64
import struct
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rlhf_otel.testing.wire import DONE, Endpoint, Event, Json, data_event, error_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rlhf_otel.testing.reply import Reply, Request, ToolCall, Usage

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def chat(reply: Reply, request: Request) -> Json:
    """A `chat.completion`."""
    return {
        **_envelope(reply, request, "chat.completion"),
        "choices": [
            {"index": choice, "message": _message(reply, choice), "logprobs": None, "finish_reason": _finish(reply)}
            for choice in range(_choice_count(request))
        ],
        **_usage_field(reply),
    }


def stored_chat(reply: Reply, request: Request) -> Json:
    """A `chat.completion` that was kept, by its id."""
    return {**chat(reply, request), "id": request.path.rpartition("/")[2]}


def _message(reply: Reply, choice: int) -> Json:
    says_nothing = not reply.answer(choice) and (reply.tool_calls or reply.refusal)
    content = None if says_nothing else reply.answer(choice)
    message: Json = {"role": "assistant", "content": content, "refusal": reply.refusal}
    if reply.reasoning is not None:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in reply.calls]
    return {**message, "annotations": []}


def _tool_call(call: ToolCall) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def chat_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """`chat.completion.chunk` events: role, content of all choices in turn, finish reasons, usage if asked for."""
    wants_usage = bool((request.body.get("stream_options") or {}).get("include_usage")) and reply.usage is not None
    envelope = _envelope(reply, request, "chat.completion.chunk")
    if wants_usage:
        envelope["usage"] = None

    def chunk(choice: int, delta: Json, finish_reason: str | None = None, *, content: bool = False) -> Event:
        entry = {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return data_event({**envelope, "choices": [entry]}, content=content)

    choices = range(_choice_count(request))
    if reply.role_first:
        opening = None if reply.tool_calls else ""
        for choice in choices:
            yield chunk(choice, {"role": "assistant", "content": opening, "refusal": None})
    for deltas in zip_longest(*(_deltas(reply, choice) for choice in choices)):
        for choice, delta in enumerate(deltas):
            if delta is not None:
                yield chunk(choice, delta, content=True)
    for choice in choices:
        yield chunk(choice, {}, _finish(reply))
    if wants_usage:
        yield data_event({**envelope, "choices": [], **_usage_field(reply)})
    yield DONE


def _deltas(reply: Reply, choice: int) -> Iterator[Json]:
    """What one choice says, piece by piece; the first piece names the role where no chunk did so before."""
    deltas: list[Json] = [{"reasoning_content": piece} for piece in reply.pieces(reply.reasoning or "")]
    deltas += [{"content": piece} for piece in reply.pieces(reply.answer(choice))]
    deltas += [{"refusal": piece} for piece in reply.pieces(reply.refusal or "")]
    for index, call in enumerate(reply.calls):
        deltas.append({"tool_calls": [{"index": index, **_tool_call(call._replace(arguments=""))}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in reply.pieces(call.arguments)
        ]
    if deltas and not reply.role_first:
        deltas[0] = {"role": "assistant", **deltas[0]}
    yield from deltas


def completion(reply: Reply, request: Request) -> Json:
    """A legacy `text_completion`."""
    return {
        **_envelope(reply, request, "text_completion", prefix="cmpl"),
        "choices": [
            {"text": reply.answer(choice), "index": choice, "logprobs": None, "finish_reason": _finish(reply)}
            for choice in range(_choice_count(request))
        ],
        **_usage_field(reply),
    }


def completion_stream(reply: Reply, request: Request) -> Iterator[Event]:
    """Legacy completions in pieces; each has the shape of the whole, and only the last says why it ended."""
    envelope = _envelope(reply, request, "text_completion", prefix="cmpl")
    choices = range(_choice_count(request))

    def chunk(choice: int, text: str, finish_reason: str | None) -> Event:
        entry = {"text": text, "index": choice, "logprobs": None, "finish_reason": finish_reason}
        return data_event({**envelope, "choices": [entry]}, content=bool(text))

    for pieces in zip_longest(*(reply.pieces(reply.answer(choice)) for choice in choices)):
        for choice, piece in enumerate(pieces):
            if piece is not None:
                yield chunk(choice, piece, None)
    for choice in choices:
        yield chunk(choice, "", _finish(reply))
    if (request.body.get("stream_options") or {}).get("include_usage"):
        yield data_event({**envelope, "choices": [], **_usage_field(reply)})
    yield DONE


def embeddings(reply: Reply, request: Request) -> Json:
    """One vector for each input, as numbers or, where asked for, as base64 of little-endian 32-bit floats."""
    encode = _base64 if request.body.get("encoding_format") == "base64" else list
    dimensions = int(request.body.get("dimensions") or 8)
    vectors = [
        reply.embeddings[index] if index < len(reply.embeddings) else _made_up_vector(index, dimensions)
        for index in range(_input_count(request.body.get("input")))
    ]
    data = [{"object": "embedding", "index": index, "embedding": encode(v)} for index, v in enumerate(vectors)]
    answer: Json = {"object": "list", "data": data, "model": reply.model or request.model}
    if (usage := reply.usage) is not None:
        answer["usage"] = {"prompt_tokens": usage.input, "total_tokens": usage.input}
    return answer


def _input_count(asked: Any) -> int:
    """A text or a list of token numbers is one input; a list of either is as many as it holds."""
    return 1 if isinstance(asked, str) or not asked or isinstance(asked[0], int) else len(asked)


def _made_up_vector(index: int, dimensions: int) -> list[float]:
    """Numbers that 32 bits hold exactly, so that both encodings give the same."""
    return [(index + 1) / (1 << (place % 16)) for place in range(dimensions)]


def _base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def models(reply: Reply, request: Request) -> Json:
    """The list of models, which has one."""
    name = reply.model or "fake-model"
    entry = {"id": name, "object": "model", "created": int(request.time), "owned_by": "fake"}
    return {"object": "list", "data": [entry]}


def error_event(reply: Reply, request: Request, events_before: int) -> Event:
    """How OpenAI chat tells of an error in a stream that has begun."""
    return data_event(error_body("openai", reply, request))


def usage_json(usage: Usage) -> Json:
    """The usage object of chat and legacy completions."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _usage_field(reply: Reply) -> Json:
    return {} if reply.usage is None else {"usage": usage_json(reply.usage)}


def _envelope(reply: Reply, request: Request, kind: str, *, prefix: str = "chatcmpl") -> Json:
    envelope: Json = {
        "id": reply.id or f"{prefix}-{request.number}",
        "object": kind,
        "created": int(request.time),
        "model": reply.model or request.model,
        "system_fingerprint": reply.system_fingerprint,
    }
    if kind != "text_completion":
        envelope["service_tier"] = reply.service_tier or "default"
    return envelope


def _choice_count(request: Request) -> int:
    return int(request.body.get("n") or 1)


def _finish(reply: Reply) -> str:
    reason = reply.finish_reason or ("tool_calls" if reply.tool_calls else "stop")
    return _FINISH_REASONS.get(reason, reason)


ENDPOINTS = (
    Endpoint(method="POST", path="/chat/completions", plain=chat, stream=chat_stream, error_event=error_event),
    Endpoint(method="GET", path="/chat/completions/{id}", plain=stored_chat),
    Endpoint(method="POST", path="/completions", plain=completion, stream=completion_stream, error_event=error_event),
    Endpoint(method="POST", path="/embeddings", plain=embeddings),
    Endpoint(method="GET", path="/models", plain=models, scripted=False),
)
