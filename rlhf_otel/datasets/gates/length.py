"""How far length alone tells good answers from bad: what a model may learn instead of what people meant."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rlhf_otel.datasets.gates.finding import NOT_RUN, PASSED, WARNED, Finding, Sample
from rlhf_otel.datasets.gates.statistics import auc, wilson

BIASED_FROM = 0.6
"""Where the share of longer winners, all chance apart, is above this or below its opposite."""
FEWEST = 20


class LengthBias:
    """Compares the lengths of good and bad answers, in characters."""

    name = "length"

    def __init__(self) -> None:
        self._good: Counter[int] = Counter()
        self._bad: Counter[int] = Counter()
        self._longer = 0.0
        self._pairs = 0

    def see(self, sample: Sample) -> None:
        """Looks at a pair, or at an answer with a label."""
        lengths = [len(text) for text in sample.texts[1:]]
        if len(lengths) == 2:
            self._good[lengths[0]] += 1
            self._bad[lengths[1]] += 1
            self._pairs += 1
            self._longer += 0.5 if lengths[0] == lengths[1] else float(lengths[0] > lengths[1])
        elif sample.label is not None and lengths:
            (self._good if sample.label else self._bad)[lengths[0]] += 1

    def finding(self) -> Finding:
        """The area under the curve of a classifier that knows the length alone, and the share of longer winners."""
        area = auc(self._good, self._bad)
        if area is None:
            return Finding(self.name, NOT_RUN, "there are not both good and bad answers")
        facts: dict[str, Any] = {"auc": round(area, 4), "good": self._good.total(), "bad": self._bad.total()}
        says = f"length alone tells good from bad with an AUC of {area:.2f}"
        count = min(facts["good"], facts["bad"])
        low, high = wilson(area * count, count)
        if self._pairs:
            share = self._longer / self._pairs
            low, high = wilson(self._longer, self._pairs)
            facts |= {"longer_wins": round(share, 4), "pairs": self._pairs}
            says += f"; the longer answer wins {share:.0%} of the time"
        is_biased = count >= FEWEST and (low > BIASED_FROM or high < 1 - BIASED_FROM)
        return Finding(self.name, WARNED if is_biased else PASSED, says, facts)
