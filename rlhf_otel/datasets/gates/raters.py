"""How far raters agree, who seems to draw lots, and who takes what is shown first."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rlhf_otel.datasets.drafts import hashed
from rlhf_otel.datasets.gates.finding import NOT_RUN, PASSED, WARNED, Finding
from rlhf_otel.datasets.gates.statistics import Alpha, wilson
from rlhf_otel.datasets.votes import Vote, agreements, one_per_rater

FEWEST_VOTES: Final = 10
LOW_ALPHA: Final = 0.2
CLEARLY: Final = 0.05
"""By how much less often at least a rater agrees who stands out."""
_SURE: Final = 2.58  # both sides of a 99 % interval
_POSITION_Z: Final = 3.3


class Raters:
    """Takes what several raters said of the same, pair by pair or answer by answer."""

    name = "raters"

    def __init__(self) -> None:
        self._alpha = Alpha()
        self._scores = Alpha(interval=True)
        self._tallies: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self._first: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def hear_pair(self, votes: Sequence[Vote]) -> None:
        """Takes the votes on one pair."""
        cast = one_per_rater(votes)
        self._alpha.add(better for _, better in cast)
        for rater, (agreed, of) in agreements([votes]).items():
            self._tallies[rater][0] += agreed
            self._tallies[rater][1] += of
        for vote in votes:
            if vote.shown_first is not None and vote.better:
                self._first[vote.rater][0] += vote.shown_first
                self._first[vote.rater][1] += 1

    def hear_scores(self, by_rater: Mapping[str, float]) -> None:
        """Takes the scores of one answer; raters agree where both are on the same side of the middle."""
        self._scores.add(by_rater.values())
        sides = {rater: (score > 0.5) - (score < 0.5) for rater, score in by_rater.items()}
        for rater, side in sides.items():
            others = sum(sides.values()) - side
            if others and side:
                self._tallies[rater][0] += (others > 0) == (side > 0)
                self._tallies[rater][1] += 1

    def finding(self) -> Finding:
        """Alpha, and the raters that stand out."""
        if not self._alpha.units and not self._scores.units:
            return Finding(self.name, NOT_RUN, "nothing was judged by two raters")
        alphas = {"alpha": self._alpha.value(), "alpha_of_scores": self._scores.value()}
        known = {name: round(value, 4) for name, value in alphas.items() if value is not None}
        noisy, biased = self.noisy(), self.biased()
        facts = {
            **known,
            "judged_by_several": self._alpha.units + self._scores.units,
            "noisy": {hashed(rater): share for rater, share in noisy.items()},
            "by_position": {hashed(rater): share for rater, share in biased.items()},
        }
        parts = [f"Krippendorff's alpha {value:.2f}" for value in known.values()] or ["everybody always said the same"]
        parts += [f"{len(noisy)} rater(s) agree with the others far less than usual"] if noisy else []
        parts += [f"{len(biased)} rater(s) choose by what is shown first"] if biased else []
        is_low = any(value < LOW_ALPHA for value in known.values())
        return Finding(self.name, WARNED if noisy or biased or is_low else PASSED, "; ".join(parts), facts)

    def noisy(self) -> dict[str, float]:
        """Raters who agree with the others clearly less often than everybody else does, with their share."""
        agreed = sum(tally[0] for tally in self._tallies.values())
        of = sum(tally[1] for tally in self._tallies.values())
        found = {}
        for rater, (own, own_of) in sorted(self._tallies.items()):
            rest = (agreed - own) / (of - own_of) if of > own_of else 0.0
            if own_of >= FEWEST_VOTES and wilson(own, own_of, _SURE)[1] < rest - CLEARLY:
                found[rater] = round(own / own_of, 4)
        return found

    def biased(self) -> dict[str, float]:
        """Raters whose choice hangs on which side was shown first, with how often they took that."""
        found = {}
        for rater, (first, of) in sorted(self._first.items()):
            if of >= FEWEST_VOTES and abs(2 * first - of) / math.sqrt(of) > _POSITION_Z:
                found[rater] = round(first / of, 4)
        return found


def hear_pairs(raters: Raters, pairs: Iterable[Sequence[Vote]]) -> Raters:
    """Has `raters` take the votes of all pairs."""
    for votes in pairs:
        raters.hear_pair(votes)
    return raters
