"""What the benchmarks share: rows with a target, how they are printed, child processes, environments of their own."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENVS = ROOT / ".venvs"


@dataclass(frozen=True)
class Row:
    """One figure: what was added, and how that compares with what it is held against.

    Attributes:
        name: what was measured.
        variant: of what.
        added: over bare, in `unit`.
        unit: us, s, KB, %, or nothing for a plain number.
        ratio: `added` over the reference's; None where the figure itself has the target.
        target: the highest ratio, or the highest `added` where there is none, that meets the budget; None without one.
        note: what else a reader should know.
    """

    name: str
    variant: str
    added: float
    unit: str
    ratio: float | None = None
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or where noise drowned what it is a ratio of."""
        if self.target is None or (self.ratio is not None and self.ratio < 0 < self.added):
            return None
        return (self.added if self.ratio is None else self.ratio) <= self.target


def print_rows(rows: Sequence[Row], title: str) -> None:
    """Prints the table that a person reads."""
    header = ("what", "variant", "added", "ratio", "target", "", "")
    lines = [header, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    print(title)
    for line in lines:
        left = (f"{line[0]:{widths[0]}}", f"{line[1]:{widths[1]}}")
        right = [f"{cell:>{width}}" for cell, width in zip(line[2:5], widths[2:5], strict=True)]
        print("  ".join((*left, *right, f"{line[5]:{widths[5]}}", line[6])).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    digits = {"s": 3, "KB": 2, "%": 3}.get(row.unit, 1)
    unit = "" if row.ratio is not None else f" {row.unit}"
    return (
        row.name,
        row.variant,
        f"{row.added:+.{digits}f} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.2f}x",
        "" if row.target is None else f"<= {row.target:g}{unit or 'x'}",
        {True: "met", False: "MISSED", None: ""}[row.met],
        row.note,
    )


def as_json(rows: Sequence[Row]) -> str:
    """The same for a program."""
    return json.dumps([{**asdict(row), "met": row.met} for row in rows])


def arguments(description: str | None, *, rounds: int, names: Sequence[str] = ()) -> argparse.Namespace:
    """The options that every benchmark takes, and a choice among `names` where there are any."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="a few seconds: shows that it runs, not what it costs")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often all is repeated (default {rounds})")
    if names:
        parser.add_argument("names", nargs="*", choices=[[], *names], metavar="NAME", help=f"which: {', '.join(names)}")
    return parser.parse_args()


def show(rows: Sequence[Row], title: str, options: argparse.Namespace) -> None:
    """Prints what was measured, as was asked for."""
    if options.json:
        print(as_json(rows))
    else:
        print_rows(rows, title)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie: a low one leaves out what other processes did to us."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def clean_environment(**more: str) -> dict[str, str]:
    """This environment without a setting of Python's, OpenTelemetry's or ours, and without keys.

    Python's own go so that compiled modules are kept, as in any installation; else every start would compile us.
    """
    unwanted = ("OTEL_", "RLHF_OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHON")
    kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, **more}


def environment(name: str, *packages: str) -> Path:
    """The `bin` folder of an environment with `packages`, made on first use in `.venvs`, which git ignores."""
    home = VENVS / name
    made = home / "made-of.txt"
    wanted = "\n".join(packages)
    binaries = home / ("Scripts" if os.name == "nt" else "bin")
    if not made.exists() or made.read_text() != wanted:
        print(f"making the environment {name} ...", file=sys.stderr)
        venv.create(home, with_pip=True, clear=True)
        install = [str(binaries / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *packages], check=True, stdout=sys.stderr)
        made.write_text(wanted)
    return binaries
