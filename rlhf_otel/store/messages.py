"""Content, kept once: each message and everything else that repeats is found by the hash of its exact bytes.

What an interaction holds is a packed list of references. A message is two of them: its parts (`message`, shared by the
answer of one call and the history of the next) and its envelope (`shape`: role, name, finish reason).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.semconv import SERVICE_NAME
from rlhf_otel.store.encoding import column_text, decode, deflate, encode, inflate
from rlhf_otel.store.errors import DamagedError
from rlhf_otel.store.sql import in_chunks, query

if TYPE_CHECKING:
    import sqlite3

    from rlhf_otel.records import Interaction

FIELDS: Final = ("system", "input", "output", "tools", "finish_reasons")
"""The fields of an interaction that are content, in the order in which they are packed."""

# How one field was given: absent, a list or a tuple of messages, or a value that is kept as one shape.
_NONE, _LIST, _TUPLE, _WHOLE = range(4)
_MESSAGE_FIELDS = ("input", "output")


SETTING_COLUMNS: Final = (
    "name", "operation", "provider", "request_model", "response_model", "variant", "consent", "status", "error_type",
    "stream_end", "stream", "usage_estimated", "service", "resource",
)  # fmt: skip
"""What thousands of interactions have in common."""
MAX_CHAIN = 16
"""So many messages at most are read to make sense of one."""
_MAX_BEFORE = 22_000  # bytes; with the dictionary all that deflate can look back to


class Writer:
    """Stores content within one transaction and remembers what it has stored in it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}
        self._envelopes: dict[Any, int] = {}
        self._settings: dict[tuple[Any, ...], int] = {}
        self._resources: dict[int, tuple[Any, int]] = {}
        self._at_hand: dict[int, tuple[Any, bytes, bytes]] = {}
        self._unknown: dict[bytes, bytes] = {}
        self._absent: set[bytes] = set()
        self._added: list[tuple[int, bytes, int | None, bytes]] = []
        self._last: int | None = None
        self._chains = Chains(connection)

    def pack(self, content: Sequence[Any]) -> bytes:
        """The packed references to the content of one interaction; `content` has the values of `FIELDS`."""
        packed = bytearray()
        before: int | None = None
        for field, value in zip(FIELDS, content, strict=True):
            if value is None:
                packed.append(_NONE)
            elif field not in _MESSAGE_FIELDS or type(value) not in (list, tuple):
                _put_all(packed, (_WHOLE, self._words(value) if type(value) is tuple else self.shape(value)))
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

    def resource(self, attributes: Mapping[str, Any]) -> int:
        """The same of a resource, which all spans of a request share."""
        known = self._resources.get(id(attributes))
        if known is None:
            known = self._resources[id(attributes)] = (
                attributes,
                self.shape(attributes),
            )  # kept: so its id stays its own
        return known[1]

    def setting(self, shared: tuple[Any, ...], resource: Mapping[str, Any]) -> int:
        """The id of the row of `setting` for the values `shared` of its columns, in their order, and the resource."""
        key = *shared, service_of(resource), self.resource(resource)
        found = self._settings.get(key)
        if found is None:
            columns = dict(zip(SETTING_COLUMNS, key, strict=True))
            digest = _digest(b"c", encode(list(key)))
            found = self._known.get(digest) or self._found_or_added(
                digest, "setting", lambda: {**columns, "hash": digest}
            )
            self._settings[key] = found
        return found

    def _words(self, value: tuple[Any, ...]) -> int:
        """The id of a tuple: why the model stopped, mostly, which is one of few."""
        if len(value) > 1 or any(type(item) is not str for item in value):
            return self.shape(value)
        found = self._envelopes.get(value)
        if found is None:
            found = self._envelopes[value] = self.shape(value)
        return found

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
                before = self._parts(message["parts"], before)
                _put_all(packed, (self._envelope(message), before))
            else:
                _put_all(packed, (self.shape(message), 0))
        return before

    def _envelope(self, message: Mapping[str, Any]) -> int:
        """The id of all of a message but its parts, in whose place nothing stands: so the order comes back as well."""
        key = tuple([(name, None if name == "parts" else value) for name, value in message.items()])
        if any(type(value) is not str and value is not None for _, value in key):
            return self.shape({**message, "parts": None})
        found = self._envelopes.get(key)
        if found is None:
            found = self._envelopes[key] = self.shape({**message, "parts": None})
        return found

    def prepare(self, interactions: Iterable[Interaction]) -> None:
        """Finds out at once which of all the messages of `interactions` are in the store."""
        for interaction in interactions:
            for messages in (interaction.input, interaction.output):
                for message in messages if isinstance(messages, list | tuple) else ():
                    if isinstance(message, Mapping) and "parts" in message:
                        self._encoded(message["parts"])
        self._look()

    def flush(self) -> None:
        """Writes the messages that have been added; until then only this knows of them."""
        self._connection.executemany(query("message_add"), self._added)
        self._added.clear()

    def _encoded(self, parts: Any) -> tuple[Any, bytes, bytes]:
        """`parts`, their bytes and the hash of these; made once for a message that is at hand."""
        made = self._at_hand.get(id(parts))
        if made is None:
            raw = encode(parts)
            made = self._at_hand[id(parts)] = parts, raw, _digest(b"m", raw)  # kept: so its id stays its own
            if made[2] not in self._known and made[2] not in self._absent:
                self._unknown[made[2]] = raw
        return made

    def _look(self) -> None:
        """Looks for all messages of which it is not known yet whether they are in the store."""
        by_start = {digest[:5]: digest for digest in self._unknown}
        for row in in_chunks(self._connection, query("messages_present"), list(by_start)):
            if (raw := self._unknown.pop(row["hash"], None)) is not None:
                self._known[row["hash"]] = row["id"]
                self._chains.learn(row["id"], row["base"], raw)
        self._absent.update(self._unknown)
        self._unknown.clear()

    def _parts(self, parts: Any, before: int | None) -> int:
        _, raw, digest = self._encoded(parts)
        if self._unknown:
            self._look()
        found = self._known.get(digest)
        if found is None:
            found = self._known[digest] = self._add(digest, raw, before)
        return found

    def _add(self, digest: bytes, raw: bytes, before: int | None) -> int:
        base = before if before is not None and self._chains.length(before) < MAX_CHAIN else None
        body = deflate(raw, b"" if base is None else self._chains.text(base))
        if self._last is None:
            (self._last,) = self._connection.execute(query("message_last")).fetchone()
        self._last += 1  # whoever adds holds the write lock
        self._added.append((self._last, digest, base, body))
        self._chains.learn(self._last, base, raw)
        return self._last


class Reader:
    """Reads content within one transaction, each body once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._shapes: dict[int, bytes] = {}
        self._chains = Chains(connection)

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


class Chains:
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


def references(packed: bytes) -> tuple[list[int], list[int]]:
    """The ids in `message` and in `shape` that the content of an interaction refers to."""
    numbers = _numbers(packed)
    messages: list[int] = []
    shapes: list[int] = []
    for form in numbers:
        if form == _WHOLE:
            shapes.append(next(numbers))
        elif form != _NONE:
            for _ in range(next(numbers)):
                shapes.append(next(numbers))
                messages.append(next(numbers))
    return messages, shapes


NUMERAL: Final = re.compile(rb"[\x80-\xff]*[\x00-\x7f]")
"""One number in packed content: to look for a few numbers in many contents, their bytes are compared."""


def numeral(number: int) -> bytes:
    """`number` as it stands in packed content."""
    packed = bytearray()
    _put_all(packed, (number,))
    return bytes(packed)


def _present(row: sqlite3.Row | None) -> sqlite3.Row:
    """`row`, which is there unless somebody took it out of the file."""
    if row is None:
        raise DamagedError("a damaged body: what it refers to is gone")
    return row


def service_of(resource: Mapping[str, Any]) -> str | None:
    """The name of the service, as the column holds it."""
    service = resource.get(SERVICE_NAME)
    return column_text(service) if isinstance(service, str) else None


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
