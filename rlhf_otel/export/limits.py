"""Cuts attributes to a length limit so that JSON stays JSON, and says what was cut."""

from __future__ import annotations

import os
from typing import Any

from rlhf_otel import codec

SHORTEST = 16
"""A text is not cut shorter than that; what goes then are whole entries."""
_LIMIT_VARIABLES = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")


def effective_limit(own: int = 0) -> int | None:
    """The tighter of our own limit and OpenTelemetry's; None for no limit. In characters of JSON.

    As OpenTelemetry has it, the variable for spans stands in place of the general one.
    """
    limits = [own] if own > 0 else []
    for name in _LIMIT_VARIABLES:
        value = os.environ.get(name, "")
        if value.isdigit():
            limits.append(int(value))
            break
    return min(limits, default=None)


def shorten(value: Any, limit: int) -> Any:
    """A text of any kind in at most `limit` characters; anything else as it is."""
    if not isinstance(value, str) or len(value) <= limit:
        return value
    if isinstance(codec.parse_json(value), list | dict):
        return fit(value, limit)
    note = f"… [{len(value)} characters, cut]"
    return value[: limit - len(note)] + note if limit > 2 * len(note) else value[:limit]


def fit(encoded: str, limit: int) -> str:
    """`encoded`, a JSON list of messages or parts or any other JSON structure, in at most `limit` characters.

    First long texts are cut, each saying how long it was; where that is not enough, whole entries go from the front,
    and the first entry that is left says how many.
    """
    if len(encoded) <= limit:
        return encoded
    entries = codec.parse_json(encoded)
    longest = limit
    while longest > SHORTEST:
        longest //= 2
        shorter = codec.dumps(cut(entries, longest))
        if len(shorter) <= limit:
            return shorter
    if isinstance(entries, dict):
        note = codec.dumps({"cut": len(encoded)})
        return note if len(note) <= limit else "{}"
    return _without_front(cut(entries, longest), limit)


def _without_front(entries: list[Any], limit: int) -> str:
    encoded = [codec.dumps(entry) for entry in entries]
    left = sum(map(len, encoded)) + len(encoded) + 1  # with a comma or bracket at each
    for gone, entry in enumerate(encoded, start=1):
        left -= len(entry) + 1
        note = codec.dumps({"role": "system", "parts": [{"type": "text", "content": f"[{gone} entries cut]"}]})
        if left + len(note) + 1 <= limit:
            return f"[{','.join([note, *encoded[gone:]])}]"
    return "[]"


def cut(value: Any, longest: int) -> Any:
    """`value` with each text in it cut to `longest` characters and a note of how much is gone."""
    if isinstance(value, str) and len(value) > longest:
        return f"{value[:longest]}… [{len(value) - longest} of {len(value)} characters cut]"
    if isinstance(value, dict):
        return {key: cut(item, longest) for key, item in value.items()}
    if isinstance(value, list):
        return [cut(item, longest) for item in value]
    return value
