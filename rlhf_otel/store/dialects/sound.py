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


_EXPECTED: dict[str, tuple[type, Callable[[Any], Any]]] = {
    **dict.fromkeys(_TEXTS, (str, _text)),
    **dict.fromkeys(_INTEGERS, (int, _integer)),
    **dict.fromkeys(_REALS, (float, _real)),
    **dict.fromkeys(_FLAGS, (bool, _flag)),
    s.RESPONSE_FINISH_REASONS: (list, _reasons),
}


def typed(attributes: dict[str, Any]) -> dict[str, Any]:
    """`attributes`, in which what becomes a field of an interaction has that field's type."""
    wrong = [
        key
        for key, value in attributes.items()
        if key in _EXPECTED
        and (type(value) is not _EXPECTED[key][0] or (type(value) is list and not _are_texts(value)))
    ]
    for key in wrong:
        value = attributes.pop(key)
        right = _EXPECTED[key][1](value)
        attributes[key if right is not None else s.UNREAD + key] = value if right is None else right
    return attributes


def _are_texts(values: list[Any]) -> bool:
    return all(type(value) is str for value in values)


def sound(interaction: Interaction) -> Interaction:
    """`interaction` itself where its content has the form that readers rely on, else one whose content has."""
    i = interaction
    changed: dict[str, Any] = {}
    for name, role in (("input", "user"), ("output", "assistant")):
        if not all(map(_is_message, messages := getattr(i, name) or ())):
            changed[name] = messages_of(messages, role)
    if not all(isinstance(part, dict) for part in i.system or ()):
        changed["system"] = list(parts_of(i.system))
    if not all(isinstance(tool, Mapping) for tool in i.tools or ()):
        changed["tools"] = [tool if isinstance(tool, Mapping) else {"name": str(tool)} for tool in i.tools or ()]
    return dataclasses.replace(i, **changed) if changed else i


def _is_message(message: Any) -> bool:
    if type(message) is not dict:
        return False
    parts = message.get("parts")
    if parts is None:
        return "content" not in message and "tool_calls" not in message  # else in a provider's form
    return isinstance(parts, list | tuple) and all(type(part) is dict for part in parts)
