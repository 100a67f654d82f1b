"""Variants and models side by side: how they were rated, which is preferred, how fast they are, what they cost.

Differences are read from pairs: the n-th value of one arm against the n-th of the other, in the order of the calls. So
a single sequence bounds the difference itself, however unequal the spreads are.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from rlhf_otel import semconv
from rlhf_otel.datasets import selection
from rlhf_otel.datasets.answers import about_call
from rlhf_otel.datasets.gather import Rated
from rlhf_otel.datasets.rules import preference, ranking
from rlhf_otel.datasets.sequences import FEWEST, AsymptoticMean, BoundedMean
from rlhf_otel.datasets.sequences import Sequence as Interval
from rlhf_otel.records import Feedback, Interaction

SHARES: Final[Mapping[str, float]] = {
    "score": 0.25, "win_rate": 0.25, "error_rate": 0.125, "duration": 0.125, "ttft": 0.125, "cost": 0.125,
}  # fmt: skip
"""Of what may be wrong at all, the part of each measure; what people say has half of it."""
RATIOS: Final = ("duration", "ttft", "cost")
"""Compared by their ratio: a second more is little of a minute."""
FEWEST_RATED: Final = 20
MOST_ARMS: Final = 20
SMALLEST_GAP: Final = 1e-6
MOST_MORE: Final = 1_000_000
"""So many more pairs nobody waits for."""
HIGHER_IS_BETTER: Final = ("score", "win_rate")


class TooManyArmsError(ValueError):
    """The key has so many values that nothing can be said of any."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """How one arm differs from another in one measure.

    Attributes:
        measure: one of `SHARES`.
        one: an arm.
        other: the one that it is compared with.
        count: how many pairs of values there are.
        difference: of the means; of `RATIOS` how many times as much; of a win rate the rate.
        low: where it is at least.
        high: where it is at most.
        winner: the better arm; empty while both are possible.
        more: about how many more pairs will decide if the difference is what it seems; None where unknown.
    """

    measure: str
    one: str
    other: str
    count: int
    difference: float
    low: float
    high: float
    winner: str
    more: int | None

    def as_json(self) -> dict[str, Any]:
        """The contrast as reports have it; an open end is null."""
        numbers = {name: _finite(getattr(self, name)) for name in ("difference", "low", "high")}
        names = {name: getattr(self, name) for name in ("measure", "one", "other", "count")}
        return {**names, **numbers, "winner": self.winner or None, "more": self.more}


class Arm:
    """What is known of one variant or model."""

    def __init__(self, name: str, alpha: float) -> None:
        self.name = name
        self.calls = 0
        self.positive = self.negative = 0
        self.sequences: dict[str, BoundedMean] = {"score": BoundedMean(alpha), "error_rate": BoundedMean(alpha)}
        self.sums: dict[str, float] = dict.fromkeys(SHARES, 0.0)
        self.counts: Counter[str] = Counter()

    def add(self, values: Mapping[str, float], feedback: Sequence[Feedback]) -> None:
        """Takes what one call says of each measure, and the feedback on it."""
        self.calls += 1
        self.positive += sum(each.value is True for each in feedback)
        self.negative += sum(each.value is False for each in feedback)
        for measure, value in values.items():
            self.sums[measure] += value
            self.counts[measure] += 1
            if measure in self.sequences:
                self.sequences[measure].add(value)

    def as_json(self) -> dict[str, Any]:
        """The arm as reports have it."""
        told: dict[str, Any] = {"name": self.name, "calls": self.calls, "rated": self.counts["score"]}
        told |= {"positive": self.positive, "negative": self.negative}
        for measure in (name for name in SHARES if name != "win_rate"):
            told[measure] = self.mean(measure)
            if measure in self.sequences:
                told[f"{measure}_interval"] = list(self.sequences[measure].interval())
        return told

    def mean(self, measure: str) -> float | None:
        """The mean of a measure; None without a value."""
        return self.sums[measure] / self.counts[measure] if self.counts[measure] else None


class Comparison:
    """Compares the arms of a key, call by call in the order of their start.

    Args:
        by: variant, model, service, or context.NAME.
        alpha: how often anything that is said may be wrong, over all measures, pairs of arms and looks together.
        sources: whose feedback counts, as in a recipe.
        names: only feedback of these names; empty for all.
    """

    def __init__(
        self, by: str, *, alpha: float = 0.05, sources: Sequence[str] = ("human",), names: Sequence[str] = ()
    ) -> None:
        self.by = by
        self.alpha = alpha
        self._sources, self._names = sources, names
        self.arms: dict[str, Arm] = {}
        self._logs: dict[str, dict[str, array[float]]] = {}
        self._arm_of: dict[str, str] = {}
        self._duels: dict[tuple[str, str], list[float]] = {}

    def add(self, interaction: Interaction, feedback: Sequence[Feedback]) -> None:
        """Takes a call.

        Raises:
            TooManyArmsError: the key has too many values.
        """
        name = about_call(interaction).get(self.by)
        if name is None:
            return
        arm = self._arm(str(name))
        given = [each for each in feedback if self._counts(each)]
        values = dict(_measured(interaction, given))
        arm.add(values, given)
        for measure, value in values.items():
            self._logs[arm.name].setdefault(measure, array("d")).append(value)
        if any(each.chosen or each.ranking for each in given):
            self._arm_of[interaction.span_id] = arm.name
        for each in given:
            if each.chosen or each.ranking:
                self._duel(each)

    def contrasts(self) -> list[Contrast]:
        """Every pair of arms in every measure of which both have values."""
        pairs = list(combinations(sorted(self.arms), 2))
        made = []
        for one, other in pairs:
            for measure, share in SHARES.items():
                alpha = self.alpha * share / len(pairs)
                if (contrast := self._contrast(measure, one, other, alpha)) is not None:
                    made.append(contrast)
        return made

    def _counts(self, feedback: Feedback) -> bool:
        return selection.source_of(feedback) in self._sources and (not self._names or feedback.name in self._names)

    def _arm(self, name: str) -> Arm:
        if name not in self.arms:
            if len(self.arms) >= MOST_ARMS:
                raise TooManyArmsError(f"{self.by} has more than {MOST_ARMS} values; compare by something else")
            self.arms[name] = Arm(name, self.alpha)
            self._logs[name] = {}
        return self.arms[name]

    def _duel(self, feedback: Feedback) -> None:
        """Counts a comparison when the last of what it compares comes; it came with each of the others before."""
        rule = ranking if feedback.ranking else preference
        sides = rule.sides(feedback)
        if any(span not in self._arm_of for pair in sides for span in pair):
            return
        for better, worse in sides:
            winner, loser = self._arm_of[better], self._arm_of[worse]
            if winner == loser:
                continue
            key = (min(winner, loser), max(winner, loser))
            won = 0.5 if selection.is_tie(feedback) else 1.0 if winner == key[0] else 0.0
            self._duels.setdefault(key, []).append(won)

    def _contrast(self, measure: str, one: str, other: str, alpha: float) -> Contrast | None:
        if measure == "win_rate":
            won = self._duels.get((one, other))
            return None if not won else _win_rate(one, other, won, alpha)
        values = [self._logs[name].get(measure) for name in (one, other)]
        if values[0] is None or values[1] is None:
            return None
        return _difference(measure, (one, other), zip(*values, strict=False), alpha)


def compare(records: Iterable[Rated], by: str, **choices: Any) -> Comparison:
    """The comparison of all `records`, which come in the order of their start; keywords as for `Comparison`."""
    made = Comparison(by, **choices)
    for interaction, feedback in records:
        made.add(interaction, feedback)
    return made


def _measured(interaction: Interaction, feedback: Sequence[Feedback]) -> Iterator[tuple[str, float]]:
    """What one call says of each measure."""
    failed = interaction.error_type is not None or interaction.status == "error"
    yield "error_rate", float(failed)
    scores = [each.score for each in feedback if each.score is not None and each.step is None]
    bounded = [min(1.0, max(0.0, score)) for score in scores]
    if bounded:
        yield "score", sum(bounded) / len(bounded)
    if failed:
        return
    cost = interaction.attributes.get(semconv.USAGE_COST)
    taken = {"duration": interaction.duration_s, "ttft": interaction.time_to_first_token_s, "cost": cost}
    for measure, value in taken.items():
        if isinstance(value, int | float) and 0 < value < float("inf"):
            yield measure, float(value)


def _win_rate(one: str, other: str, won: Sequence[float], alpha: float) -> Contrast:
    sequence = BoundedMean(alpha)
    for value in won:
        sequence.add(value)
    low, high = sequence.interval()
    winner = one if low > 0.5 else other if high < 0.5 else ""
    shown = (sequence.mean, low, high)
    return Contrast("win_rate", one, other, sequence.count, *shown, *_decided(sequence, winner, 0.5, FEWEST_RATED))


def _difference(measure: str, arms: tuple[str, str], pairs: Iterable[tuple[float, float]], alpha: float) -> Contrast:
    ratio = measure in RATIOS
    sequence: Interval = AsymptoticMean(alpha) if ratio else BoundedMean(alpha)
    for first, second in pairs:
        sequence.add(math.log(first / second) if ratio else (first - second + 1) / 2)
    low, high = sequence.interval()
    back: Callable[[float], float] = _power if ratio else lambda middle: 2 * middle - 1
    neutral = 0.0 if ratio else 0.5
    best, worst = arms if measure in HIGHER_IS_BETTER else arms[::-1]
    winner = best if low > neutral else worst if high < neutral else ""
    shown = (back(sequence.mean), back(low), back(high))
    enough = FEWEST if ratio else FEWEST_RATED
    return Contrast(measure, *arms, sequence.count, *shown, *_decided(sequence, winner, neutral, enough))


def _decided(sequence: Interval, winner: str, neutral: float, enough: int) -> tuple[str, int | None]:
    """The winner, where there are values enough, and about how many more it takes otherwise.

    An interval's width shrinks with the root of the number of values.
    """
    if sequence.count < enough:
        return "", enough - sequence.count
    if winner:
        return winner, 0
    low, high = sequence.interval()
    gap = abs(sequence.mean - neutral)
    if gap < SMALLEST_GAP:
        return "", None
    more = math.ceil(sequence.count * (((high - low) / 2 / gap) ** 2 - 1))
    return "", None if more > MOST_MORE else max(1, more)


def _power(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 700 else float("inf")


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
