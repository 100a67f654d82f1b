"""The few formulas that several gates need."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping


def wilson(successes: float, of: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share by Wilson's formula."""
    if not of:
        return 0.0, 1.0
    share = successes / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def auc(positive: Counter[int], negative: Counter[int]) -> float | None:
    """The chance that a value of the one kind is above one of the other, ties half; None where a kind is missing."""
    n_positive, n_negative = positive.total(), negative.total()
    if not n_positive or not n_negative:
        return None
    below, wins = 0, 0.0
    for value in sorted(positive.keys() | negative.keys()):
        wins += positive[value] * (below + negative[value] / 2)
        below += negative[value]
    return wins / (n_positive * n_negative)


class Alpha:
    """Krippendorff's alpha, unit by unit: 1 where raters agree, 0 where they might as well draw lots.

    Our own: the one maintained package for it is under a licence that would bind whoever installs us.

    Args:
        interval: values are numbers whose distance matters; else they are the same or not.
    """

    def __init__(self, *, interval: bool = False) -> None:
        self._interval = interval
        self._observed = 0.0
        self._values: Counter[float] = Counter()
        self.units = 0

    def add(self, values: Iterable[float]) -> None:
        """Takes what several raters said of one unit; a single rating tells nothing."""
        counts = Counter(values)
        raters = counts.total()
        if raters < 2:
            return
        self.units += 1
        self._values.update(counts)
        self._observed += self._disagreement(counts) / (raters - 1)

    def value(self) -> float | None:
        """Alpha; None where nothing can be said, as where everybody always said the same."""
        total = self._values.total()
        expected = self._disagreement(self._values) / (total - 1) if total > 1 else 0.0
        return 1 - self._observed / expected if expected else None

    def _disagreement(self, counts: Mapping[float, int]) -> float:
        """The differences of all ordered pairs, summed."""
        total = sum(counts.values())
        if not self._interval:
            return float(total * total - sum(count * count for count in counts.values()))
        first = math.fsum(value * count for value, count in counts.items())
        second = math.fsum(value * value * count for value, count in counts.items())
        return max(0.0, 2 * total * second - 2 * first * first)


def median_and_spread(values: Counter[int]) -> tuple[float, float]:
    """The median, and the median distance from it, scaled to a standard deviation."""
    middle = _median(values)
    distances: Counter[int] = Counter()
    for value, count in values.items():
        distances[round(abs(value - middle))] += count
    return middle, 1.4826 * _median(distances)


def _median(values: Counter[int]) -> float:
    half, passed = values.total() / 2, 0
    for value in sorted(values):
        passed += values[value]
        if passed >= half:
            return float(value)
    return 0.0
