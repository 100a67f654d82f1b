"""From the bytes of a body to a request that can be written: decompressed, parsed, and looked through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from rlhf_otel.server.answers import BAD_DATA, Refusal
from rlhf_otel.server.bodies import Claim, Encoding, inflate
from rlhf_otel.server.cleaning import Clean
from rlhf_otel.server.salvage import framed, without_broken
from rlhf_otel.server.signals import Signal
from rlhf_otel.store.inbox import SignalName
from rlhf_otel.store.refusals import look_through


@dataclass(frozen=True, slots=True)
class Body:
    """A request as it came.

    Attributes:
        raw: its bytes.
        encoding: how they are compressed.
        is_json: whether they are JSON, else protobuf.
    """

    raw: bytes
    encoding: Encoding = "identity"
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request that can be written.

    Attributes:
        signal: which.
        raw: serialised protobuf.
        kept: how many items of it can be kept.
        rejected: how many cannot.
        message: why not.
    """

    signal: SignalName
    raw: bytes
    kept: int
    rejected: int
    message: str


def read(signal: Signal, body: Body, limit: int, claim: Claim, clean: Clean) -> Request:
    """Reads a body.

    Args:
        signal: what it should hold.
        body: as it came.
        limit: how many bytes there may be once it is decompressed.
        claim: asks for the memory.
        clean: takes secrets out of it.

    Raises:
        Refusal: it cannot be read, or is too large.
    """
    raw = inflate(body.raw, body.encoding, limit, claim)
    broken = 0
    if body.is_json:
        parsed = _from_json(signal, raw)
    else:
        parsed, raw, broken = _from_protobuf(signal, raw)
    if clean(signal.name, parsed) or body.is_json:
        raw = parsed.SerializeToString()
    count, rejected, message = look_through(signal.name, parsed)
    if broken:
        message = "; ".join(filter(None, (f"{broken} items are no valid protobuf", message)))
    return Request(signal.name, raw, count - rejected, rejected + broken, message)


def _from_json(signal: Signal, raw: bytes) -> Any:
    import orjson

    try:
        return signal.from_json(orjson.loads(raw))
    except (ValueError, RecursionError) as error:
        raise Refusal(BAD_DATA, f"the body is no OTLP in JSON: {error}") from None


def _from_protobuf(signal: Signal, raw: bytes) -> tuple[Any, bytes, int]:
    """The request, its bytes, and how many items had to be left out because nothing can read them."""
    try:
        return signal.request.FromString(raw), raw, 0
    except DecodeError:
        pass
    try:
        kept, broken = without_broken(raw, lambda item: _is_readable(signal, item))
        return signal.request.FromString(kept), kept, broken
    except (DecodeError, ValueError):
        raise Refusal(BAD_DATA, "the body is no OTLP in protobuf") from None


def _is_readable(signal: Signal, item: bytes) -> bool:
    """Whether the parser takes a request that has just this one item."""
    try:
        signal.request.FromString(framed(1, framed(2, framed(2, item))))
    except DecodeError:
        return False
    return True
