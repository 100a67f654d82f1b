"""How many bytes an item takes on the wire, and how to make it take fewer.

Of what is not encoded yet an estimate from above, from its attributes: encoding it just to see how long it gets would
cost as much as sending it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rlhf_otel.export.items import EndedSpan, Event, Record

_ENVELOPE = 512
"""Ids, times, name, scope and its share of the resource."""
_FIELD = 16
"""What stands around an attribute."""
SMALL = 16_384
"""An item up to this size is never too large for anybody, and is not cut."""


def size_of(item: Any) -> int:
    """The bytes of `item` on the wire; 0 for what is neither a span nor a log record."""
    if (packed := getattr(item, "packed", None)) is not None:
        return int(packed.size)
    carrier = _carrier(item)
    attributes = attributes_of(carrier)
    if attributes is None:
        return 0
    events = getattr(carrier, "_events", None) or ()
    return _ENVELOPE + _all(attributes) + sum(_ENVELOPE + _all(event.attributes or {}) for event in events)


def attributes_of(carrier: Any) -> Any:
    """The attributes of the SDK's span or log record; None where it has none.

    Those of a span lie in a dictionary, before which a lock and three calls stand for each of them.
    """
    held = getattr(carrier, "_attributes", None)
    return getattr(held, "_dict", None) or getattr(carrier, "attributes", None)


def cut(item: Any, most: int) -> Any:
    """A copy of `item` that takes at most `most` bytes, with notes of what is gone.

    None for feedback, which is never cut, for what is not in bytes yet, and for what cannot be made so small.
    """
    if isinstance(item, Event) or item.packed is None:
        return None
    from rlhf_otel.export import wire

    shorter = wire.cut(item.packed, most, "traces" if isinstance(item, EndedSpan) else "logs")
    return None if shorter is None else replace(item, packed=shorter)


def _carrier(item: Any) -> Any:
    """The SDK's span or log record in `item`."""
    readable = item.readable if isinstance(item, EndedSpan | Event | Record) else item
    return getattr(readable, "log_record", readable)


def _all(attributes: Mapping[str, Any]) -> int:
    """That of `_size`, without a call for what nearly all attributes are."""
    size = 0
    for key, value in attributes.items():
        kind = type(value)
        if kind is str and value.isascii():
            size += _FIELD + len(key) + len(value)
        elif kind is int or kind is float:
            size += _FIELD + len(key) + _FIELD
        else:
            size += _FIELD + len(key) + _size(value)
    return size


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, list | tuple):  # before all else that is asked for with more effort
        return sum(_FIELD + _size(item) for item in value)
    if isinstance(value, Mapping):
        return sum(_FIELD + _size(str(key)) + _size(item) for key, item in value.items())
    if isinstance(value, Sequence):
        return len(value) if isinstance(value, bytes) else sum(_FIELD + _size(item) for item in value)
    return _FIELD
