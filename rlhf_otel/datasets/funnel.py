"""Counts how interactions become rows, and why others do not."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Funnel:
    """What came in at each stage, what went on, and what was left out by reason.

    Args:
        stages: their names, in their order.
    """

    def __init__(self, *stages: str) -> None:
        self._stages: dict[str, Counter[str]] = {stage: Counter() for stage in stages}
        self._went_on: Counter[str] = Counter()

    def passed(self, stage: str, count: int = 1) -> None:
        """So many went on from `stage`."""
        self._went_on[stage] += count

    def dropped(self, stage: str, reason: str, count: int = 1) -> None:
        """So many were left out at `stage` for `reason`."""
        if count:
            self._stages[stage][reason] += count

    def as_json(self) -> list[dict[str, Any]]:
        """The stages: `in`, `out`, and `dropped` by reason, the most frequent first."""
        return [
            {
                "stage": stage,
                "in": self._went_on[stage] + sum(reasons.values()),
                "out": self._went_on[stage],
                "dropped": dict(sorted(reasons.items(), key=lambda each: (-each[1], each[0]))),
            }
            for stage, reasons in self._stages.items()
        ]
