"""The times of a stream's chunks: quick to take, and small to keep."""

from __future__ import annotations

import itertools
import operator
from array import array
from collections.abc import Sequence
from typing import Any

MANY = 32
"""So many times, and pieces of streamed text, are kept apart at most."""


class Stamps(Sequence[int]):
    """Times in nanoseconds, in the order in which they were taken.

    A list takes one in a third of the time of an array, and keeps it in five times the room. So the newest are in a
    list, to which the loop over a stream appends, and `packed` moves them to where the others are.
    """

    __slots__ = ("_packed", "newest")

    def __init__(self) -> None:
        self.newest: list[int] = []
        self._packed = array("q")

    def append(self, stamp: int) -> None:
        """Keeps one more."""
        self.newest.append(stamp)
        if len(self.newest) >= MANY:
            self.packed()

    def pop(self) -> int:
        """Forgets the last one."""
        return self.packed().pop()

    def packed(self) -> array[int]:
        """All of them, eight bytes each."""
        if self.newest:
            self._packed.fromlist(self.newest)
            self.newest.clear()
        return self._packed

    def max_gap_s(self) -> float | None:
        """The longest time between two that follow on one another, in seconds; None where there are none."""
        stamps = self.packed()
        longest = max(map(operator.sub, itertools.islice(stamps, 1, None), stamps), default=None)
        return None if longest is None else longest / 1e9

    def __len__(self) -> int:
        return len(self._packed) + len(self.newest)

    def __getitem__(self, index: Any) -> Any:
        return self.packed()[index]
