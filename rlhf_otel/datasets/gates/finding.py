"""What gates see, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

PASSED: Final = "passed"
WARNED: Final = "warned"
FAILED: Final = "failed"
NOT_RUN: Final = "not run"
MOST_ROWS: Final = 20
"""So many rows at most are named by a finding."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row as gates see it.

    Attributes:
        number: its place, from 0.
        texts: prompt, answer and, of a pair, the worse answer.
        label: whether the answer is a good one, where rows say so.
        lineage: what it rests on; empty where nothing is known.
        conversation: names where it comes from; empty where unknown.
        prompt: names what was asked, but for case and spaces.
        split: train or test; empty before that is decided.
    """

    number: int
    texts: Sequence[str]
    label: bool | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    conversation: bytes = b""
    prompt: bytes = b""
    split: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one gate found.

    Attributes:
        gate: its name.
        status: passed, warned, failed or not run.
        says: what was found, in a sentence.
        facts: the numbers.
        rows: some of the rows that it is about.
    """

    gate: str
    status: str
    says: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[int | str] = ()

    def as_json(self) -> dict[str, Any]:
        """The finding as reports have it."""
        shown = {"gate": self.gate, "status": self.status, "says": self.says, "facts": dict(self.facts)}
        return {**shown, "rows": list(self.rows[:MOST_ROWS])} if self.rows else shown


class Gate(Protocol):
    """Looks at every row once, then says what it found."""

    name: str

    def see(self, sample: Sample) -> None:
        """Looks at a row."""

    def finding(self) -> Finding:
        """What was found."""


class Finder(Gate, Protocol):
    """A gate that finds rows which can be left out."""

    hits: list[int]


def rows(count: int) -> str:
    """So many rows, in words."""
    return "1 row" if count == 1 else f"{count:,} rows"
