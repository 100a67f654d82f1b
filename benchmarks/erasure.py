"""Erases a person among a million calls: how long it takes, and how many bytes of them are left anywhere.

    python benchmarks/erasure.py                     builds a store, which takes a few minutes
    python benchmarks/erasure.py --store calls.db    works on a copy of this one

The person's calls are spread over the whole store. What is looked for afterwards, in every file of the data directory,
the log and unused pages included: a mark that is in all their ids, and the bytes of what was stored of their messages.
An application goes on writing all the while; the longest that it waited is told.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from harness import Row, print_rows

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store, StoreError

MARK = "canary-7f3a9c"
USER = f"{MARK}-user"
CALLS, SAMPLE, BATCH = 1000, 20, 500
TARGET_S = 60.0


def text(chance: random.Random) -> str:
    """Some words that nobody else says."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=chance.randrange(40, 400)))


def call(number: int, chance: random.Random, user: str, mark: str) -> Interaction:
    """A call with words of its own."""
    said = [{"role": role, "parts": [{"type": "text", "content": text(chance)}]} for role in ("user", "assistant")]
    start = 1_700_000_000 * 10**9 + number * 10**6
    return Interaction(
        trace_id=f"{chance.getrandbits(128) | 1:032x}", span_id=f"{chance.getrandbits(64) | 1:016x}", start_ns=start,
        end_ns=start + 10**9, operation="chat", provider="openai", request_model="m", user=user,
        session=f"{mark}-session-{number // 8}", message_id=f"{mark}-{chance.getrandbits(48):x}", input=said[:1],
        output=said[1:], consent="train",
    )  # fmt: skip


def prepare(path: Path, count: int, given: Path | None) -> None:
    """A store of so many calls, each with an id of its message, and with those of the person among them."""
    chance = random.Random("a million calls")
    if given is not None:
        with closing(sqlite3.connect(given)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
    with Store.open(path) as store:
        for first in range(0, 0 if given else count, BATCH):
            store.add(call(n, chance, f"user-{n % 50_000}", "m") for n in range(first, first + BATCH))
    if given is not None:  # the ids make the indexes that an erasure has to clean
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE interaction SET message_id = 'm-' || hex(randomblob(8)) WHERE message_id IS NULL")
            db.execute("UPDATE interaction SET user = 'user-' || (id % 50000) WHERE user IS NULL")
    with Store.open(path) as store:
        for first in range(0, CALLS, 50):
            theirs = [call(n, chance, USER, MARK) for n in range(first, first + 50)]
            others = [call(count + n, chance, f"user-{n}", "m") for n in range(first, first + 50)]
            both = [each for pair in zip(theirs, others, strict=True) for each in pair]
            store.add(both, [vote(each, chance) for each in theirs[::5]])


def vote(on: Interaction, chance: random.Random) -> Feedback:
    """What the person says of an answer."""
    return Feedback(
        id=f"{MARK}-{chance.getrandbits(48):x}", name="user_feedback", kind="binary", time_ns=on.end_ns, value=True,
        span_id=on.span_id, message_id=on.message_id, session=on.session, rater=USER, comment=text(chance),
    )  # fmt: skip


def canaries(path: Path) -> list[bytes]:
    """The mark, and pieces of what is stored of the person's messages."""
    from rlhf_otel.store.messages import references

    with closing(sqlite3.connect(path)) as db, db:
        packed = db.execute("SELECT content FROM interaction WHERE user = ? ORDER BY id", (USER,)).fetchall()
        numbers = [number for (content,) in packed for number in references(content)[0]]
        chosen = random.Random(2).sample(numbers, SAMPLE)
        bodies = [db.execute("SELECT body FROM message WHERE id = ?", (number,)).fetchone()[0] for number in chosen]
    return [MARK.encode(), *(body[4:36] for body in bodies)]


def found(folder: Path, wanted: Sequence[bytes]) -> int:
    """How many of the canaries stand in the bytes of any file."""
    data = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    return sum(each in data for each in wanted)


class Writing:
    """An application that records a call every few milliseconds; a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest_s = 0.0
        self.count = self.refused = 0

    def _run(self) -> None:
        chance = random.Random(3)
        with Store.open(self._path) as store:
            while not self._stop.wait(0.005):
                began = time.monotonic()
                made = call(self.count, chance, "somebody", "w")
                while True:  # as the export thread does, which keeps it until it is taken
                    try:
                        store.add([made])
                        break
                    except StoreError:
                        self.refused += 1
                self.longest_s = max(self.longest_s, time.monotonic() - began)
                self.count += 1

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def measured(count: int, given: Path | None, folder: Path) -> Iterator[Row]:
    """The rows of the table."""
    path = folder / "store.db"
    prepare(path, count, given)
    wanted = canaries(path)
    before = found(folder, wanted)
    with Writing(path) as writing:
        began = time.monotonic()
        words = ["purge", "--user", USER, "--yes", "--json", "--store", str(path), "--datasets", str(folder)]
        ended = subprocess.run(
            [sys.executable, "-m", "rlhf_otel.cli.main", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
        took = time.monotonic() - began
    if ended.returncode:
        sys.exit(ended.stderr)
    told = json.loads(ended.stdout)
    with closing(sqlite3.connect(path)) as db, db:
        (total,) = db.execute("SELECT count(*) FROM interaction").fetchone()
    note = f"{told['removed']['calls']:,} calls, {told['removed']['messages']:,} messages, of {total:,} calls left"
    yield Row("erase a person", "all of it", took, "s", target=TARGET_S, note=note)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield Row("", "CPU time", used.ru_utime + used.ru_stime, "s", note="of the command, its start included")
    size = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    note = f"of {len(wanted)}, of which {before} were there before; in {size / 1e6:,.0f} MB"
    yield Row("canaries left", "every byte", found(folder, wanted), "", target=0, note=note)
    note = f"the longest of {writing.count:,} writes; {writing.refused} had to be repeated after 5 s"
    yield Row("others wait", "an application", writing.longest_s, "s", target=5.0, note=note)


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000, help="calls of others, where a store is built")
    parser.add_argument("--store", type=Path, help="a store to work on a copy of")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="erasure-"))
    try:
        print_rows(list(measured(given.count, given.store, folder)), "Erasure")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
