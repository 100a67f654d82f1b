"""Rows whose label is in doubt: the raters were divided, or another row says the opposite."""

from __future__ import annotations

from typing import Final

from rlhf_otel.datasets.gates.finding import PASSED, WARNED, Finding, Sample, rows

DIVIDED: Final = 0.667
"""Up to this agreement a row is in doubt."""


class LabelNoise:
    """Lists rows that somebody should look at."""

    name = "label-noise"

    def __init__(self) -> None:
        self._said: set[int] = set()
        self._divided: list[int] = []
        self._contradicting: list[int] = []

    def see(self, sample: Sample) -> None:
        """Looks at a row. What it contradicts came before it."""
        if sample.lineage.get("agreement", 1.0) <= DIVIDED:
            self._divided.append(sample.number)
        said, opposite = _claims(sample)
        if hash(opposite) in self._said:
            self._contradicting.append(sample.number)
        self._said.add(hash(said))

    def finding(self) -> Finding:
        """How many rows, and why."""
        facts = {"divided": len(self._divided), "contradicting": len(self._contradicting)}
        parts = [f"{rows(len(self._divided))} on which raters were divided"] if self._divided else []
        if self._contradicting:
            parts.append(f"{rows(len(self._contradicting))} of which another says the opposite")
        doubtful = [*self._contradicting, *self._divided]
        status = WARNED if doubtful else PASSED
        return Finding(self.name, status, "; ".join(parts) or "no row contradicts another", facts, doubtful)


def _claims(sample: Sample) -> tuple[object, object]:
    """What a row says, and what would be the opposite."""
    prompt, *said = sample.texts
    if len(said) == 2:
        return (prompt, said[0], said[1]), (prompt, said[1], said[0])
    return (prompt, *said, sample.label), (prompt, *said, not sample.label if sample.label is not None else "")
