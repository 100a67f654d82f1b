"""All benchmarks of the capture path, one after the other, and one table. About 40 minutes on two quiet cores.

python benchmarks/run.py [--quick] [--json] [NAME...]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

from harness import HERE, Row, as_json, print_rows

BENCHMARKS = ("cost", "memory", "weight", "startup", "launch", "peers", "durability")


def measured(name: str, *, quick: bool) -> list[Row]:
    """The rows of one benchmark; what it says on the way goes to stderr."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", *(["--quick"] if quick else [])]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        print(f"{name} failed", file=sys.stderr)
        return []
    return [Row(**{key: value for key, value in row.items() if key != "met"}) for row in json.loads(run.stdout)]


def main() -> int:
    """Measures and prints.

    Returns:
        0, or 1 where a benchmark did not run to its end. A missed target is no failure.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quick", action="store_true", help="shows that all of them run, not what they cost")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)}")
    options = parser.parse_args()
    names = options.names or BENCHMARKS
    if unknown := set(names).difference(BENCHMARKS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    tables = []
    for place, name in enumerate(names, 1):
        print(f"{place} of {len(names)}: {name}, since {time.strftime('%H:%M')}", file=sys.stderr, flush=True)
        tables.append(measured(name, quick=options.quick))
    rows = [row for table in tables for row in table]
    if options.json:
        print(as_json(rows))
    else:
        print_rows(
            rows,
            "What recording costs (ratio: to the floor, or to what the row names)",
        )
        missed = sum(row.met is False for row in rows)
        print(f"\n{missed} of {sum(row.target is not None for row in rows)} targets missed")
    return 0 if all(tables) else 1


if __name__ == "__main__":
    sys.exit(main())
