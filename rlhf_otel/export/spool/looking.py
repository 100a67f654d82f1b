"""A look at the spool from outside: what waits in it, for whom, and all of it as OTLP in JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rlhf_otel.export.spool import frames, segments
from rlhf_otel.export.spool.folder import Found, listed

if TYPE_CHECKING:
    from rlhf_otel.export import wire

_IDS = ("traceId", "spanId", "parentSpanId")


class Seen(NamedTuple):
    """One segment: its file, where its items go, how many there are, and how much of it is damaged.

    `is_owned` by a process that lives and will send it. `to` is empty where the file is none of ours.
    """

    found: Found
    to: tuple[str, ...]
    items: int
    damaged: int
    is_owned: bool


def seen(folder: Path) -> Iterator[Seen]:
    """The segments of a folder, the oldest first, without those in which nothing waits."""
    for found in listed(folder):
        try:
            data = found.path.read_bytes()
        except OSError:  # its owner has just deleted it
            continue
        header = frames.header_of(data)
        parts = list(frames.frames(data))
        items = sum(is_item(each) for each in parts)
        damaged = sum(isinstance(each, frames.Damage) for each in parts)
        if items or damaged:
            to = tuple(map(str, header[0]["to"])) if header is not None else ()
            yield Seen(found, to, items, damaged, segments.is_owned(found.path))


def is_item(part: frames.Frame | frames.Damage) -> bool:
    """Whether something is in there that is to be delivered."""
    return isinstance(part, frames.Frame) and part.kind not in (frames.HEADER, frames.ERASED)


def is_left(folder: Path) -> bool:
    """Whether something waits in `folder` that belongs to no process that lives."""
    return any(not each.is_owned for each in seen(folder))


def requests(folder: Path) -> Iterator[tuple[wire.Signal, dict[str, Any]]]:
    """Every item in a folder as an export request in OTLP's JSON, the oldest segment first."""
    for found in listed(folder):
        try:
            data = found.path.read_bytes()
        except OSError:
            continue
        for each in frames.frames(data):
            if isinstance(each, frames.Frame) and is_item(each):
                is_span = each.kind & ~frames.LOCAL == frames.SPANS
                yield from _request(each.payload, "traces" if is_span else "logs")


def _request(payload: bytes, signal: wire.Signal) -> Iterator[tuple[wire.Signal, dict[str, Any]]]:
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped, unused-ignore]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

    from rlhf_otel.export import wire

    try:
        message = wire.REQUESTS[signal].FromString(payload)
    except DecodeError:
        return
    yield signal, _with_hex_ids(MessageToDict(message, use_integers_for_enums=True))


def _with_hex_ids(value: Any) -> Any:
    """OTLP has ids in hex where protobuf's JSON has base64."""
    import base64

    if isinstance(value, list):
        return [_with_hex_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(each).hex() if key in _IDS and isinstance(each, str) else _with_hex_ids(each)
        for key, each in value.items()
    }
