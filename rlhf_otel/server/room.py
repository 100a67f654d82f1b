"""How many bytes of requests may be in the house at once. Beyond that, clients are told to come again."""

from __future__ import annotations

import threading
from types import TracebackType

from rlhf_otel.server.answers import LATER, Refusal


class Room:
    """So many bytes for the bodies that are read, decoded or wait for their commit.

    Args:
        limit: the bytes. One request alone may have more, or none that is larger could ever pass.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()

    def claim(self, lease: Lease, count: int) -> None:
        """Gives `lease` `count` bytes more.

        Raises:
            Refusal: there are not so many left.
        """
        with self._lock:
            if self.used + count > self.limit and self.used > lease.held:
                raise Refusal(LATER, "too much is waiting to be written; come again")
            self.used += count
            lease.held += count

    def release(self, lease: Lease) -> None:
        """Takes back what `lease` holds."""
        with self._lock:
            self.used -= lease.held
            lease.held = 0


class Lease:
    """What one request holds of the room, until it is left."""

    def __init__(self, room: Room) -> None:
        self.held = 0
        self._room = room

    def claim(self, count: int) -> None:
        """Takes `count` bytes more.

        Raises:
            Refusal: there are not so many left.
        """
        self._room.claim(self, count)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.release(self)
