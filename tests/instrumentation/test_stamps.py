"""The times of a stream's chunks."""

from __future__ import annotations

import sys

from rlhf_otel.instrumentation.stamps import MANY, Stamps


def test_times_stay_in_order_whichever_way_they_come() -> None:
    """A time is found at its place, taken by the method or put among the newest, packed or not."""
    stamps = Stamps()
    for time in range(100):
        stamps.append(time)
        stamps.newest.append(1000 + time)
    assert list(stamps) == [time for pair in zip(range(100), range(1000, 1100), strict=True) for time in pair]
    assert (len(stamps), stamps[0], stamps[-1], stamps.index(1042)) == (200, 0, 1099, 85)


def test_the_last_time_can_be_taken_back() -> None:
    """What the application shall not see does not count."""
    stamps = Stamps()
    for time in (1, 2, 3):
        stamps.append(time)
    assert stamps.pop() == 3
    assert list(stamps) == [1, 2]


def test_times_take_little_room() -> None:
    """Of many times all but the newest few are kept in about eight bytes each."""
    stamps = Stamps()
    for time in range(10_000):
        stamps.append(time)
    assert len(stamps.newest) < MANY
    assert sys.getsizeof(stamps.packed()) < 100_000
