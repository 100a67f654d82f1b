"""Describes the files of a multipart request without keeping or consuming any of them.

What is in memory, or in a regular file, is hashed where it lies; the application's own position in it does not move.
Anything else (a pipe, an object of a web framework) is named by its type alone: reading it would take it away.
"""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import codec
from rlhf_otel.instrumentation import parts
from rlhf_otel.records import Part

LARGEST_HASHED = 8 * 1024 * 1024
"""A larger file is told by its size; hashing is done on the application's thread."""
_STEP = 1024 * 1024


def fields(options: Any) -> dict[str, Any]:
    """The plain fields of a multipart request, as the SDK's options have them, copied."""
    made: dict[str, Any] = {}
    for body in (options.json_data, getattr(options, "extra_json", None)):
        if isinstance(body, Mapping):
            made.update(codec.plain(body))
    return made


def files(options: Any) -> Iterator[tuple[str, Any]]:
    """Each file of a multipart request with the name of its field."""
    given = options.files or ()
    for name, file in given.items() if isinstance(given, Mapping) else given:
        yield str(name).removesuffix("[]"), file


def described(modality: str, file: Any) -> Part:
    """A file as a part of a message: its hash where that is quick to have, its size and its type."""
    name, content, mime_type = _named(file)
    view = _in_memory(content)
    digest, size = _on_disk(content) if view is None else _hashed(view)
    return parts.known(modality, digest, size, mime_type or _type_of(name))


def content_of(file: Any, at_most: int) -> bytes | None:
    """The bytes of a file, without reading it away; None where there are more, or no way to see them."""
    content = _named(file)[1]
    if isinstance(content, bytes):
        return content if len(content) <= at_most else None
    view = _in_memory(content)
    if view is not None:
        made = bytes(view) if len(view) <= at_most else None
        view.release()
        return made
    descriptor, size = _regular(content)
    if descriptor is None or size is None or size > at_most or not hasattr(os, "pread"):
        return None
    return b"".join(_pieces(descriptor, size))


def _named(file: Any) -> tuple[Any, Any, str | None]:
    """Name, content and media type of a file in any of the forms that the SDKs take."""
    if isinstance(file, tuple):
        name, content, *rest = file
        return name, content, rest[0] if rest and isinstance(rest[0], str) else None
    return getattr(file, "name", None), file, None


def _type_of(name: Any) -> str | None:
    return mimetypes.guess_type(name)[0] if isinstance(name, str) else None


def _in_memory(content: Any) -> memoryview | None:
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if isinstance(content, bytes | bytearray):
        return memoryview(content)
    return content.getbuffer() if type(content) is io.BytesIO else None


def _hashed(view: memoryview) -> tuple[str | None, int | None]:
    with view:
        return (hashlib.sha256(view).hexdigest() if len(view) <= LARGEST_HASHED else None), len(view)


def _on_disk(content: Any) -> tuple[str | None, int | None]:
    """Hash and size of a regular file, read beside the application's own position."""
    descriptor, size = _regular(content)
    if descriptor is None or size is None or size > LARGEST_HASHED or not hasattr(os, "pread"):
        return None, size
    digest = hashlib.sha256()
    for piece in _pieces(descriptor, size):
        digest.update(piece)
    return digest.hexdigest(), size


def _regular(content: Any) -> tuple[int | None, int | None]:
    if not isinstance(content, io.FileIO | io.BufferedReader | io.BufferedRandom):
        return None, None
    try:
        descriptor = content.fileno()
        status = os.fstat(descriptor)
    except (OSError, ValueError):
        return None, None
    return (descriptor, status.st_size) if stat.S_ISREG(status.st_mode) else (None, None)


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    yield from (os.pread(descriptor, _STEP, offset) for offset in range(0, size, _STEP))
