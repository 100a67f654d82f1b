"""The messages of Bedrock's Converse API, which Amazon's own Nova models speak in `invoke_model` too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import semconv
from rlhf_otel.instrumentation import parts

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Message, Part

_PARAMETERS = {
    "maxTokens": semconv.REQUEST_MAX_TOKENS,
    "max_new_tokens": semconv.REQUEST_MAX_TOKENS,
    "temperature": semconv.REQUEST_TEMPERATURE,
    "topP": semconv.REQUEST_TOP_P,
    "top_p": semconv.REQUEST_TOP_P,
    "topK": semconv.REQUEST_TOP_K,
    "top_k": semconv.REQUEST_TOP_K,
}
_DOCUMENTS = {
    "pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html",
}  # fmt: skip
"""Format of a document -> its media type; of office formats the short name has to do."""


class Conversation:
    """Reads requests, answers and events of the Converse API, as plain JSON values."""

    operation = "chat"

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the parameters, the system prompt, the messages and the tools."""
        config = body.get("inferenceConfig") or {}
        more = body.get("additionalModelRequestFields")
        for given in (more if isinstance(more, Mapping) else {}, config):
            for name, key in _PARAMETERS.items():
                if (value := given.get(name)) is not None:
                    call.attributes[key] = value
        if stop := config.get("stopSequences"):
            call.attributes[semconv.REQUEST_STOP_SEQUENCES] = list(stop)
        call.input = [_message(m) for m in body.get("messages") or ()]
        call.system = _parts(body.get("system"))
        tools = (body.get("toolConfig") or {}).get("tools") or ()
        call.tools = [_tool(spec) for tool in tools if (spec := tool.get("toolSpec"))]

    def response(self, call: Call, result: Mapping[str, Any]) -> None:
        """Reads the answer and the usage."""
        read_usage(call, result.get("usage"))
        reason = result.get("stopReason")
        call.finish_reasons = [reason] if reason else []
        if (message := (result.get("output") or {}).get("message")) is not None:
            call.output = [parts.message("assistant", _parts(message.get("content")), reason)]

    def new_state(self) -> Streamed:
        """The blocks so far."""
        return Streamed()

    def event(self, call: Call, state: Streamed, kind: str | None, value: Mapping[str, Any]) -> None:
        """Reads one event of a stream by the name of its kind."""
        if kind == "contentBlockDelta":
            state.add(call, value.get("contentBlockIndex", 0), value.get("delta") or {})
        elif kind == "contentBlockStart":
            state.blocks[value.get("contentBlockIndex", 0)] = (value.get("start") or {}, [])
        elif kind == "messageStop":
            state.reason = value.get("stopReason")
            call.complete = True
        elif kind == "metadata":
            read_usage(call, value.get("usage"))

    def chunk(self, call: Call, state: Streamed, chunk: Any) -> None:
        """Reads an event that names its own kind, as Nova's do in `invoke_model`."""
        for kind, value in chunk.items():
            if isinstance(value, Mapping):
                self.event(call, state, kind, value)

    def end(self, call: Call, state: Streamed) -> None:
        """Joins the deltas of each block."""
        call.finish_reasons = [state.reason] if state.reason else []
        call.output = [parts.message("assistant", state.parts(), state.reason)]


class Streamed:
    """The blocks of a streamed message: what each began as, and the pieces of it by their kind."""

    __slots__ = ("blocks", "reason")

    def __init__(self) -> None:
        self.blocks: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self.reason: str | None = None

    def add(self, call: Call, index: int, delta: Mapping[str, Any]) -> None:
        """Keeps one delta; signatures and citations are not part of the text."""
        thought = (delta.get("reasoningContent") or {}).get("text")
        piece = delta.get("text") or (delta.get("toolUse") or {}).get("input") or thought
        if not piece:
            return
        if index not in self.blocks:
            self.blocks[index] = ({"reasoningContent": {}} if thought else {"text": ""}, [])
        parts.gather(self.blocks[index][1], piece)
        if thought:
            call.reasoning()
        else:
            call.token()

    def parts(self) -> list[Part]:
        """The blocks as parts."""
        made = []
        for _, (start, pieces) in sorted(self.blocks.items()):
            text = "".join(pieces)
            if (tool := start.get("toolUse")) is not None:
                made.append(parts.tool_call(tool.get("toolUseId"), tool.get("name"), text))
            elif "reasoningContent" in start:
                made.append(parts.reasoning(text))
            elif text:
                made.append(parts.text(text))
        return made


def read_usage(call: Call, usage: Mapping[str, Any] | None) -> None:
    """Reads the counts; tokens from and into the cache are counted beside the others, and belong to the input."""
    if not usage:
        return
    call.output_tokens = usage.get("outputTokens")
    call.cached_tokens = usage.get("cacheReadInputTokens", usage.get("cacheReadInputTokenCount"))
    call.cache_write_tokens = usage.get("cacheWriteInputTokens", usage.get("cacheWriteInputTokenCount"))
    if (uncached := usage.get("inputTokens")) is not None:
        call.input_tokens = uncached + (call.cached_tokens or 0) + (call.cache_write_tokens or 0)


def _message(m: Mapping[str, Any]) -> Message:
    made = _parts(m.get("content"))
    is_tool = bool(made) and all(part["type"] == "tool_call_response" for part in made)
    return parts.message("tool" if is_tool else str(m.get("role", "")), made)


def _parts(blocks: Any) -> list[Part]:
    made = (_part(block) for block in blocks or () if isinstance(block, Mapping))
    return [part for part in made if part is not None]


def _part(block: Mapping[str, Any]) -> Part | None:
    kind, value = next(iter(block.items()), ("", None))
    if kind == "text":
        return parts.text(value)
    if kind == "cachePoint" or not isinstance(value, Mapping):
        return None  # where a cache begins is no content
    if kind == "toolUse":
        return parts.tool_call(value.get("toolUseId"), value.get("name"), value.get("input"))
    if kind == "toolResult":
        return parts.tool_response(value.get("toolUseId"), [_result(one) for one in value.get("content") or ()])
    if kind == "reasoningContent":
        return parts.reasoning((value.get("reasoningText") or {}).get("text", ""))
    if kind in ("image", "video", "audio", "document"):
        return _media(kind, value)
    if kind == "guardContent":
        return _part(value.get("text") or {}) if "text" in value else _part(value)
    if kind == "citationsContent":
        return parts.text("".join(str(one.get("text", "")) for one in value.get("content") or ()))
    return {"type": kind, "content": value}


def _result(block: Mapping[str, Any]) -> Any:
    return block["json"] if "json" in block else _part(block)


def _media(kind: str, held: Mapping[str, Any]) -> Part:
    source, form = held.get("source") or {}, held.get("format")
    if "text" in source:
        return parts.text(source["text"])
    if isinstance(source.get("content"), list):
        return parts.text("".join(str(one.get("text", "")) for one in source["content"]))
    mime_type = _DOCUMENTS.get(str(form), f"application/{form}") if kind == "document" else f"{kind}/{form}"
    return parts.media(kind, (source.get("s3Location") or {}).get("uri") or source.get("bytes"), mime_type)


def _tool(spec: Mapping[str, Any]) -> dict[str, Any]:
    schema = spec.get("inputSchema") or {}
    return parts.function_tool(spec.get("name"), spec.get("description"), schema.get("json"))
