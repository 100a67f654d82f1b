"""What the rows are about: how many of each model, variant and context value, and which rows are unlike the others."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from typing import Final

from rlhf_otel.datasets.gates.finding import PASSED, WARNED, Finding, Sample, rows
from rlhf_otel.datasets.gates.statistics import median_and_spread

MOST_VALUES: Final = 1000
"""A key with more different values is no key by which rows are told apart."""
LOPSIDED: Final = 0.9
FAR: Final = 5.0
"""Robust standard deviations of the logarithm of the length."""
TRL_TOKENS: Final = 1024
"""Reward training of TRL leaves out longer pairs without a word, by default."""
_PER_TOKEN: Final = 4  # characters, roughly
_FEWEST: Final = 20


class Balance:
    """Counts rows by everything that they can be told apart by."""

    name = "balance"

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._labels: Counter[bool] = Counter()

    def see(self, sample: Sample) -> None:
        """Counts a row."""
        if sample.label is not None:
            self._labels[sample.label] += 1
        for key, value in sample.lineage.get("about", {}).items():
            counts = self._counts[key]
            if len(counts) <= MOST_VALUES:
                counts[str(value)] += 1

    def finding(self) -> Finding:
        """The counts, and what is nearly everything."""
        told = {key: counts for key, counts in sorted(self._counts.items()) if 1 < len(counts) <= MOST_VALUES}
        facts: dict[str, object] = {key: dict(counts.most_common(20)) for key, counts in told.items()}
        if self._labels:
            facts["labels"] = {"good": self._labels[True], "bad": self._labels[False]}
        lopsided = [
            f"{counts.most_common(1)[0][1] / counts.total():.0%} have {key} {counts.most_common(1)[0][0]}"
            for key, counts in told.items()
            if counts.total() >= _FEWEST and counts.most_common(1)[0][1] > LOPSIDED * counts.total()
        ]
        if self._labels and len(self._labels) == 1:
            lopsided.append(f"every answer is {'good' if self._labels[True] else 'bad'}")
        status = WARNED if lopsided else PASSED
        says = "; ".join(lopsided) or f"no value of {', '.join(told) or 'any key'} has nearly all rows"
        return Finding(self.name, status, says, facts)


class Outliers:
    """Finds rows that are far longer or shorter than the others."""

    name = "outliers"

    def __init__(self) -> None:
        self._lengths = array("q")
        self._numbers = array("q")
        self._hits: list[int] | None = None

    def see(self, sample: Sample) -> None:
        """Takes the length of a row."""
        self._lengths.append(sum(map(len, sample.texts)))
        self._numbers.append(sample.number)

    @property
    def hits(self) -> list[int]:
        """The rows that are unlike the others."""
        if self._hits is None:
            scaled = [round(100 * math.log1p(length)) for length in self._lengths]
            middle, spread = median_and_spread(Counter(scaled))
            spread = max(spread, 10.0)
            found = zip(self._numbers, scaled, strict=True)
            many = len(scaled) >= _FEWEST
            self._hits = [number for number, value in found if many and abs(value - middle) > FAR * spread]
        return self._hits

    def finding(self) -> Finding:
        """How many rows, and how many a trainer would leave out."""
        long = sum(length > TRL_TOKENS * _PER_TOKEN for length in self._lengths)
        facts = {"rows": len(self.hits), "longest": max(self._lengths, default=0), "over_1024_tokens": long}
        parts = [f"{rows(len(self.hits))} far longer or shorter than the others"] if self.hits else []
        parts += [f"{rows(long)} probably over {TRL_TOKENS:,} tokens, which trainers cut or leave out"] if long else []
        says = "; ".join(parts) or "no row is far longer or shorter than the others"
        return Finding(self.name, WARNED if parts else PASSED, says, facts, self.hits)
