"""No row holds what a benchmark asks: a model that has seen the questions says nothing about others.

A row is a hit where it shares thirteen words in a row with a benchmark, or where one of its lines is a whole text of
one that is shorter. Words are compared without case and punctuation.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rlhf_otel.datasets.gates.finding import FAILED, PASSED, Finding, Sample, rows
from rlhf_otel.datasets.recipe import RecipeError

RUN: Final = 13
SHORTEST: Final = 4
"""Words; shorter texts are everybody's."""
_WORD: Final = re.compile(r"\w+")


class Benchmark:
    """Finds rows that are in a benchmark.

    Args:
        files: JSON, JSON lines, CSV or text; of the first three every text that is a value.
    """

    name = "benchmark"

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self._known: set[int] = set()
        self._whole: set[int] = set()
        self._from: Counter[str] = Counter()
        self.hits: list[int] = []
        for file in files:
            for text in _texts(Path(file)):
                self._learn(text, file)

    def _learn(self, text: str, file: str) -> None:
        words = _WORD.findall(text.lower())
        if len(words) >= RUN:
            self._known.update(_runs(words))
        elif len(words) >= SHORTEST:
            self._whole.add(hash(" ".join(words)))
        else:
            return
        self._from[Path(file).name] += 1

    def see(self, sample: Sample) -> None:
        """Looks at every text of a row."""
        if self._from and any(self._is_known(text) for text in sample.texts):
            self.hits.append(sample.number)

    def _is_known(self, text: str) -> bool:
        words = _WORD.findall(text.lower())
        if self._known and any(run in self._known for run in _runs(words)):
            return True
        lines = (_WORD.findall(line) for line in text.lower().splitlines()) if self._whole else ()
        return any(hash(" ".join(line)) in self._whole for line in (words, *lines))

    def finding(self) -> Finding:
        """How many rows, and what they were compared with."""
        facts = {"rows": len(self.hits), "texts": dict(sorted(self._from.items()))}
        if not self._files:
            return Finding(self.name, PASSED, "compared with no benchmark: none was named", facts)
        count = self._from.total()
        compared = f"{count:,} text{'' if count == 1 else 's'} of {', '.join(sorted(self._from)) or 'no file'}"
        if not self.hits:
            return Finding(self.name, PASSED, f"no row is among {compared}", facts)
        return Finding(self.name, FAILED, f"{rows(len(self.hits))} among {compared}", facts, self.hits)


def _runs(words: Sequence[str]) -> Iterator[int]:
    for start in range(len(words) - RUN + 1):
        yield hash(" ".join(words[start : start + RUN]))


def _texts(path: Path) -> Iterator[str]:
    """The texts of a benchmark.

    Raises:
        RecipeError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield from (text for row in csv.reader(file) for text in row)
            elif path.suffix == ".json":
                yield from _strings(json.load(file))
            elif path.suffix in (".jsonl", ".ndjson"):
                yield from (text for line in file if line.strip() for text in _strings(json.loads(line)))
            else:
                yield from file
    except (OSError, ValueError) as error:
        raise RecipeError(f"the benchmark {path} cannot be read: {error}") from None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
