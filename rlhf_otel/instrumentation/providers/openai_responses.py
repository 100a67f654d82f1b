"""`/responses` of openai: items in, items out, and a stream of typed events.

The last event of a stream carries the whole response; what a stream left early has of it is joined from its deltas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts
from rlhf_otel.instrumentation.bodies import member, plain
from rlhf_otel.instrumentation.providers import takers
from rlhf_otel.instrumentation.providers.openai_background import waiting

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.providers.takers import Taker
    from rlhf_otel.records import Message, Part

_PARAMETERS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "previous_response_id": semconv.REQUEST_PREVIOUS_RESPONSE_ID,
}
_TEXT_DELTAS = ("response.output_text.delta", "response.refusal.delta")
_TOOL_DELTAS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_REASONING_DELTAS = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta")
_OUTPUTS = ("function_call_output", "custom_tool_call_output", "computer_call_output")
_LAST = ("response.completed", "response.incomplete", "response.failed")
_BEGUN = ("queued", "in_progress")


class Responses:
    """The readers of `/responses`."""

    operation = "chat"
    marks_end = True

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the instructions, the input items and the tools."""
        read_request(call, body)
        waiting.keep(call)

    def response(self, call: Call, result: Any) -> None:
        """Reads the output items as one message, and the usage."""
        _read_head(call, result)
        read_usage(call, member(result, "usage"))
        output = [plain(item) for item in result.output or ()]
        reason = _finish_reason(result, output)
        call.finish_reasons = [reason] if reason else []
        call.output = read_output(output, reason)
        if result.status in _BEGUN:
            waiting.add(call)
        if (error := member(result, "error")) is not None:
            call.failure = (str(error.code), str(error.message))

    def new_state(self) -> _Gathered:
        """The deltas so far."""
        return _Gathered()

    def chunk(self, call: Call, state: _Gathered, chunk: Any) -> None:
        """Reads one event."""
        kind = chunk.type
        if kind in _TEXT_DELTAS:
            state.add(chunk, "text")
            call.token()
        elif kind in _TOOL_DELTAS:
            state.add(chunk, "tool")
            call.token()
        elif kind in _REASONING_DELTAS:
            state.add(chunk, "reasoning")
            call.reasoning()
        elif kind == "response.output_item.added":
            state.items[chunk.output_index] = plain(chunk.item)
        elif kind in _LAST:
            state.response = member(chunk, "response")
            call.complete = True
        elif kind == "response.created":
            _read_head(call, member(chunk, "response"))
            call.identified()
        elif kind == "error":
            error = member(chunk, "error") or chunk
            call.failure = (str(error.code or "error"), str(error.message))

    def taker(self, call: Call, state: _Gathered) -> Taker | None:
        """Takes a further delta of the kind and the item that was read last."""
        return state.take

    def end(self, call: Call, state: _Gathered) -> None:
        """Reads the whole response where the stream got that far, and the deltas otherwise."""
        if state.response is not None:
            self.response(call, state.response)
        else:
            call.output = [parts.message("assistant", state.parts())]
            waiting.add(call)  # a stream that was left may be taken up again


class _Gathered:
    """The deltas of a streamed response, by the index of the item they belong to."""

    __slots__ = ("deltas", "items", "response", "take")

    def __init__(self) -> None:
        self.deltas: dict[tuple[int, str], list[str]] = {}
        self.items: dict[int, Any] = {}
        self.response: Any = None
        self.take: Taker | None = None

    def add(self, chunk: Any, kind: str) -> None:
        """Keeps one delta."""
        pieces = self.deltas.setdefault((chunk.output_index, kind), [])
        parts.gather(pieces, chunk.delta)
        self.take = takers.of_item(chunk.type, chunk.output_index, pieces)

    def parts(self) -> list[Part]:
        """What there is of the answer."""
        made: list[Part] = []
        for (index, kind), deltas in sorted(self.deltas.items()):
            joined = "".join(deltas)
            if kind == "tool":
                item = self.items.get(index) or {}
                made.append(parts.tool_call(item.get("call_id"), item.get("name"), joined))
            else:
                made.append(parts.text(joined) if kind == "text" else parts.reasoning(joined))
        return made


def read_request(call: Call, body: Mapping[str, Any]) -> None:
    """Reads what all requests of this API share."""
    call.attributes[semconv.OPENAI_API_TYPE] = "responses"
    for name, key in _PARAMETERS.items():
        if (value := body.get(name)) is not None:
            call.attributes[key] = value
    _read_options(call, body)
    call.input = read_input(body.get("input"))
    if instructions := body.get("instructions"):
        call.system = [parts.text(instructions)]
    call.tools = [_tool(tool) for tool in body.get("tools") or () if isinstance(tool, Mapping)]


def read_input(given: Any) -> list[Message]:
    """The input items as messages; a text is what the user says."""
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given or ()
    return [_message(item) for item in items if isinstance(item, Mapping)]


def read_output(items: list[Any], reason: str | None = None) -> list[Message]:
    """The output items, as plain values, as one message; none where there is nothing yet."""
    said = [part for item in items for part in _parts(item)]
    return [parts.message("assistant", said, reason)] if said or reason else []


def _read_options(call: Call, body: Mapping[str, Any]) -> None:
    """Reads the parameters that sit inside objects."""
    reasoning = body.get("reasoning")
    if isinstance(reasoning, Mapping) and reasoning.get("effort"):
        call.attributes[semconv.REQUEST_REASONING_LEVEL] = reasoning["effort"]
    text = body.get("text")
    if isinstance(text, Mapping) and isinstance(form := text.get("format"), Mapping):
        call.attributes[semconv.OUTPUT_TYPE] = "text" if form.get("type") == "text" else "json"
    if (tier := body.get("service_tier")) not in (None, "auto"):
        call.attributes[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    conversation = body.get("conversation")
    if conversation := conversation.get("id") if isinstance(conversation, Mapping) else conversation:
        call.attributes[semconv.CONVERSATION_ID] = conversation


def _read_head(call: Call, result: Any) -> None:
    call.response_id, call.response_model = result.id, result.model
    if tier := getattr(result, "service_tier", None):
        call.attributes[semconv.OPENAI_RESPONSE_SERVICE_TIER] = tier


def read_usage(call: Call, usage: Any) -> None:
    """Reads token counts; cached and reasoning tokens are parts of the totals."""
    if usage is None:
        return
    call.input_tokens, call.output_tokens = usage.input_tokens, usage.output_tokens
    if (details := member(usage, "input_tokens_details")) is not None:
        call.cached_tokens = details.cached_tokens
    if (details := member(usage, "output_tokens_details")) is not None:
        call.reasoning_tokens = details.reasoning_tokens


def _finish_reason(result: Any, output: list[Any]) -> str | None:
    """The API has a status instead of a reason; these are the words that other endpoints use for the same."""
    if result.status == "incomplete":
        return getattr(member(result, "incomplete_details"), "reason", None) or "length"
    if result.status in ("failed", "cancelled"):
        return "error"
    if result.status != "completed":
        return None
    return "tool_calls" if any(item.get("type") in ("function_call", "custom_tool_call") for item in output) else "stop"


def _message(item: Mapping[str, Any]) -> Message:
    """An input item as a message."""
    role = item.get("role")
    if role is None:
        kind = str(item.get("type", ""))
        role = "tool" if kind.endswith("_output") else "assistant"
    return parts.message(role, _parts(item))


def _parts(item: Mapping[str, Any]) -> list[Part]:
    """The parts of an input or output item."""
    kind = item.get("type", "message")
    if kind == "message":
        content = item.get("content")
        return [parts.text(content)] if isinstance(content, str) else [_part(p) for p in content or ()]
    if kind in ("function_call", "custom_tool_call"):
        return [parts.tool_call(item.get("call_id"), item.get("name"), item.get("arguments", item.get("input")))]
    if kind in _OUTPUTS:
        return [parts.tool_response(item.get("call_id"), _tool_output(item.get("output")))]
    if kind == "reasoning":
        pieces = [*(item.get("content") or ()), *(item.get("summary") or ())]
        return [parts.reasoning(piece.get("text")) for piece in pieces if piece.get("text")]
    if kind == "compaction":
        return [{"type": "compaction", "id": item.get("id")}]  # its content is encrypted
    made = dict(item)
    if kind == "image_generation_call" and made.get("result"):
        made["result"] = parts.media("image", made["result"], f"image/{made.get('output_format') or 'png'}")
    return [{"type": "server_tool_call", "id": item.get("id"), "name": kind, "server_tool_call": made}]


def _tool_output(output: Any) -> Any:
    """A tool's answer: text as it is, the items of a list and a screenshot as parts."""
    if isinstance(output, Mapping):
        return _part(output)
    return [_part(p) for p in output if isinstance(p, Mapping)] if isinstance(output, list) else output


def _part(p: Mapping[str, Any]) -> Part:
    kind = p.get("type")
    if kind in ("input_text", "output_text", "text"):
        return parts.text(p.get("text"))
    if kind in ("input_image", "computer_screenshot"):
        return parts.file("image", p["file_id"]) if p.get("file_id") else parts.media("image", p.get("image_url"))
    if kind == "input_file":
        if p.get("file_id"):
            return parts.file("document", p["file_id"])
        return parts.media("document", p.get("file_url") or p.get("file_data"), "application/octet-stream")
    if kind == "refusal":
        return {"type": "refusal", "content": p.get("refusal")}
    return dict(p)


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") == "function":
        return parts.function_tool(tool.get("name"), tool.get("description"), tool.get("parameters"))
    return {"type": tool.get("type"), "name": tool.get("name") or tool.get("type")}
