"""What readers of the records rely on: numbers that are numbers, and messages that are messages.

Anybody may send anything. A value of another type is turned into the right one where that makes sense; where it does
not, it is kept under another name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.records import Interaction
from rlhf_otel.store.dialects.speech import listed, messages_of, parts_of

_TEXTS = (
    s.OPERATION_NAME, s.PROVIDER_NAME, s.REQUEST_MODEL, s.RESPONSE_MODEL, s.RESPONSE_ID, s.STREAM_END, s.ERROR_TYPE,
    s.ENDUSER_ID, s.ENDUSER_PSEUDO_ID, s.MESSAGE_ID, s.CONSENT, s.SESSION_ID, s.CONVERSATION_ID, s.VARIANT,
    s.FEATURE_FLAG_VARIANT,
)  # fmt: skip
_INTEGERS = (
    s.STREAM_CHUNKS, s.USAGE_INPUT_TOKENS, s.USAGE_OUTPUT_TOKENS, s.USAGE_CACHE_READ_INPUT_TOKENS,
    s.USAGE_CACHE_WRITE_INPUT_TOKENS, s.USAGE_REASONING_OUTPUT_TOKENS, s.HTTP_RESEND_COUNT,
)  # fmt: skip
_REALS = (
    s.STREAM_MAX_GAP, s.RESPONSE_TIME_TO_FIRST_CHUNK, s.TIME_TO_FIRST_TOKEN, s.TIME_TO_FIRST_REASONING,
    s.TIME_TO_HEADERS,
)  # fmt: skip
_FLAGS = (s.REQUEST_STREAM, s.USAGE_ESTIMATED)
_TRUE, _FALSE = ("true", "1", "yes"), ("false", "0", "no")


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, int | float | str) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and len(value) < 20 and value.strip().isdecimal():
        return int(value)
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return int(value) if whole else None


def _real(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _flag(value: Any) -> bool | None:
    said = str(value).lower()
    return True if said in _TRUE else False if said in _FALSE else None


def _reasons(value: Any) -> list[str] | None:
    return [str(item) for item in listed(value)]


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_INTEGERS, _integer),
    **dict.fromkeys(_REALS, _real),
    **dict.fromkeys(_FLAGS, _flag),
    s.RESPONSE_FINISH_REASONS: _reasons,
}
_TYPES: dict[str, type] = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_REALS, float),
    **dict.fromkeys(_FLAGS, bool),
    s.RESPONSE_FINISH_REASONS: list,
}


def typed(attributes: dict[str, Any]) -> dict[str, Any]:
    """`attributes`, in which what becomes a field of an interaction has that field's type."""
    types = _TYPES
    wrong = [key for key, value in attributes.items() if key in types and type(value) is not types[key]]
    reasons = attributes.get(s.RESPONSE_FINISH_REASONS)
    if type(reasons) is list and any(type(reason) is not str for reason in reasons):
        wrong.append(s.RESPONSE_FINISH_REASONS)
    for key in wrong:
        value = attributes.pop(key)
        right = _READERS[key](value)
        attributes[key if right is not None else s.UNREAD + key] = value if right is None else right
    return attributes


def sound(interaction: Interaction) -> Interaction:
    """`interaction` itself where its content has the form that readers rely on, else one whose content has."""
    i = interaction
    changed: dict[str, Any] = {}
    if i.input and not _are_messages(i.input):
        changed["input"] = messages_of(i.input, "user")
    if i.output and not _are_messages(i.output):
        changed["output"] = messages_of(i.output, "assistant")
    if i.system and not all(isinstance(part, dict) for part in i.system):
        changed["system"] = list(parts_of(i.system))
    if i.tools and not all(isinstance(tool, Mapping) for tool in i.tools):
        changed["tools"] = [tool if isinstance(tool, Mapping) else {"name": str(tool)} for tool in i.tools]
    return dataclasses.replace(i, **changed) if changed else i


def _are_messages(messages: Any) -> bool:
    for message in messages:
        if type(message) is not dict:
            return False
        parts = message.get("parts")
        if parts is None:
            if "content" in message or "tool_calls" in message:  # in a provider's form
                return False
        elif type(parts) is not list or any(type(part) is not dict for part in parts):
            return False
    return True
