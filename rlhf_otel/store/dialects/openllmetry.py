"""OpenLLMetry, as it wrote before it took up the conventions: each message spread over numbered attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.store.dialects.speech import Speech, messages_of

_KINDS = {"chat": "chat", "completion": "text_completion", "embedding": "embeddings", "rerank": s.RERANK}
_NAMES = {
    "llm.is_streaming": s.REQUEST_STREAM,
    "llm.frequency_penalty": s.REQUEST_FREQUENCY_PENALTY,
    "llm.presence_penalty": s.REQUEST_PRESENCE_PENALTY,
    "llm.top_k": s.REQUEST_TOP_K,
    "llm.chat.stop_sequences": s.REQUEST_STOP_SEQUENCES,
    "llm.usage.reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
    "llm.usage.cache_read_input_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "llm.response.finish_reason": s.RESPONSE_FINISH_REASONS,
    "llm.user": s.ENDUSER_ID,
    "traceloop.association.properties.session_id": s.SESSION_ID,
    "traceloop.association.properties.user_id": s.ENDUSER_ID,
}
_CHUNK = "gen_ai.content.completion.chunk"


def translate(speech: Speech) -> None:
    """Puts messages together, and takes the moment of the first chunk from its event."""
    speech.rename({name: new for name, new in _NAMES.items() if name in speech.attributes})
    kind = speech.take("llm.request.type")
    if isinstance(kind, str):
        speech.give(s.OPERATION_NAME, _KINDS.get(kind))
    if "gen_ai.prompt.0.role" in speech.attributes or "gen_ai.prompt.0.content" in speech.attributes:
        speech.give(s.INPUT_MESSAGES, _messages(speech, "gen_ai.prompt", "user"))
    if any(key.startswith("gen_ai.completion.0.") for key in speech.attributes):
        speech.give(s.OUTPUT_MESSAGES, _messages(speech, "gen_ai.completion", "assistant"))
    if functions := speech.take_numbered("llm.request.functions"):
        speech.give(s.TOOL_DEFINITIONS, [_definition(function) for function in functions])
    if chunks := speech.take_events(_CHUNK, "llm.content.completion.chunk"):
        first = min(event["time_ns"] for event in chunks)
        speech.give(s.RESPONSE_TIME_TO_FIRST_CHUNK, max(0, first - speech.start_ns) / 1e9)
        speech.give(s.STREAM_CHUNKS, len(chunks))


def _messages(speech: Speech, prefix: str, role: str) -> list[Any]:
    entries = [entry for entry in speech.take_numbered(prefix) if isinstance(entry, dict)]
    return messages_of([{**entry, "content": _content(entry.get("content"))} for entry in entries], role)


def _content(content: Any) -> Any:
    """Content with more in it than text was written as the JSON of its blocks."""
    parsed = parse_json(content) if isinstance(content, str) and content.startswith("[{") else content
    return parsed if isinstance(parsed, list) else content


def _definition(function: Any) -> Any:
    if not isinstance(function, Mapping):
        return function
    return {"type": "function", **function, "parameters": parse_json(function.get("parameters"))}
