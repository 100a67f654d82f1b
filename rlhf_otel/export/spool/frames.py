"""The format of a segment: frames one after the other, each with its length and a checksum.

    magic (4 bytes)  length of the payload (4)  crc32 of kind and payload (4)  kind (1)  payload

Little-endian. The first frame is a header in JSON, the payload of the others an OTLP export request with one item or
more. A frame that was damaged is skipped, a frame that was not written to its end ends the segment.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

VERSION = 1
MAGIC = b"\xabRS\x01"
HEADER, SPANS, LOGS, FEEDBACK = range(4)
ERASED = 8
"""The kind of what was erased: zeros in the place of the item, so that what stands behind it stays where it is."""
LOCAL = 16
"""Added to the kind of what is for the embedded store alone."""
_PREFIX = struct.Struct("<4sIIB")


class Frame(NamedTuple):
    """One frame and where it stands."""

    kind: int
    payload: bytes
    start: int
    end: int


class Damage(NamedTuple):
    """Bytes that are no frame; `is_torn` where the segment ends within one, as a write that was cut short leaves it."""

    start: int
    end: int
    is_torn: bool


def frame(kind: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    return _PREFIX.pack(MAGIC, len(payload), zlib.crc32(payload, kind), kind) + payload


def blank(size: int) -> bytes:
    """What takes the place of a frame of `size` bytes that was erased."""
    return frame(ERASED, bytes(size - _PREFIX.size))


def header(to: list[str]) -> bytes:
    """The first frame of a segment whose items are to go `to` these places."""
    return frame(HEADER, json.dumps({"version": VERSION, "to": to}).encode())


def header_of(data: bytes) -> tuple[Mapping[str, Any], int] | None:
    """What the header at the start of `data` says, and where it ends; None where there is none that is understood."""
    first = _at(data, 0)
    if first is None or first.kind != HEADER:
        return None
    try:
        said = json.loads(first.payload)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("version") != VERSION or not isinstance(said.get("to"), list):
        return None
    return said, first.end


def frames(data: bytes, base: int = 0) -> Iterator[Frame | Damage]:
    """The frames in `data`, which stands at `base` in its segment, and what is damaged between them."""
    place = 0
    while place < len(data):
        found = _at(data, place)
        if found is not None:
            yield Frame(found.kind, found.payload, base + found.start, base + found.end)
            place = found.end
            continue
        following = _next(data, place)
        yield Damage(base + place, base + (len(data) if following is None else following), following is None)
        if following is None:
            return
        place = following


def _at(data: bytes, place: int) -> Frame | None:
    """The frame that begins at `place`; None where none does, or where it is damaged or not whole."""
    begin = place + _PREFIX.size
    if len(data) < begin:
        return None
    magic, length, crc, kind = _PREFIX.unpack_from(data, place)
    if magic != MAGIC or len(data) < begin + length:
        return None
    payload = data[begin : begin + length]
    return Frame(kind, payload, place, begin + length) if zlib.crc32(payload, kind) == crc else None


def _next(data: bytes, place: int) -> int | None:
    """Where the next frame begins after a bad one at `place`; the end where the bad one is the last and whole."""
    after = _told_end(data, place)
    if after is not None and (after == len(data) or data.startswith(MAGIC, after)):
        return after
    candidate = data.find(MAGIC, place + 1)
    while candidate >= 0:
        if _at(data, candidate) is not None:
            return candidate
        candidate = data.find(MAGIC, candidate + 1)
    return None


def _told_end(data: bytes, place: int) -> int | None:
    """Where a damaged frame says that it ends, as far as that can be."""
    if len(data) < place + _PREFIX.size:
        return None
    magic, length, _, _ = _PREFIX.unpack_from(data, place)
    end = place + _PREFIX.size + int(length)
    return end if magic == MAGIC and end <= len(data) else None
