"""Values to bytes and back, exactly: text with lone surrogates, tuples, bytes and numbers of any size included.

A body is JSON, behind one byte that says how it is stored: 0 plain, 1 deflated with `dictionary_1.txt`, 2 deflated with
that and with the text that came before. The dictionary makes short messages small; it is part of the format and must
never change.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from importlib import resources
from typing import Any, Final

from rlhf_otel.store.errors import DamagedError

TAG = "\x00"  # the one key of an object that stands for what JSON has no word for
_TAG_IN_JSON = b'{"\\u0000":'
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_quoted: Callable[[str], str] = json.encoder.encode_basestring
_MAX_DEPTH = 200
TOO_DEEP = "[nested too deeply to be stored]"
_PLAIN, _DEFLATED, _DEFLATED_AFTER = b"\x00", b"\x01", b"\x02"
_RAW_DEFLATE = -15  # no header and no checksum: ten bytes less on every message


def encode(value: Any) -> bytes:
    """`value` as JSON bytes from which `decode` makes an equal value; equal bytes mean equal values.

    Objects that are neither JSON nor tuples, bytes or mappings become their `str`.
    """
    text = _text_parts(value) if type(value) is list else None
    if text is None:
        text = _JSON.encode(_plain(value, 0))
    return text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass")


def _text_parts(value: list[Any]) -> str | None:
    """The JSON of what most messages are, a single text; None of all else."""
    if len(value) != 1 or type(part := value[0]) is not dict or len(part) != 2:
        return None
    (first, kind), (second, text) = part.items()
    if first != "type" or kind != "text" or type(kind) is not str or second != "content" or type(text) is not str:
        return None
    return f'[{{"type":"text","content":{_quoted(text)}}}]'


_read: Final = json.JSONDecoder().raw_decode
"""Reads JSON that begins at once, as ours does, in two thirds of the time: without a look for spaces around it."""


def decode(raw: bytes) -> Any:
    """What `encode` was given."""
    text = raw.decode("utf-8", "surrogatepass")
    return json.loads(text, object_hook=_revive) if _TAG_IN_JSON in raw else _read(text)[0]


def revived(value: Any) -> Any:
    """What `encode` was given, of the JSON value that it made."""
    if isinstance(value, list):
        return [revived(item) for item in value]
    if isinstance(value, dict):
        return _revive({key: revived(item) for key, item in value.items()})
    return value


def deflate(raw: bytes, before: bytes = b"") -> bytes:
    """`raw` as it lies in the store: deflated where that makes it smaller.

    Args:
        raw: what `encode` made.
        before: text with which it is likely to share words; `inflate` must be given the same.
    """
    compressor: Any = _compressor(before) if before else _primed_compressor().copy()
    small: bytes = compressor.compress(raw) + compressor.flush()
    if len(small) >= len(raw):
        return _PLAIN + raw
    return (_DEFLATED_AFTER if before else _DEFLATED) + small


def deflate_small(raw: bytes) -> bytes:
    """The same as `deflate` for bodies of a few hundred bytes, in a fraction of its time: it looks back less far."""
    compressor = _small_compressor().copy()
    small: bytes = compressor.compress(raw) + compressor.flush()
    return _PLAIN + raw if len(small) >= len(raw) else _DEFLATED + small


def inflate(body: bytes, before: Callable[[], bytes] = bytes) -> bytes:
    """What `deflate` was given; `before` is called only where it is needed.

    Raises:
        DamagedError: `body` is damaged, or stored in a way that this version does not know.
    """
    form = body[:1]
    if form == _PLAIN:
        return body[1:]
    if form not in (_DEFLATED, _DEFLATED_AFTER):
        raise DamagedError(f"a damaged body, or one in an unknown form {form!r}")
    dictionary = _dictionary() + (before() if form == _DEFLATED_AFTER else b"")
    try:
        return zlib.decompressobj(_RAW_DEFLATE, zdict=dictionary).decompress(body[1:])
    except zlib.error as error:
        raise DamagedError(f"a damaged body: {error}") from error


def column_text(text: str | None) -> str | None:
    """`text` as SQLite takes it. Lone surrogates are no valid UTF-8, so such text is kept in hexadecimal, marked."""
    if text is None or text.isascii():
        return _escaped(text) if text is not None and text.startswith(TAG) else text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _escaped(text)
    return _escaped(text) if text.startswith(TAG) else text


def text_of_column(stored: str | None) -> str | None:
    """What `column_text` was given."""
    if stored is None or not stored.startswith(TAG):
        return stored
    return bytes.fromhex(stored[1:]).decode("utf-8", "surrogatepass")


def column_id(identifier: str) -> bytes | str:
    """An id as the column holds it: bytes where it is lower-case hexadecimal, else text."""
    try:
        raw = bytes.fromhex(identifier)
    except ValueError:
        return column_text(identifier) or ""
    return raw if raw.hex() == identifier else column_text(identifier) or ""


def text_hash(text: str) -> int:
    """What an index holds in place of the column text `text`: part of the format, so it must never change."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big", signed=True)


def id_of_column(stored: bytes | str) -> str:
    """What `column_id` was given."""
    return stored.hex() if isinstance(stored, bytes) else text_of_column(stored) or ""


def _escaped(text: str) -> str:
    return TAG + text.encode("utf-8", "surrogatepass").hex()


@lru_cache(maxsize=1)
def _dictionary() -> bytes:
    return (resources.files("rlhf_otel.store") / "dictionary_1.txt").read_bytes()


@lru_cache(maxsize=1)
def _primed_compressor() -> Any:
    """A compressor that has read the dictionary; copying it is cheaper than having each one read it again."""
    return _compressor(b"")


@lru_cache(maxsize=1)
def _small_compressor() -> Any:
    """One with a window of 4 KB, and so with a thirtieth of the state to be copied."""
    return zlib.compressobj(6, zlib.DEFLATED, -12, 4, zlib.Z_DEFAULT_STRATEGY, _dictionary())


def _compressor(before: bytes) -> Any:
    dictionary = _dictionary() + before
    return zlib.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)


def _plain(value: Any, depth: int) -> Any:
    """`value` in terms of JSON, with a tagged object for what JSON lacks."""
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is float:
        return value
    if depth > _MAX_DEPTH:
        return TOO_DEEP
    if kind is list:
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return _plain_mapping(value, depth + 1)
    if isinstance(value, int):
        # Python refuses to read or write decimals of thousands of digits; hexadecimal has no such limit.
        return int(value) if -(2**63) <= value < 2**63 else {TAG: ["int", hex(value)]}
    return _plain_rare(value, depth + 1)


def _plain_mapping(value: Mapping[Any, Any], depth: int) -> Any:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: _plain(item, depth) for key, item in value.items()}
    return {TAG: ["dict", *([_plain(key, depth), _plain(item, depth)] for key, item in value.items())]}


def _plain_rare(value: Any, depth: int) -> Any:
    if isinstance(value, tuple):
        return {TAG: ["tuple", *(_plain(item, depth) for item in value)]}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes | bytearray):
        return {TAG: ["bytes", value.hex()]}
    if isinstance(value, Sequence):
        return [_plain(item, depth) for item in value]
    return str(value)


def _revive(tagged: dict[str, Any]) -> Any:
    if TAG not in tagged:
        return tagged
    kind, *rest = tagged[TAG]
    if kind == "tuple":
        return tuple(rest)
    if kind == "dict":
        return dict(rest)
    if kind == "json":  # a whole value that text cannot hold
        return decode(bytes.fromhex(rest[0]))
    return int(rest[0], 16) if kind == "int" else bytes.fromhex(rest[0])
