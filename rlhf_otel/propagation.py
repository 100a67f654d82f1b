"""What `rlhf.context` holds, as W3C baggage: how one service tells the next whose request it is.

Nothing is sent by itself: the application puts `rlhf.baggage()` on the requests to services of its own, and the next
one opens `rlhf.context(baggage=...)` with what came in. A header that goes to a provider would tell it about people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

HEADER = "baggage"
LONGEST = 8192
"""Bytes of a header; what does not fit is left out, the application's own values first."""
FIELDS = ("session", "user", "message", "variant", "consent", "opt_out", "capture")
_PREFIX = "rlhf."
_VALUE = "rlhf.context."


def encoded(fields: Mapping[str, str | None], values: Mapping[str, Any]) -> str:
    """A header with the fields of a context that are given, and its plain values."""
    entries = [(_PREFIX + name, text) for name in FIELDS if (text := fields.get(name)) is not None]
    entries += [(_VALUE + name, json.dumps(value)) for name, value in values.items() if _is_plain(value)]
    header = ""
    for name, text in entries:
        entry = f"{quote(name, safe='.')}={quote(text.encode('utf-8', 'replace'), safe='')}"
        if len(header) + len(entry) + 1 <= LONGEST:
            header += f",{entry}" if header else entry
    return header


def decoded(header: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The fields and the values in a header; what is not ours, or is malformed, is passed over."""
    fields: dict[str, str] = {}
    values: dict[str, Any] = {}
    for entry in header[: 2 * LONGEST].split(","):
        name, equals, text = entry.partition(";")[0].partition("=")
        name, text = unquote(name.strip()), unquote(text.strip())
        if not equals or not name.startswith(_PREFIX):
            continue
        if name.startswith(_VALUE):
            values[name.removeprefix(_VALUE)] = _value(text)
        elif (field := name.removeprefix(_PREFIX)) in FIELDS:
            fields[field] = text
    return fields, values


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if _is_plain(value) else text
