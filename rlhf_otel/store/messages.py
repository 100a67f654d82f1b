"""Content, kept once: each message and everything else that repeats is found by the hash of its exact bytes.

What an interaction holds is a packed list of references. A message is two of them: its parts (`message`, shared by the
answer of one call and the history of the next) and its envelope (`shape`: role, name, finish reason).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.store.encoding import decode, deflate, encode, inflate
from rlhf_otel.store.errors import DamagedError
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

FIELDS: Final = ("system", "input", "output", "tools", "finish_reasons")
"""The fields of an interaction that are content, in the order in which they are packed."""

# How one field was given: absent, a list or a tuple of messages, or a value that is kept as one shape.
_NONE, _LIST, _TUPLE, _WHOLE = range(4)
_MESSAGE_FIELDS = ("input", "output")


MAX_CHAIN = 16
"""So many messages at most are read to make sense of one."""
_MAX_BEFORE = 22_000  # bytes; with the dictionary all that deflate can look back to


class Writer:
    """Stores content within one transaction and remembers what it has stored in it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}
        self._chains = _Chains(connection)

    def pack(self, content: Mapping[str, Any]) -> bytes:
        """The packed references to the content of one interaction; `content` has the keys of `FIELDS`."""
        packed = bytearray()
        before: int | None = None
        for field in FIELDS:
            value = content[field]
            if value is None:
                _put_all(packed, (_NONE,))
            elif field not in _MESSAGE_FIELDS or type(value) not in (list, tuple):
                _put_all(packed, (_WHOLE, self.shape(value)))
            else:
                _put_all(packed, (_TUPLE if type(value) is tuple else _LIST, len(value)))
                before = self._pack_messages(packed, value, before)
        return bytes(packed)

    def shape(self, value: Any) -> int:
        """The id of `value` in `shape`."""
        raw = encode(value)
        digest = _digest(b"s", raw)
        return self._known.get(digest) or self._found_or_added(
            digest, "shape", lambda: {"hash": digest, "body": deflate(raw)}
        )

    def setting(self, columns: Mapping[str, Any]) -> int:
        """The id of the row of `setting` that has these columns."""
        digest = _digest(b"c", encode(list(columns.values())))
        return self._known.get(digest) or self._found_or_added(digest, "setting", lambda: {**columns, "hash": digest})

    def _found_or_added(self, digest: bytes, table: str, columns: Callable[[], Mapping[str, Any]]) -> int:
        """The id of the row of `table` with this hash, which is made of `columns` where there is none."""
        found = self._connection.execute(query(f"{table}_find"), (digest,)).fetchone()
        if found is None:
            self._connection.execute(query(f"{table}_add"), columns())
            return self._found_or_added(digest, table, columns)
        self._known[digest] = found["id"]
        return self._known[digest]

    def _pack_messages(self, packed: bytearray, messages: Sequence[Any], before: int | None) -> int | None:
        """Appends envelope and parts of each; parts 0 where there are none, and all is in the envelope.

        Returns the last message, which is what the next is based on.
        """
        for message in messages:
            if isinstance(message, Mapping) and "parts" in message:
                envelope = {**message, "parts": None}  # keeps the place of the key: the order comes back as well
                before = self._parts(message["parts"], before)
                _put_all(packed, (self.shape(envelope), before))
            else:
                _put_all(packed, (self.shape(message), 0))
        return before

    def _parts(self, parts: Any, before: int | None) -> int:
        raw = encode(parts)
        digest = _digest(b"m", raw)
        if digest not in self._known:
            self._known[digest] = self._find_or_add(digest, raw, before)
        return self._known[digest]

    def _find_or_add(self, digest: bytes, raw: bytes, before: int | None) -> int:
        found = self._connection.execute(query("message_find"), {"hash": digest}).fetchone()
        if found is not None:
            self._chains.learn(found["id"], found["base"], raw)
            return int(found["id"])
        base = before if before is not None and self._chains.length(before) < MAX_CHAIN else None
        body = deflate(raw, b"" if base is None else self._chains.text(base))
        added = int(self._connection.execute(query("message_add"), (digest, base, body)).lastrowid or 0)
        self._chains.learn(added, base, raw)
        return added


class Reader:
    """Reads content within one transaction, each body once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._shapes: dict[int, bytes] = {}
        self._chains = _Chains(connection)

    def unpack(self, packed: bytes) -> dict[str, Any]:
        """The content that `Writer.pack` packed, by the names of `FIELDS`."""
        numbers = _numbers(packed)
        return {field: self._value(numbers) for field in FIELDS}

    def shape(self, reference: int) -> Any:
        """The value that is `reference` in `shape`, made anew for each caller."""
        raw = self._shapes.get(reference)
        if raw is None:
            (body,) = _present(self._connection.execute(query("shape_body"), (reference,)).fetchone())
            raw = self._shapes[reference] = inflate(body)
        return decode(raw)

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
            message["parts"] = decode(self._chains.raw(parts))
        return message


class _Chains:
    """The messages read in one transaction, each with the one it is based on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._links: dict[int, tuple[int | None, bytes]] = {}

    def learn(self, message: int, base: int | None, raw: bytes) -> None:
        """Takes note of what is known anyway."""
        self._links[message] = base, raw

    def raw(self, message: int) -> bytes:
        """The bytes of `message`."""
        return self._link(message)[1]

    def length(self, message: int) -> int:
        """How many messages there are from the first of the chain to `message`."""
        return sum(1 for _ in self._upwards(message))

    def text(self, message: int) -> bytes:
        """The end of the text of the chain up to and with `message`."""
        return b"".join(reversed([raw for _, raw in self._upwards(message)]))[-_MAX_BEFORE:]

    def _upwards(self, message: int | None) -> Iterator[tuple[int, bytes]]:
        while message is not None:
            base, raw = self._link(message)
            yield message, raw
            message = base

    def _link(self, message: int) -> tuple[int | None, bytes]:
        link = self._links.get(message)
        if link is None:
            base, body = _present(self._connection.execute(query("message_body"), (message,)).fetchone())
            link = self._links[message] = base, inflate(body, lambda: self.text(base))
        return link


def _present(row: sqlite3.Row | None) -> sqlite3.Row:
    """`row`, which is there unless somebody took it out of the file."""
    if row is None:
        raise DamagedError("a damaged body: what it refers to is gone")
    return row


def _digest(kind: bytes, raw: bytes) -> bytes:
    """Names content by its bytes; `kind` keeps messages and shapes apart."""
    return blake2b(raw, digest_size=16, person=kind).digest()


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
