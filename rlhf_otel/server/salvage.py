"""A request with a few spans in it that are no valid protobuf, without them: the others need not be lost with them.

Text that is no UTF-8 makes the parser refuse all of a request. The three signals have the same three storeys: a request
has resources in its field 1, a resource has scopes in its field 2, a scope has its items in its field 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

Readable = Callable[[bytes], bool]

_PATH = (1, 2, 2)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def without_broken(request: bytes, readable: Readable) -> tuple[bytes, int]:
    """`request` without the items that are not `readable`, and how many those are.

    Raises:
        ValueError: it is no sequence of protobuf fields.
    """
    return _kept(request, _PATH, readable)


def _kept(message: bytes, path: tuple[int, ...], readable: Readable) -> tuple[bytes, int]:
    """What is kept of a message, of whose field `path[0]` the rest of the path goes on; and how many are not."""
    kept, broken = [], 0
    for field, kind, whole, content in _fields(message):
        if (field, kind) != (path[0], _BYTES):
            kept.append(whole)
        elif len(path) > 1:
            inner, more = _kept(content, path[1:], readable)
            broken += more
            kept.append(framed(field, inner) if more else whole)
        elif readable(content):
            kept.append(whole)
        else:
            broken += 1
    return b"".join(kept), broken


def _fields(message: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Number, kind, all bytes and content of each field."""
    position, end = 0, len(message)
    while position < end:
        start = position
        tag, position = _varint(message, position)
        kind = tag & 7
        size = 0
        if kind == _BYTES:
            size, position = _varint(message, position)
        elif kind == _VARINT:
            _, position = _varint(message, position)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if position + size > end:
            raise ValueError("a field that ends after its message")
        yield tag >> 3, kind, message[start : position + size], message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends."""
    number = 0
    for count, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return number, position + count + 1
    raise ValueError("a number without an end")


def framed(field: int, content: bytes) -> bytes:
    """`content` as the field of that number in a message."""
    size, length = bytearray(), len(content)
    while length >= 0x80:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((field << 3 | _BYTES, *size, length)) + content
