"""Bodies as they come: their type, their compression, and how large they may be, on the wire and out of it."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from typing import Literal, get_args

from rlhf_otel.server.answers import BAD_DATA, JSON, NOT_THIS_FORM, PROTOBUF, TOO_LARGE, Refusal

Encoding = Literal["identity", "gzip", "deflate", "zstd"]
Claim = Callable[[int], None]
"""Asks for so many bytes of memory; raises a `Refusal` where there are none left."""

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
_PIECE = 1 << 20
"""How much is inflated at a time: what a bomb costs before it is noticed."""
_FED = 1 << 16
_LONGEST_FRAME_HEAD = 18
_SKIPPABLE = b"\x2a\x4d\x18"
_RUN_LENGTH = 2  # a zstd block of one byte that is repeated, whatever size it says
_WITH_HEADER = {"gzip": 31, "deflate": 15}


def is_json(content_type: bytes) -> bool:
    """Whether a body of this type is JSON, and not protobuf.

    Raises:
        Refusal: it is neither.
    """
    kind = content_type.partition(b";")[0].strip().lower()
    if kind in (PROTOBUF, b"application/protobuf"):
        return False
    if kind == JSON:
        return True
    told = kind.decode("latin-1") or "missing"
    raise Refusal(NOT_THIS_FORM, f"content type {told}: send application/x-protobuf or application/json")


def encoding_of(header: bytes) -> Encoding:
    """The compression that a `Content-Encoding` header names.

    Raises:
        Refusal: it is none that we know.
    """
    name = header.decode("latin-1").strip().lower() or "identity"
    for known in ENCODINGS:
        if name == known:
            return known
    accepted = ", ".join(ENCODINGS)
    message = f"content encoding {name}: send one of {accepted}"
    raise Refusal(NOT_THIS_FORM, message, ((b"accept-encoding", accepted.encode()),))


def inflate(body: bytes, encoding: Encoding, limit: int, claim: Claim) -> bytes:
    """`body` without its compression, of which never more than `limit` bytes come to be.

    Raises:
        Refusal: it is larger, or is not what the encoding says.
    """
    if encoding == "identity":
        return body
    pieces, size = [], 0
    try:
        for piece in _zstd_pieces(body, limit) if encoding == "zstd" else _zlib_pieces(body, _WITH_HEADER[encoding]):
            size += len(piece)
            if size > limit:
                raise too_large(limit, "decompressed")
            claim(len(piece))
            pieces.append(piece)
    except (zlib.error, EOFError, OSError) as error:
        raise Refusal(BAD_DATA, f"the body is no valid {encoding}: {error}") from None
    return b"".join(pieces)


def too_large(limit: int, when: str = "") -> Refusal:
    """The refusal of a body of more than `limit` bytes."""
    words = f"{when} body" if when else "body"
    return Refusal(TOO_LARGE, f"the {words} is larger than the limit of {limit} bytes; send smaller batches")


def _zlib_pieces(body: bytes, window: int) -> Iterator[bytes]:
    """The content piece by piece; gzip may have several members, one after the other."""
    position = 0
    while position < len(body):
        stream = zlib.decompressobj(window)
        left = b""
        while not stream.eof:
            if not left:
                left = body[position : position + _FED]
                position += len(left)
            if not left:
                raise EOFError("it ends too early")
            yield stream.decompress(left, _PIECE)
            left = stream.unconsumed_tail
        position -= len(stream.unused_data)


def _zstd_pieces(body: bytes, limit: int) -> Iterator[bytes]:
    """A frame may ask for a window of gigabytes: it gets none larger than a body may be."""
    import zstandard

    window = 1 << max(20, limit.bit_length())
    reader = zstandard.ZstdDecompressor(max_window_size=window).stream_reader(io.BytesIO(body), read_across_frames=True)
    try:
        while piece := reader.read(_PIECE):
            yield piece
        _check_zstd_frames(body)
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from None


def _check_zstd_frames(body: bytes) -> None:
    """Raises where the last frame is not whole, of which the reader says nothing: it just has less to read."""
    import zstandard

    position = 0
    while position < len(body):
        if body[position + 1 : position + 4] == _SKIPPABLE:
            position += 8 + int.from_bytes(body[position + 4 : position + 8], "little")
            continue
        size = zstandard.frame_header_size(body[position : position + _LONGEST_FRAME_HEAD])
        has_checksum, last = body[position + 4] & 4, False
        position += size
        while not last:
            block = int.from_bytes(body[position : position + 3], "little")
            last, size = bool(block & 1), 1 if block & 6 == _RUN_LENGTH else block >> 3
            position += 3 + size
            if position > len(body):
                raise EOFError("it ends too early")
        position += 4 if has_checksum else 0
    if position > len(body):
        raise EOFError("it ends too early")
