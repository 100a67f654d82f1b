"""What recording a call adds, in microseconds of CPU time, beside a hand-written floor.

Each variant lives in a process of its own, so that it is really on or really absent: bare, the floor (`floor.py`), ours
on its own provider and ours on a provider that the application set. All are alive at once. A round asks every process
for a few dozen calls of every case, in random order, one process at a time; so whatever else the machine does falls on
all alike. The figure of a case is the 10th percentile of thread CPU time over all its calls, less that of bare. `bare2`
is bare once more: what it "adds" is the noise.

The rows "whole process" take the CPU time of all threads, export thread and OTLP encoding included, up to the point
where everything is delivered to an exporter that throws the bytes away; their figure is the median of the rounds.

python benchmarks/cost.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from harness import HERE, Row, arguments, clean_environment, percentile, show
from variants import VARIANTS

CASES = {
    "openai chat": 60,
    "openai chat, async": 60,
    "openai stream of 500": 20,
    "openai stream of 500, async": 20,
    "anthropic message": 60,
    "anthropic message, async": 60,
    "anthropic stream of 500": 20,
    "anthropic stream of 500, async": 20,
    "anthropic, 200 KB in 50 turns": 20,
}
WHOLE = {"openai chat": 100, "openai stream of 500": 40, "anthropic message": 100}
APART = ("bare", "bare2", "floor", "own", "foreign", "sampled out")
TOGETHER = ("bare", "bare2", "floor exported", "own exported")
TARGETS = {"own": 1.0, "foreign": 1.5, "sampled out": 1.0, "own exported": 1.5}
_LABELS = {"own": "own provider", "foreign": "foreign provider", "sampled out": "sampled out, held",
           "own exported": "own provider"}  # fmt: skip

Question = tuple[str, str, bool]
"""Variant, case, whether of the whole process."""


class Command(NamedTuple):
    """How the process of a variant is started, and what is added to its environment variables."""

    line: tuple[str, ...]
    environment: Mapping[str, str] = MappingProxyType({})


def command(variant: str) -> Command:
    """That of a variant of `variants.py`."""
    return Command((sys.executable, str(HERE / "variants.py"), variant))


class Child:
    """The process of one variant."""

    def __init__(self, variant: str, command: Command, folder: str) -> None:
        self.variant = variant
        self._process = subprocess.Popen(
            command.line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder,
            env=clean_environment(**command.environment),
        )  # fmt: skip

    def ask(self, case: str, calls: int, *, whole: bool) -> list[float]:
        """Microseconds of each call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"case": case, "calls": calls, "whole": whole}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.variant} failed at {case!r}")
        return [taken / 1e3 for taken in json.loads(line)]

    def close(self) -> None:
        """Ends the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def questions() -> list[Question]:
    """What is asked in one round."""
    asked = [(variant, case, False) for case in CASES for variant in APART]
    return asked + [(variant, case, True) for case in WHOLE for variant in TOGETHER]


def measure(
    commands: Mapping[str, Command], asked: Sequence[Question], rounds: int, share: float
) -> dict[Question, list[float]]:
    """All figures of all rounds.

    Args:
        commands: how the process of each variant is started.
        asked: what is asked in one round.
        rounds: how many.
        share: the part of the usual number of calls to make in each.
    """
    taken: dict[Question, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        children = {variant: Child(variant, command, folder) for variant, command in commands.items()}
        try:
            for _ in range(rounds):
                for variant, case, whole in random.sample(asked, len(asked)):
                    calls = max(2, int((WHOLE if whole else CASES)[case] * share))
                    taken[variant, case, whole] += children[variant].ask(case, calls, whole=whole)
        finally:
            for child in children.values():
                child.close()
    return taken


def rows(taken: dict[Question, list[float]]) -> list[Row]:
    """The table: for each case the noise, the floor and ours."""
    made = []
    for case in CASES:
        figure = {variant: percentile(taken[variant, case, False], 0.1) for variant in APART}
        made += _rows(case, figure, "floor")
    for case in WHOLE:
        figure = {variant: percentile(taken[variant, case, True], 0.5) for variant in TOGETHER}
        made += _rows(f"whole process: {case}", figure, "floor exported")
    return made


def _rows(name: str, figure: dict[str, float], reference: str) -> list[Row]:
    bare = figure["bare"]
    added = {variant: value - bare for variant, value in figure.items()}
    made = [
        Row(name, "noise", added["bare2"], "us", note=f"bare takes {bare:.0f} us"),
        Row(name, "floor", added[reference], "us", 1.0),
    ]
    for variant, target in TARGETS.items():
        if variant in added:
            made.append(Row(name, _LABELS[variant], added[variant], "us", added[variant] / added[reference], target))
    return made


def main() -> None:
    """Measures and prints."""
    options = arguments(__doc__, rounds=30)
    commands = {variant: command(variant) for variant in VARIANTS}
    taken = measure(commands, questions(), 1 if options.quick else options.rounds, 0.1 if options.quick else 1.0)
    show(rows(taken), "CPU time added to a call (ratio: to the floor)", options)


if __name__ == "__main__":
    main()
