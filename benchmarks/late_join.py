"""How long feedback takes that comes 90 days after its call, in a store with many calls: stored, and joined when read.

    python benchmarks/late_join.py [--interactions N] [--store FILE] [--quick] [--json]

A vote is added, which is on the disk when that returns, and then the call is read by its span id with what counts on
it. Calls are taken at random, so that none is warm. Named by span and trace, as from a handle or a token; by the span
alone; and by the place in its session. `--store` is copied first: nothing is written into it. Beside each vote a page
is written to another file of the same disk and flushed, which is what a commit waits for on any store.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from export import fill
from harness import Row, percentile, show

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

DAY = 86_400 * 10**9
LONGEST_MS = 20.0
WAYS: dict[str, Callable[[Interaction], dict[str, Any]]] = {
    "span and trace": lambda call: {"span_id": call.span_id, "trace_id": call.trace_id},
    "span": lambda call: {"span_id": call.span_id},
    "session and turn": lambda call: {"session": call.session, "turn": 0},
}


def some(store: Store, count: int, chance: random.Random) -> list[Interaction]:
    """Calls from all over the store."""
    first, last = (next(store.interactions(limit=1, newest_first=newest)).start_ns for newest in (False, True))
    starts = sorted(chance.randrange(first, last) for _ in range(count))
    return [next(store.interactions(limit=1, since_ns=start, newest_first=False)) for start in starts]


def flushed(file: Any) -> float:
    """Seconds until a page is on the disk."""
    began = time.perf_counter()
    file.write(bytes(4096))
    file.flush()
    os.fsync(file.fileno())
    return time.perf_counter() - began


def measured(
    store: Store, file: Any, calls: list[Interaction], named: Callable[[Interaction], dict[str, Any]]
) -> Iterator[Any]:
    """Seconds until each vote was stored, until it was joined, and until a page was on the disk."""
    for call in calls:
        vote = Feedback(id=f"late:{time.time_ns()}", name="user_feedback", kind="binary", value=True, rater="u1",
                        time_ns=call.start_ns + 90 * DAY, **named(call))  # fmt: skip
        began = time.perf_counter()
        store.add(feedback=[vote])
        stored = time.perf_counter()
        found = store.interaction(call.span_id)
        assert found is not None
        counted = store.feedback_on([found])[found.span_id]
        joined = time.perf_counter()
        if "session" not in named(call) and vote.id not in {each.id for each in counted}:
            raise RuntimeError(f"{vote.id} was not joined with {call.span_id}")
        yield stored - began, joined - stored, flushed(file)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--interactions", type=int, default=1_000_000, help="calls in the store that is made")
    parser.add_argument("--store", type=Path, help="a store that is there")
    parser.add_argument("--votes", type=int, default=500, help="how many of each kind")
    parser.add_argument("--quick", action="store_true", help="shows that it runs, not what it costs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    votes = 20 if options.quick else options.votes
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.db"
        if options.store:
            shutil.copyfile(options.store, path)
        else:
            fill(path, 2000 if options.quick else options.interactions)
        with Store.open(path) as store, (Path(folder) / "page").open("wb") as file:
            calls = some(store, votes * len(WAYS), random.Random(3))
            random.Random(4).shuffle(calls)
            for number, (name, named) in enumerate(WAYS.items()):
                times = list(measured(store, file, calls[number * votes : (number + 1) * votes], named))
                stored, joined, pages = ([1000 * each for each in kind] for kind in zip(*times, strict=True))
                both = [one + other for one, other in zip(stored, joined, strict=True)]
                note = f"p50 {percentile(both, 0.5):.1f} ms; a page alone: p95 {percentile(pages, 0.95):.1f} ms"
                rows.append(Row("stored and joined, p95", name, percentile(both, 0.95), "ms", None, LONGEST_MS, note))
                rows.append(Row("of that joined, p95", name, percentile(joined, 0.95), "ms", None, LONGEST_MS))
    show(rows, "Feedback 90 days after its call", options)


if __name__ == "__main__":
    main()
