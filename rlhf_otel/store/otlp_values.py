"""The values of OTLP as plain Python values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

STATUSES = ("unset", "ok", "error")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


class RefusedError(ValueError):
    """What arrived cannot be kept; the message says why."""


def attributes_of(pairs: Iterable[Any]) -> dict[str, Any]:
    """Key-value pairs as a dictionary; of a key that is there twice the last counts."""
    found: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        kind = value.WhichOneof("value")
        # Most are text, and a function costs as much as the rest.
        found[pair.key] = value.string_value if kind == "string_value" else _value(value, kind)
    return found


def value_of(value: Any) -> Any:
    """An `AnyValue` as str, bool, int, float, bytes, list or dict; None where it is empty."""
    return _value(value, value.WhichOneof("value"))


def _value(value: Any, kind: str | None) -> Any:
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def identifier(raw: bytes, size: int, name: str) -> str:
    """An id of `size` bytes in lower-case hex.

    Raises:
        RefusedError: it has another length, or nothing but zeros in it.
    """
    if len(raw) != size:
        raise RefusedError(f"a {name} of {len(raw)} bytes, not {size}")
    if not any(raw):
        raise RefusedError(f"a {name} of zeros")
    return raw.hex()


def maybe_identifier(raw: bytes, size: int) -> str:
    """The same, and "" for what is no id: for places where there need not be one."""
    return raw.hex() if len(raw) == size and any(raw) else ""


def word(words: tuple[str, ...], number: int) -> str:
    """The word for an enum's `number`; that for 0 where a newer protocol has more of them."""
    return words[number] if 0 <= number < len(words) else words[0]


def events_of(span: Any) -> tuple[dict[str, Any], ...]:
    """The events of a span, as plain values."""
    return tuple(
        {"name": event.name, "time_ns": event.time_unix_nano, "attributes": attributes_of(event.attributes)}
        for event in span.events
    )


def links_of(span: Any) -> tuple[dict[str, Any], ...]:
    """What a span points at besides its parent, as plain values."""
    return tuple(
        {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex(), "attributes": attributes_of(link.attributes)}
        for link in span.links
    )
