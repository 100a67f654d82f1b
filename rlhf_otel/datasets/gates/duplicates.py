"""Rows that say nearly the same: MinHash by `rensa`, then the exact overlap of what looks alike.

Rows are compared by the runs of three words that they share, in each of their texts. Of each row sixteen hashes go
into a file, which is sorted there: what is alike comes to lie together, in time that grows with the rows about as
sorting does, and in flat memory.
"""

from __future__ import annotations

import json
import re
import sqlite3
import struct
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from rlhf_otel.datasets.gates.finding import NOT_RUN, PASSED, WARNED, Finding, Sample, rows

ALIKE: Final = 0.8
"""Share of the runs of words, of those in either row, that are in both: of prompt, answer and worse answer alike."""
END_OF_PROMPT: Final = 400
"""Characters of the prompt that help to find what is alike; a long prompt in common does not make rows alike."""
BANDS: Final = 16
ROWS_IN_BAND: Final = 5
WORDS: Final = 3
_WORD: Final = re.compile(r"\w+")
_PRIME: Final = 2**61 - 1
"""What bands are taken by the remainder of: they have to fit into a column, and no two rows by chance."""
HINT: Final = "near duplicates were not looked for: pip install 'rlhf-otel[datasets]'"


class Clusters:
    """Which rows belong together, as a forest: of each row the number of another, the smallest of all at the root."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def root(self, number: int) -> int:
        """The smallest number of the rows that belong with this one."""
        parents = self._parents
        while number in parents:
            above = parents[number]
            if above in parents:
                parents[number] = parents[above]
            number = above
        return number

    def join(self, one: int, other: int) -> None:
        """These belong together."""
        one, other = sorted((self.root(one), self.root(other)))
        if one != other:
            self._parents[other] = one


class NearDuplicates:
    """Finds rows that say nearly the same.

    Args:
        db: where the hashes are sorted; needs the tables `band` and `draft` of the shelf.
        wanted: whether to look at all.
    """

    name = "near-duplicates"

    def __init__(self, db: sqlite3.Connection, *, wanted: bool = True) -> None:
        self._db = db
        self._minhash = minhash() if wanted else None
        self._wanted = wanted
        self.hits: list[int] = []

    def see(self, sample: Sample) -> None:
        """Puts down the hashes of a row."""
        if self._minhash is None:
            return
        sketch = self._minhash(num_perm=BANDS * ROWS_IN_BAND, seed=1)
        prompt, *said = sample.texts
        runs = [
            f"{place}:{run}" for place, text in enumerate((prompt[-END_OF_PROMPT:], *said)) for run in shingles(text)
        ]
        sketch.update(runs)
        packed = struct.pack(f"<{BANDS * ROWS_IN_BAND}I", *sketch.digest())
        size = 4 * ROWS_IN_BAND
        bands = (int.from_bytes(packed[place * size : (place + 1) * size], "little") + place for place in range(BANDS))
        numbers = [(band % _PRIME, sample.number) for band in bands]
        self._db.executemany("INSERT INTO band VALUES (?, ?)", numbers)

    def join(self, clusters: Clusters) -> None:
        """Joins rows that are alike, and notes each that is like an earlier one."""
        found: set[int] = set()
        for first, number in self._candidates():
            if number not in found and self._are_alike(first, number):
                clusters.join(first, number)
                found.add(number)
        self._db.execute("DELETE FROM band")
        self.hits = sorted(found)

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Pairs of rows that share a band: each with the one before it and with the first."""
        current, first, before = None, 0, 0
        for band, number in self._db.cursor().execute("SELECT hash, draft FROM band ORDER BY hash, draft"):
            if band != current:
                current, first, before = band, number, number
                continue
            yield before, number
            if first != before:
                yield first, number
            before = number

    def _are_alike(self, one: int, other: int) -> bool:
        texts = zip(self._texts(one), self._texts(other), strict=False)
        return all(overlap(first, second) >= ALIKE for first, second in texts)

    def _texts(self, number: int) -> list[str]:
        (texts,) = self._db.execute("SELECT texts FROM draft WHERE id = ?", (number,)).fetchone()
        made: list[str] = json.loads(texts)
        return made

    def finding(self) -> Finding:
        """How many rows are nearly the same as an earlier one."""
        if self._minhash is None:
            return Finding(self.name, NOT_RUN, HINT if self._wanted else "not asked for")
        facts = {"rows": len(self.hits), "alike_from": ALIKE}
        if not self.hits:
            return Finding(self.name, PASSED, "no row is nearly the same as another", facts)
        return Finding(self.name, WARNED, f"{rows(len(self.hits))} nearly the same as an earlier one", facts, self.hits)


def minhash() -> Any:
    """The class that makes sketches; None where its package is not installed."""
    try:
        return import_module("rensa").RMinHash
    except ImportError:
        return None


def shingles(text: str) -> set[str]:
    """Every run of three words; a shorter text is one by itself."""
    words = _WORD.findall(text.lower())
    if len(words) < WORDS:
        return {" ".join(words)}
    return set(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def overlap(one: str, other: str) -> float:
    """The share of the runs of words in either text that are in both."""
    if one == other:
        return 1.0
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)
