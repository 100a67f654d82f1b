"""Intervals that hold however often somebody looks: confidence sequences.

An ordinary 95 % interval is right at one look. Who looks after every vote and stops when it pleases them is fooled far
more often than one time in twenty. These are wider, and right at all looks together.

`BoundedMean` is the predictable plug-in empirical Bernstein sequence for values from 0 to 1 (Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", theorem 2). `AsymptoticMean` is for any values that have a
variance, from a number of them on (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory
and asymptotic confidence sequences").
"""

from __future__ import annotations

import math
from typing import Final, Protocol

INFINITY: Final = float("inf")
FEWEST: Final = 100
"""An asymptotic sequence says nothing before so many values."""
_LARGEST_BET: Final = 0.5


class Sequence(Protocol):
    """An interval for a mean, value by value."""

    count: int

    @property
    def mean(self) -> float:
        """The mean of the values."""

    def add(self, value: float) -> None:
        """Takes a value."""

    def interval(self) -> tuple[float, float]:
        """Where the mean is."""


class BoundedMean:
    """The mean of values from 0 to 1.

    Args:
        alpha: how often, over all looks together, the interval may be wrong.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._log = math.log(2 / alpha)
        self.count = 0
        self._sum = 0.0
        self._squares = 0.25
        self._bets = self._won = self._risk = 0.0
        self._low, self._high = 0.0, 1.0

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self._sum / self.count if self.count else 0.5

    def add(self, value: float) -> None:
        """Takes a value. How much is bet on it hangs on those before alone; that is what makes the interval right."""
        guess = (0.5 + self._sum) / (self.count + 1)
        variance = self._squares / (self.count + 1)
        self.count += 1
        bet = math.sqrt(2 * self._log / (variance * self.count * math.log(1 + self.count)))
        bet = min(_LARGEST_BET, bet)
        self._bets += bet
        self._won += bet * value
        self._risk += 4 * (value - guess) ** 2 * (-math.log(1 - bet) - bet) / 4
        self._sum += value
        self._squares += (value - (0.5 + self._sum) / (self.count + 1)) ** 2
        self._narrow()

    def interval(self) -> tuple[float, float]:
        """Where the mean is; all of 0 to 1 before the first value."""
        return self._low, self._high

    def _narrow(self) -> None:
        """What was ruled out at one look stays ruled out."""
        middle, width = self._won / self._bets, (self._log + self._risk) / self._bets
        low, high = max(self._low, middle - width), min(self._high, middle + width)
        if low <= high:
            self._low, self._high = low, high


class AsymptoticMean:
    """The mean of values that may be anything, from a hundred of them on.

    Args:
        alpha: how often, over all looks together, the interval may be wrong.
    """

    def __init__(self, alpha: float = 0.05) -> None:
        self._alpha = alpha
        spread = -2 * math.log(alpha)
        self._rho = (spread + math.log(spread + 1)) / FEWEST  # squared; narrowest at the first look
        self.count = 0
        self._mean = 0.0
        self._squares = 0.0

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return self._mean

    def add(self, value: float) -> None:
        """Takes a value."""
        self.count += 1
        before = self._mean
        self._mean += (value - before) / self.count
        self._squares += (value - before) * (value - self._mean)

    def interval(self) -> tuple[float, float]:
        """Where the mean is; anywhere while there are few values."""
        if self.count < FEWEST:
            return -INFINITY, INFINITY
        scaled = self.count * self._rho + 1
        factor = 2 * scaled / (self.count**2 * self._rho) * math.log(math.sqrt(scaled) / self._alpha)
        width = math.sqrt(self._squares / self.count * factor)
        return self._mean - width, self._mean + width
