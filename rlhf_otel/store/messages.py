"""Content, kept once: each message and everything else that repeats is found by the hash of its exact bytes.

What an interaction holds is a packed list of references. A message is two of them: its parts (`message`, shared by the
answer of one call and the history of the next) and its envelope (`shape`: role, name, finish reason).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.store.encoding import decode, deflate, encode, inflate
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

FIELDS: Final = ("system", "input", "output", "tools", "finish_reasons")
"""The fields of an interaction that are content, in the order in which they are packed."""

# How one field was given: absent, a list or a tuple of messages, or a value that is kept as one shape.
_NONE, _LIST, _TUPLE, _WHOLE = range(4)
_MESSAGE_FIELDS = ("input", "output")


class Writer:
    """Stores content within one transaction and remembers what it has stored in it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, bytes], int] = {}

    def pack(self, content: Mapping[str, Any]) -> bytes:
        """The packed references to the content of one interaction; `content` has the keys of `FIELDS`."""
        packed = bytearray()
        for field in FIELDS:
            _put_all(packed, self._references(field, content[field]))
        return bytes(packed)

    def shape(self, value: Any) -> int:
        """The id of `value` in `shape`."""
        return self._id("shape", value)

    def _references(self, field: str, value: Any) -> list[int]:
        if value is None:
            return [_NONE]
        if field not in _MESSAGE_FIELDS or type(value) not in (list, tuple):
            return [_WHOLE, self.shape(value)]
        references = [_TUPLE if type(value) is tuple else _LIST, len(value)]
        for message in value:
            references += self._message(message)
        return references

    def _message(self, message: Any) -> tuple[int, int]:
        """Envelope and parts; parts 0 where there are none, and the whole value is in the envelope."""
        if not isinstance(message, Mapping) or "parts" not in message:
            return self.shape(message), 0
        envelope = {**message, "parts": None}  # keeps the place of the key, so that the order comes back as well
        return self.shape(envelope), self._id("message", message["parts"])

    def _id(self, table: str, value: Any) -> int:
        raw = encode(value)
        digest = blake2b(raw, digest_size=16).digest()
        known = self._known.get((table, digest))
        if known is None:
            known = self._known[table, digest] = self._find_or_add(table, digest, raw)
        return known

    def _find_or_add(self, table: str, digest: bytes, raw: bytes) -> int:
        found = self._connection.execute(query(f"{table}_find"), (digest,)).fetchone()
        if found is not None:
            return int(found[0])
        return int(self._connection.execute(query(f"{table}_add"), (digest, deflate(raw))).lastrowid or 0)


class Reader:
    """Reads content within one transaction, each body once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._bodies: dict[tuple[str, int], bytes] = {}

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """The content that `Writer.pack` packed, by the names of `FIELDS`."""
        numbers = _numbers(packed)
        return {field: self._value(numbers) for field in FIELDS}

    def shape(self, reference: int) -> Any:
        """The value that is `reference` in `shape`, made anew for each caller."""
        return decode(self._raw("shape", reference))

    def _value(self, numbers: Iterator[int]) -> Any:
        form = next(numbers)
        if form == _NONE:
            return None
        if form == _WHOLE:
            return self.shape(next(numbers))
        messages = [self._message(next(numbers), next(numbers)) for _ in range(next(numbers))]
        return tuple(messages) if form == _TUPLE else messages

    def _message(self, envelope: int, parts: int) -> Any:
        message = self.shape(envelope)
        if parts:
            message["parts"] = decode(self._raw("message", parts))
        return message

    def _raw(self, table: str, reference: int) -> bytes:
        raw = self._bodies.get((table, reference))
        if raw is None:
            (body,) = self._connection.execute(query(f"{table}_body"), (reference,)).fetchone()
            raw = self._bodies[table, reference] = inflate(body)
        return raw


def _put_all(packed: bytearray, numbers: Sequence[int]) -> None:
    """Appends `numbers`, seven bits a byte, the top bit set on all but the last byte of each."""
    for number in numbers:
        rest = number
        while rest > 0x7F:
            packed.append(rest & 0x7F | 0x80)
            rest >>= 7
        packed.append(rest)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
