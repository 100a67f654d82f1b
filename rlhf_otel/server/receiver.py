"""What every transport hands its requests to: from the bytes of a body to "it is on the disk", or a refusal."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from rlhf_otel.server.answers import LATER, Refusal, Taken
from rlhf_otel.server.cleaning import Clean
from rlhf_otel.server.requests import Body, Request, read
from rlhf_otel.server.room import Lease, Room
from rlhf_otel.server.signals import Signal
from rlhf_otel.server.writer import Done, Writer

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback

READERS = 2
FEEDBACK_BYTES = 4_096
"""About what a feedback takes while it waits."""
SMALL = 65_536
"""A body of so few bytes is read where it is: to hand it to another thread would take longer."""


class Receiver:
    """Takes requests on the event loop's thread, reads the large ones on others, and waits for the commit.

    Args:
        writer: what writes them.
        max_bytes: a larger body is refused, compressed or not.
        room: how many bytes may be under way at once.
        clean: takes secrets out of requests.
    """

    def __init__(self, writer: Writer, max_bytes: int, room: Room, clean: Clean) -> None:
        self.max_bytes = max_bytes
        self.writer = writer
        self.stopping = False
        self._ended: deque[tuple[asyncio.Future[Refusal | None], Refusal | None]] = deque()
        self._room = room
        self._clean = clean
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="rlhf-otel-read")

    @contextmanager
    def admitted(self) -> Iterator[Lease]:
        """A place for one request, from before its body is read until it is answered.

        Raises:
            Refusal: nothing is taken any more.
        """
        if self.stopping:
            raise Refusal(LATER, "rlhf-otel serve is stopping; come again")
        self.writer.expected += 1
        try:
            with Lease(self._room) as lease:
                yield lease
        finally:
            self.writer.expected -= 1

    async def take(self, signal: Signal, body: Body, lease: Lease) -> Taken:
        """Reads and stores one request; it is on the disk when this returns.

        Raises:
            Refusal: it is not, and nothing of it.
        """
        if len(body.raw) <= SMALL and body.encoding == "identity" and not body.is_json:
            request = self._read(signal, body, lease)
        else:
            loop = asyncio.get_running_loop()
            request = await loop.run_in_executor(self._readers, self._read, signal, body, lease)
        if request.kept:
            await self._written(partial(self.writer.put, request.signal, request.raw))
        return Taken(request.rejected, request.message)

    async def take_feedback(self, feedback: Sequence[Feedback]) -> None:
        """Stores feedback; it is on the disk when this returns.

        Raises:
            Refusal: it is not, and nothing of it.
        """
        with self.admitted() as lease:
            lease.claim(FEEDBACK_BYTES * len(feedback))
            await self._written(partial(self.writer.put_feedback, feedback))

    async def stop(self, timeout_s: float) -> None:
        """Takes nothing more, and waits until what is under way has been answered."""
        self.stopping = True
        for _ in range(round(timeout_s / 0.02)):
            if not self.writer.expected:
                return
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """Writes what waits and closes the store."""
        self._readers.shutdown(wait=True)
        self.writer.close()

    def _tell(self) -> None:
        """Tells those who wait what has become of their requests: all that a commit has ended, at one wake-up."""
        while self._ended:
            outcome, refusal = self._ended.popleft()
            if not outcome.done():
                outcome.set_result(refusal)

    def _read(self, signal: Signal, body: Body, lease: Lease) -> Request:
        return read(signal, body, self.max_bytes, lease.claim, self._clean)

    async def _written(self, put: Callable[[Done], None]) -> None:
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Refusal | None] = loop.create_future()

        def done(refusal: Refusal | None) -> None:
            self._ended.append((outcome, refusal))
            if len(self._ended) == 1:  # else the loop has been woken, and has not come to it yet
                with suppress(RuntimeError):  # the loop may be closed where a stop was too slow
                    loop.call_soon_threadsafe(self._tell)

        put(done)
        if (refusal := await outcome) is not None:
            raise refusal
