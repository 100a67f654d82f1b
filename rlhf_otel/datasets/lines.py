"""JSON of one line, whoever splits the file into lines, and the same bytes wherever it is made."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from rlhf_otel import codec

_LINE_ENDS: Final = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}
"""Ends of lines to some readers, and not to JSON."""


def json_line(value: Any) -> str:
    """`value` as compact JSON in valid UTF-8, without anything in it that could be taken for the end of a line."""
    try:
        text = _dumps(value)
    except ValueError:
        text = _dumps(_finite(value))
    return text if text.isascii() else codec.whole(text).translate(_LINE_ENDS)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    """`value` with null in place of numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
