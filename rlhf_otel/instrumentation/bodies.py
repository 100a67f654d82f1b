"""Reads bodies that the application reads itself, as bytes: raw responses and raw server-sent events."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from rlhf_otel.instrumentation import done, parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.records import Part

_clock = time.perf_counter_ns


class BodyReader:
    """Takes the bytes of one response as they arrive: event by event for a stream, whole otherwise."""

    def __init__(self, response: Any) -> None:
        self._decode = _decoder(response)
        self._pieces: list[bytes] = []  # of the whole body, or of a stream's line that has not ended yet

    def feed(self, call: Call, data: bytes) -> None:
        """Reads `data`, which has just arrived."""
        self.add(call, self._decode(data))

    def add(self, call: Call, decoded: bytes) -> None:
        """Reads `decoded`, which nothing compresses any more."""
        if not call.stream or b"\n" not in decoded:
            self._pieces.append(decoded)  # joined once: a long line may come in a great many pieces
            return
        *lines, rest = b"".join((*self._pieces, decoded)).split(b"\n")
        self._pieces = [rest]
        for line in lines:
            if line.startswith(b"data:"):
                self._read_event(call, line[5:].strip())

    def _read_event(self, call: Call, data: bytes) -> None:
        if data.startswith(done.DONE.encode()):
            done.note(call)
        elif (chunk := lenient(data)) is not None:
            call.stamps.append(_clock())
            call.read(call.endpoint.chunk, call.state, chunk)

    def finish(self, call: Call) -> None:
        """Reads a whole body, once its last byte is there."""
        if not call.stream:
            body = b"".join(self._pieces)
            self._pieces.clear()
            result = lenient(body)
            if result is None and getattr(call.endpoint, "reads_text", False):
                result = body.decode(errors="replace")
            if result is not None:
                call.read(call.endpoint.response, result)

    def cut(self, call: Call) -> None:
        """The application reads no further: what there is has to do."""
        self.finish(call)


class LineReader(BodyReader):
    """Takes JSON lines: hands over each of them, once it is whole, to the endpoint's `line`."""

    def add(self, call: Call, decoded: bytes) -> None:
        """Reads the lines that `decoded` ends."""
        if b"\n" not in decoded:
            self._pieces.append(decoded)
            return
        *lines, rest = b"".join((*self._pieces, decoded)).split(b"\n")
        self._pieces = [rest]
        for line in lines:
            self._read_line(call, line)

    def finish(self, call: Call) -> None:
        """Reads the last line, which nothing ends."""
        self._read_line(call, b"".join(self._pieces))
        self._pieces.clear()

    def cut(self, call: Call) -> None:
        """Half a line says nothing."""

    def _read_line(self, call: Call, line: bytes) -> None:
        if (value := lenient(line)) is not None:
            call.stamps.append(_clock())
            call.read(call.endpoint.line, value)  # type: ignore[attr-defined]


class MediaReader(BodyReader):
    """Takes a sound or a video: counts and hashes what comes, and keeps none of it."""

    def __init__(self, response: Any) -> None:
        super().__init__(response)
        self.mime_type = response.headers.get("content-type", "").partition(";")[0].strip() or None
        self.byte_size = 0
        self._hash = hashlib.sha256()

    def add(self, call: Call, decoded: bytes) -> None:
        """Counts `decoded`."""
        self.byte_size += len(decoded)
        self._hash.update(decoded)

    def finish(self, call: Call) -> None:
        """Hands over size and hash."""
        call.read(call.endpoint.response, self.media())

    def media(self) -> Media:
        """All that has come."""
        return Media(self.mime_type, self.byte_size, self._hash.hexdigest())

    def cut(self, call: Call) -> None:
        """Hands over the size; the hash is that of nothing anybody has."""
        call.read(call.endpoint.response, Media(self.mime_type, self.byte_size, None))


class Media(NamedTuple):
    """What is kept of a sound or a video that came as bytes."""

    mime_type: str | None
    byte_size: int
    sha256: str | None

    def part(self, modality: str) -> Part:
        """It as a part of a message."""
        return parts.known(modality, self.sha256, self.byte_size, self.mime_type)


def whole_media(call: Call, response: Any) -> Media:
    """What is kept of a response that is all there."""
    reader = MediaReader(response)
    reader.add(call, response.content)
    return reader.media()


def reader_for(call: Call, response: Any) -> BodyReader:
    """What reads the bytes of `response`: as the endpoint wants it, or as JSON."""
    make: Callable[[Any], BodyReader] = getattr(call.endpoint, "reader", BodyReader)
    return make(response)


def read_whole(call: Call, response: Any) -> None:
    """Reads a response that is all there."""
    reader = reader_for(call, response)
    reader.add(call, response._content)
    reader.finish(call)


def _decoder(response: Any) -> Callable[[bytes], bytes]:
    """Undoes the encoding as the HTTP client does, with decoders of its kinds: it keeps its own to itself."""
    if not hasattr(response, "_get_content_decoder"):
        return bytes  # of a library that brings no HTTP client of this kind, and does not compress
    theirs = response._get_content_decoder()
    kinds = [type(one) for one in getattr(theirs, "children", None) or (theirs,)]
    if [kind.__name__ for kind in kinds] == ["IdentityDecoder"]:
        return bytes
    decoders = [kind() for kind in kinds]

    def decode(data: bytes) -> bytes:
        for decoder in decoders:
            decoded = decoder.decode(data)
            data = decoded if isinstance(decoded, bytes) else b"".join(decoded)
        return data

    return decode


class Lenient(SimpleNamespace):
    """A JSON object that is read like an SDK's model: attributes, and None for what is not there."""

    def __getattr__(self, name: str) -> Any:
        """What the object does not have is None, as in the SDKs' models."""
        if name.startswith("__"):
            raise AttributeError(name)

    @property
    def __pydantic_extra__(self) -> dict[str, Any]:
        """All that the object has: an SDK's model keeps here what its type does not name."""
        return vars(self)


def lenient(data: str | bytes) -> Any:
    """`data` as JSON whose objects are `Lenient`; None for what is no JSON object."""
    try:
        # What is no number is nothing, as in the SDKs' models: no JSON has a word for it.
        value = json.loads(data, object_hook=lambda fields: Lenient(**fields), parse_constant=lambda _: None)
    except (ValueError, TypeError):
        return None
    return value if isinstance(value, Lenient) else None


def member(value: Any, name: str) -> Any:
    """What `value` has by that name, or None; as `Lenient` where the SDK is older than the wire and left a dict."""
    return readable(getattr(value, name, None))


def readable(value: Any) -> Any:
    """A plain dict as `Lenient`, for an application or an older SDK that has no model of it; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return Lenient(**{key: _all_readable(item) for key, item in value.items()})


def _all_readable(value: Any) -> Any:
    return [readable(item) for item in value] if isinstance(value, list) else readable(value)


def plain(value: Any) -> Any:
    """An SDK model or a `Lenient` as plain JSON values; anything else as it is."""
    if isinstance(value, Lenient):
        return {key: plain(item) for key, item in vars(value).items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude_unset=True, warnings=False) if dump is not None else value


def count_of(value: Any) -> int | None:
    """A number of tokens, also from servers that write it as `3.0` or `"3"`, which the SDKs' models make numbers of."""
    if type(value) is int:
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 20 else None


def decoded(body: bytes) -> Any:
    """A request's body as plain values, by the decoder that an SDK brought along where there is one."""
    if not body:
        return {}  # what is only fetched is asked for without one
    core = sys.modules.get("pydantic_core")
    try:
        return core.from_json(body) if core is not None else json.loads(body)
    except ValueError:
        return json.loads(body)
