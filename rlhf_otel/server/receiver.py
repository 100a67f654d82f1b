"""What every transport hands its requests to: from the bytes of a body to "it is on the disk", or a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]

from rlhf_otel.server.answers import BAD_DATA, LATER, Refusal, Taken, our_fault
from rlhf_otel.server.bodies import Encoding, inflate
from rlhf_otel.server.room import Lease, Room
from rlhf_otel.server.salvage import framed, without_broken
from rlhf_otel.server.signals import Signal
from rlhf_otel.server.writer import Writer
from rlhf_otel.store.otlp import Decoded

DECODERS = 2
SMALL = 16_384
"""A body of so few bytes is decoded where it is: to hand it to another thread would take longer."""


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


class Receiver:
    """Takes requests on the event loop's thread, decodes the large ones on others, and waits for the commit.

    Args:
        writer: what writes them.
        max_bytes: a larger body is refused, compressed or not.
        room: how many bytes may be under way at once.
    """

    def __init__(self, writer: Writer, max_bytes: int, room: Room) -> None:
        self.max_bytes = max_bytes
        self.writer = writer
        self.stopping = False
        self._room = room
        self._under_way = 0
        self._decoders = ThreadPoolExecutor(DECODERS, thread_name_prefix="rlhf-otel-decode")

    @contextmanager
    def admitted(self) -> Iterator[Lease]:
        """A place for one request, from before its body is read until it is answered.

        Raises:
            Refusal: nothing is taken any more.
        """
        if self.stopping:
            raise Refusal(LATER, "rlhf-otel serve is stopping; come again")
        self._under_way += 1
        try:
            with Lease(self._room) as lease:
                yield lease
        finally:
            self._under_way -= 1

    async def take(self, signal: Signal, body: Body, lease: Lease) -> Taken:
        """Decodes and stores one request; it is on the disk when this returns.

        Raises:
            Refusal: it is not, and nothing of it.
        """
        if len(body.raw) <= SMALL and body.encoding == "identity":
            decoded = self._decoded(signal, body, lease)
        else:
            loop = asyncio.get_running_loop()
            decoded = await loop.run_in_executor(self._decoders, self._decoded, signal, body, lease)
        if _has_records(decoded):
            await self._written(decoded, lease.held)
        return Taken(decoded.rejected, decoded.message)

    async def stop(self, timeout_s: float) -> None:
        """Takes nothing more, and waits until what is under way has been answered."""
        self.stopping = True
        for _ in range(round(timeout_s / 0.02)):
            if not self._under_way:
                return
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Writes what waits and closes the store."""
        self._decoders.shutdown(wait=True)
        self.writer.close()

    def _decoded(self, signal: Signal, body: Body, lease: Lease) -> Decoded:
        raw = inflate(body.raw, body.encoding, self.max_bytes, lease.claim)
        request, broken = _from_json(signal, raw) if body.is_json else _from_protobuf(signal, raw)
        try:
            decoded = signal.decode(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not be an open end for the client
            raise our_fault(error, "a request could not be decoded") from None
        if not broken:
            return decoded
        message = "; ".join(filter(None, (f"{broken} items are no valid protobuf", decoded.message)))
        return replace(decoded, rejected=decoded.rejected + broken, message=message)

    async def _written(self, decoded: Decoded, size: int) -> None:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Refusal | None] = loop.create_future()

        def tell(refusal: Refusal | None) -> None:
            if not outcome.done():
                outcome.set_result(refusal)

        def done(refusal: Refusal | None) -> None:
            with suppress(RuntimeError):  # the loop may be closed where a stop was too slow
                loop.call_soon_threadsafe(tell, refusal)

        self.writer.put(decoded, size, done)
        if (refusal := await outcome) is not None:
            raise refusal


def _has_records(decoded: Decoded) -> bool:
    return bool(decoded.interactions or decoded.spans or decoded.feedback or decoded.logs or decoded.points)


def _from_json(signal: Signal, raw: bytes) -> tuple[Any, int]:
    import orjson

    try:
        return signal.from_json(orjson.loads(raw)), 0
    except (ValueError, RecursionError) as error:
        raise Refusal(BAD_DATA, f"the body is no OTLP in JSON: {error}") from None


def _from_protobuf(signal: Signal, raw: bytes) -> tuple[Any, int]:
    """The request, and how many of its items had to be left out of it because nothing can read them."""
    try:
        return signal.request.FromString(raw), 0
    except DecodeError:
        pass
    try:
        kept, broken = without_broken(raw, lambda item: _is_readable(signal, item))
        return signal.request.FromString(kept), broken
    except (DecodeError, ValueError):
        raise Refusal(BAD_DATA, "the body is no OTLP in protobuf") from None


def _is_readable(signal: Signal, item: bytes) -> bool:
    """Whether the parser takes a request that has just this one item."""
    try:
        signal.request.FromString(framed(1, framed(2, framed(2, item))))
    except DecodeError:
        return False
    return True
