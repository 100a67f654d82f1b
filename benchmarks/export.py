"""What making a dataset costs: memory, and rows a second beside a plain dump of the same rows from the same store.

    python benchmarks/export.py [--interactions N] [--store FILE] [--quick] [--json] [NAME...]

The store has short chats with 5 % of the calls rated: pairs of answers to one prompt of which one is preferred. The
dump is what one would write by hand: every call read from SQLite, its messages put together, one line of JSON each; no
consent, no feedback, no gates. `near` shows how the cost of near duplicates grows with the rows. CPU time, each run in
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Row, as_json, print_rows

from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import Recipe, make_dataset
from rlhf_otel.datasets.gates.duplicates import Clusters, NearDuplicates
from rlhf_otel.datasets.gates.finding import Sample
from rlhf_otel.datasets.shelf import Shelf
from rlhf_otel.records import Feedback, Interaction, Message
from rlhf_otel.store import Store

WORDS = [
    "the",
    "model",
    "answers",
    "a",
    "question",
    "about",
    "rivers",
    "gardens",
    "engines",
    "letters",
    "bridges",
    "winters",
    "candles",
    "and",
    "paper",
]
RATED = 0.05
BATCH = 2000
START = 1_790_000_000_000_000_000
SECOND = 10**9
RUNS = ("dump", "jsonl", "dpo", "kto")
NEAR = (10_000, 100_000, 1_000_000)
MOST_MEMORY_MB, LEAST_RATIO = 300, 0.3


def said(chance: random.Random, role: str, words: int) -> Message:
    """A message."""
    return {"role": role, "parts": [{"type": "text", "content": " ".join(chance.choices(WORDS, k=words))}]}


def calls(count: int) -> Iterator[tuple[Interaction, list[Feedback]]]:
    """Two calls with one prompt at a time; of some the first is preferred."""
    chance = random.Random(1)
    for number in range(0, count, 2):
        asked = [said(chance, "user", 30)]
        pair = [
            Interaction(
                trace_id=f"{chance.getrandbits(128):032x}", span_id=f"{chance.getrandbits(64):016x}",
                start_ns=START + place * SECOND,
                end_ns=START + place * SECOND + SECOND, operation="chat", provider="openai", request_model="m",
                session=f"s{number // 8}", consent="train", input=asked, output=[said(chance, "assistant", 60)],
                input_tokens=40, output_tokens=80, finish_reasons=("stop",),
            )
            for place in (number, number + 1)
        ]  # fmt: skip
        given = []
        if chance.random() < RATED:
            spans = [one.span_id for one in pair]
            given = [
                Feedback(id=f"p{number}", name="preference", kind="preference", time_ns=START, span_id=spans[0],
                         chosen=spans[0], rejected=spans[1], rater=f"r{number % 50}"),
                Feedback(id=f"t{number}", name="user_feedback", kind="binary", time_ns=START, span_id=spans[0],
                         value=bool(number % 4), rater=f"r{number % 50}"),
            ]  # fmt: skip
        yield pair[0], given
        yield pair[1], []


def fill(path: Path, count: int) -> None:
    """Makes the store."""
    with Store.open(path) as store:
        batch: list[tuple[Interaction, list[Feedback]]] = []
        for record in calls(count):
            batch.append(record)
            if len(batch) == BATCH:
                store.add([one for one, _ in batch], [each for _, given in batch for each in given])
                batch = []
        store.add([one for one, _ in batch], [each for _, given in batch for each in given])


def dump(path: Path, out: Path) -> int:
    """Every call, as one would write it by hand."""
    count = 0
    with Store.open(path, read_only=True) as store, out.open("w", encoding="utf-8") as file:
        for one in store.interactions(newest_first=False):
            row = {
                "span_id": one.span_id, "trace_id": one.trace_id, "start_ns": one.start_ns, "session": one.session,
                "model": one.request_model, "input": one.input, "output": one.output,
            }  # fmt: skip
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def export(path: Path, out: Path, name: str) -> int:
    """The calls that were read for a dataset."""
    recipe = Recipe(format=name)
    with Store.open(path, read_only=True) as store:
        outcome = make_dataset(read(store, recipe), recipe, out)
    return sum(outcome.rows.values())


def fill_shelf(shelf: Shelf, count: int) -> None:
    """So many rows, of which every tenth is like the one before it."""
    chance = random.Random(2)
    before: list[str] = []
    for number in range(1, count + 1):
        texts = [" ".join(chance.choices(WORDS, k=words)) for words in (30, 60, 60)]
        texts = [*before[:2], f"{before[2]} indeed"] if number % 10 == 0 else texts
        before = texts
        shelf.db.execute("INSERT INTO draft (id, texts) VALUES (?, ?)", (number, json.dumps(texts)))


def near(shelf: Shelf) -> int:
    """Looks for near duplicates among the rows of a shelf."""
    gate = NearDuplicates(shelf.db)
    for number, texts in shelf.db.cursor().execute("SELECT id, texts FROM draft ORDER BY id"):
        gate.see(Sample(number=number, texts=json.loads(texts)))
    gate.join(Clusters())
    return len(gate.hits)


def child(name: str, path: Path) -> None:
    """One run; prints its rows, its CPU seconds and its peak memory."""
    with tempfile.TemporaryDirectory() as folder, Shelf() as shelf:
        if name.startswith("near-"):
            fill_shelf(shelf, int(name.removeprefix("near-")))
        start = time.process_time()
        if name.startswith("near-"):
            count = near(shelf)
        else:
            out = Path(folder) / "out"
            count = dump(path, out) if name == "dump" else export(path, out, name)
        seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": count, "seconds": seconds, "peak_mb": peak}))


def measured(name: str, path: Path) -> dict[str, float]:
    """One run in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--store", str(path)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(ended.stdout))


def rows(path: Path, names: list[str], nears: list[int], calls_in_store: int) -> Iterator[Row]:
    """The table."""
    plain = measured("dump", path)
    yield Row("plain dump", f"{calls_in_store:,} calls", plain["seconds"], "s", note=f"{plain['peak_mb']:.0f} MB")
    for name in names:
        told = measured(name, path)
        speed = plain["seconds"] / told["seconds"]
        note = f"{told['rows']:,.0f} rows; {speed:.2f} x the calls/s of the dump (>= {LEAST_RATIO})"
        yield Row(f"export {name}", "CPU time", told["seconds"], "s", told["seconds"] / plain["seconds"],
                  1 / LEAST_RATIO, note)  # fmt: skip
        yield Row(f"export {name}", "peak memory", told["peak_mb"], "MB", target=MOST_MEMORY_MB)
    for count in nears:
        told = measured(f"near-{count}", path)
        note = f"{told['rows']:,.0f} found, {1e6 * told['seconds'] / count:.0f} us a row"
        yield Row("near duplicates", f"{count:,} rows", told["seconds"], "s", note=note)
        yield Row("near duplicates", f"{count:,} rows", told["peak_mb"], "MB", target=MOST_MEMORY_MB)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--interactions", type=int, default=100_000, help="calls in the store (default 100,000)")
    parser.add_argument("--store", type=Path, help="a store that was made before, or where to make it and keep it")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, not what it costs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(RUNS[1:])}, near")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.store)
        return
    names = options.names or [*RUNS[1:], "near"]
    count = 2000 if options.quick else options.interactions
    nears = [size for size in NEAR if size <= max(count, NEAR[0])] if "near" in names and not options.quick else []
    with tempfile.TemporaryDirectory() as folder:
        path = options.store or Path(folder) / "store.db"
        if not path.exists():
            fill(path, count)
        made = list(rows(path, [name for name in names if name != "near"], nears, count))
    print(as_json(made)) if options.json else print_rows(made, "What making a dataset costs, beside a plain dump")


if __name__ == "__main__":
    main()
