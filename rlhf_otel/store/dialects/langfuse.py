"""Langfuse: generations and embeddings, with bodies and counts as JSON under names of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.store.dialects.speech import Speech, as_json, listed, messages_of

_TYPE = "langfuse.observation.type"
_TYPES = {"generation": "chat", "embedding": "embeddings"}
_NAMES = {
    "langfuse.observation.model.name": s.REQUEST_MODEL,
    "langfuse.session.id": s.SESSION_ID,
    "langfuse.user.id": s.ENDUSER_ID,
    "user.id": s.ENDUSER_ID,
}
_COUNTS = {
    "input": s.USAGE_INPUT_TOKENS, "prompt_tokens": s.USAGE_INPUT_TOKENS, "input_tokens": s.USAGE_INPUT_TOKENS,
    "output": s.USAGE_OUTPUT_TOKENS, "completion_tokens": s.USAGE_OUTPUT_TOKENS,
    "output_tokens": s.USAGE_OUTPUT_TOKENS, "input_cached_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "prompt_cached_tokens": s.USAGE_CACHE_READ_INPUT_TOKENS,
    "output_reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
    "completion_reasoning_tokens": s.USAGE_REASONING_OUTPUT_TOKENS,
}  # fmt: skip
_PARAMETERS = {
    "temperature": s.REQUEST_TEMPERATURE, "max_tokens": s.REQUEST_MAX_TOKENS, "top_p": s.REQUEST_TOP_P,
    "max_completion_tokens": s.REQUEST_MAX_TOKENS, "frequency_penalty": s.REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": s.REQUEST_PRESENCE_PENALTY, "seed": s.REQUEST_SEED,
}  # fmt: skip


def translate(speech: Speech) -> None:
    """Of an observation that is a call to a model."""
    kind = speech.attributes.get(_TYPE)
    if not isinstance(kind, str) or kind not in _TYPES:
        return
    speech.give(s.OPERATION_NAME, _TYPES[kind])
    speech.rename({name: new for name, new in _NAMES.items() if name in speech.attributes})
    _body(speech, "langfuse.observation.input", s.INPUT_MESSAGES, "user")
    _body(speech, "langfuse.observation.output", s.OUTPUT_MESSAGES, "assistant")
    speech.give_named(_COUNTS, as_json(speech.attributes.get("langfuse.observation.usage_details")))
    parameters = as_json(speech.attributes.get("langfuse.observation.model.parameters")) or {}
    speech.give_named(_PARAMETERS, {name: parse_json(value) for name, value in parameters.items()})
    if (first := _moment(speech.take("langfuse.observation.completion_start_time"))) is not None:
        speech.give_first_token(first)
        speech.give(s.REQUEST_STREAM, True)
    if (reason := speech.take("langfuse.observation.metadata.finish_reason")) is not None:
        speech.give(s.RESPONSE_FINISH_REASONS, listed(reason))


def _body(speech: Speech, name: str, content: str, role: str) -> None:
    """A body that has messages in it; the tools that stand beside them are tools."""
    value = speech.take(name)
    parsed = as_json(value) or {}
    if isinstance(parsed.get("tools"), list):
        speech.give(s.TOOL_DEFINITIONS, parsed["tools"])
    if value is not None:
        speech.give(content, messages_of(value, role))


def _moment(told: Any) -> int | None:
    """The time in an ISO text, in nanoseconds since the epoch."""
    text = parse_json(told)
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e9)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
