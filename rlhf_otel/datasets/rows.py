"""From drafts to rows: what the gates leave out, what balance takes, and what goes to which file."""

from __future__ import annotations

import dataclasses
import json
import math
import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rlhf_otel.datasets.drafts import ROWS
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.gates.duplicates import Clusters
from rlhf_otel.datasets.gates.finding import FAILED, MOST_ROWS, PASSED, WARNED, Finding, Sample
from rlhf_otel.datasets.recipe import Recipe, RecipeError
from rlhf_otel.datasets.shelf import Shelf

Progress = Callable[[str, int, int | None], None]
"""Is told what goes on, how many are done, and of how many, where that is known."""
_SAMPLE: Final = "id, texts, label, lineage, conversation, prompt, split"
_VALUE: Final = ("json_extract(lineage, ?)", "conversation")
EVERY: Final = 500


class Rows:
    """The drafts of a shelf, on their way into files.

    Args:
        shelf: where they are.
        recipe: what is asked for.
        funnel: counts.
    """

    def __init__(self, shelf: Shelf, recipe: Recipe, funnel: Funnel) -> None:
        self._db: sqlite3.Connection = shelf.db
        self._recipe = recipe
        self._funnel = funnel

    def samples(self) -> Iterator[Sample]:
        """What is left, for gates."""
        for row in self._left(_SAMPLE, "id"):
            number, texts, label, lineage, conversation, prompt, split = row
            yield Sample(
                number, json.loads(texts), json.loads(label), json.loads(lineage), conversation,
                prompt, split or "",
            )  # fmt: skip

    def count(self) -> int:
        """How many are left."""
        return int(self._db.execute("SELECT count(*) FROM draft WHERE dropped IS NULL").fetchone()[0])

    def leave_out(self, numbers: Iterable[int], reason: str) -> None:
        """Leaves these out."""
        marked = 0
        for number in numbers:
            query = "UPDATE draft SET dropped = ? WHERE id = ? AND dropped IS NULL"
            marked += self._db.execute(query, (reason, number)).rowcount
        self._forget(reason, marked)

    def tell_topics(self) -> None:
        """Finds out what each prompt is about, where that is asked for. It is learned from those with the smallest
        hash, so that it hangs on nothing else.
        """
        if not self._recipe.wanted_topics:
            return
        from rlhf_otel.datasets.topics import Topics

        first = "json_extract(texts, '$[0]')"
        topics = Topics((text for (text,) in self._left(first, "digest")), self._recipe.wanted_topics)
        told = [(topic, number) for number, topic in topics.of(self._left(f"id, {first}", "id"))]
        self._db.executemany("UPDATE draft SET lineage = json_set(lineage, '$.about.topic', ?) WHERE id = ?", told)

    def balance(self) -> None:
        """Takes of each value what its share allows, those with the smallest hash: which they are hangs on nothing
        else. The value of which there are fewest beside its share decides how many.

        Raises:
            RecipeError: a share is of a value that no row has.
        """
        key = self._recipe.balance
        if key is None:
            return
        query = f"SELECT id, {_VALUE[key == 'session']} AS value FROM draft WHERE dropped IS NULL ORDER BY digest"
        by_value: dict[Any, array[int]] = defaultdict(lambda: array("q"))
        for number, value in self._db.execute(query, [] if key == "session" else [f'$.about."{key}"']):
            by_value[value].append(number)
        shares = self._shares(key, by_value)
        most = min((len(by_value[value]) / share for value, share in shares.items() if share), default=0.0)
        for value, numbers in by_value.items():
            kept = math.floor(most * shares[value] + 1e-9)
            self.leave_out(numbers[kept:], f"more than its share of {key}")

    def _shares(self, key: str, by_value: Mapping[Any, Sequence[int]]) -> dict[Any, float]:
        """How many rows each value shall have beside the others."""
        wanted = self._recipe.wanted_shares
        known = {str(value) for value in by_value}
        if unknown := sorted(wanted.keys() - known):
            found = ", ".join(sorted(known)[:MOST_ROWS]) or "nothing"
            raise RecipeError(f"no row has {key} {unknown[0]!r}, of which a share is wanted; there is {found}")
        return {value: wanted.get(str(value), 1.0) for value in by_value}

    def divide(self, clusters: Clusters) -> None:
        """Gives each row its file. Rows of one conversation, prompt or wording never go to different files.

        Rows that come from files stay in theirs.
        """
        if self._has_files():
            self._cluster(clusters)
            return
        if not self._recipe.split:
            self._db.execute("UPDATE draft SET split = 'train'")
        else:
            self._cluster(clusters)
            if self._recipe.split_by == "time":
                self._divide_by_time()
            else:
                self._divide_by_cluster()
        order = "digest" if self._recipe.format == "kto" else "id"
        ranked = f"SELECT id, row_number() OVER (PARTITION BY split ORDER BY {order}) - 1 AS rank FROM draft"
        self._db.execute(
            f"UPDATE draft SET place = r.rank FROM ({ranked} WHERE dropped IS NULL) AS r WHERE r.id = draft.id"
        )

    def _has_files(self) -> bool:
        return self._db.execute("SELECT 1 FROM draft WHERE split IS NOT NULL LIMIT 1").fetchone() is not None

    def _cluster(self, clusters: Clusters) -> None:
        for column in ("conversation", "prompt"):
            before: Sequence[Any] = (None, 0)
            for row in self._left(f"{column}, id", f"{column}, id"):
                if row[0] == before[0]:
                    clusters.join(before[1], row[1])
                before = row
        numbers = ((clusters.root(number), number) for (number,) in list(self._left("id", "id")))
        self._db.executemany("UPDATE draft SET cluster = ? WHERE id = ?", numbers)

    def _divide_by_cluster(self) -> None:
        """By the hash of a cluster's first row, so that it stays there when others come; one at least for test."""
        query = """SELECT d.cluster, c.digest FROM draft AS d JOIN draft AS c ON c.id = d.cluster
        WHERE d.dropped IS NULL GROUP BY d.cluster ORDER BY c.digest"""
        limit = int(self._recipe.split * 2**64)
        found = self._db.execute(query).fetchall()
        test = [cluster for cluster, digest in found if int.from_bytes(digest[:8], "big") < limit]
        if not test and len(found) > 1:
            test = [found[0][0]]
        self._db.execute("UPDATE draft SET split = 'train'")
        self._db.executemany("UPDATE draft SET split = 'test' WHERE cluster = ?", ((cluster,) for cluster in test))

    def _divide_by_time(self) -> None:
        """The newest are for testing; what belongs to something older would leak, and is left out."""
        place = math.floor(self.count() * (1 - self._recipe.split))
        query = "SELECT start_ns FROM draft WHERE dropped IS NULL ORDER BY start_ns LIMIT 1 OFFSET ?"
        found = self._db.execute(query, (place,)).fetchone()
        moment = found[0] if found else 0
        self._db.execute("UPDATE draft SET split = iif(start_ns < ?, 'train', 'test')", (moment,))
        older = "SELECT cluster FROM draft WHERE split = 'train' AND dropped IS NULL"
        leaks = f"SELECT id FROM draft WHERE split = 'test' AND dropped IS NULL AND cluster IN ({older})"
        self.leave_out([row[0] for row in self._db.execute(leaks).fetchall()], "belongs to rows from before the split")

    def placed(self, finding: Finding) -> Finding:
        """The finding with the places of its rows in the files, as `train:0`."""
        found = []
        for number in finding.rows[:MOST_ROWS]:
            query = "SELECT split, place FROM draft WHERE id = ? AND dropped IS NULL"
            if row := self._db.execute(query, (number,)).fetchone():
                found.append(f"{row[0]}:{row[1]}")
        return dataclasses.replace(finding, rows=found)

    def lines(self, split: str) -> Iterator[tuple[str, str]]:
        """Body and lineage of the rows of one file, in their order."""
        query = "SELECT body, lineage FROM draft WHERE split = ? AND dropped IS NULL ORDER BY place"
        return self._db.cursor().execute(query, (split,))

    def sizes(self) -> dict[str, int]:
        """How many rows each file has; `test` only where there is to be one."""
        query = "SELECT split, count(*) FROM draft WHERE dropped IS NULL GROUP BY split"
        found = dict(self._db.execute(query).fetchall())
        has_test = self._recipe.split or "test" in found
        return {name: found.get(name, 0) for name in (("train", "test") if has_test else ("train",))}

    def worth(self) -> float | None:
        """How many rows of one weight tell as much as those to train on do by their weights; None without weights."""
        weight = "json_extract(lineage, '$.weight')"
        query = f"SELECT sum({weight}), sum({weight} * {weight}) FROM draft WHERE dropped IS NULL AND split = 'train'"
        total, squares = self._db.execute(query).fetchone()
        return total**2 / squares if squares else None

    def period(self) -> list[int]:
        """When the first and the last call began, of those in rows."""
        query = "SELECT min(start_ns), max(start_ns) FROM draft WHERE dropped IS NULL"
        return [moment for moment in self._db.execute(query).fetchone() if moment is not None]

    def rules(self) -> dict[str, int]:
        """How many rows each rule made."""
        query = """SELECT json_extract(lineage, '$.rule') AS rule, count(*) FROM draft WHERE dropped IS NULL
        GROUP BY rule ORDER BY rule"""
        return dict(self._db.execute(query).fetchall())

    def split_finding(self) -> Finding:
        """That no conversation and no prompt is in both files."""
        if len(self.sizes()) < 2:
            return Finding("split", PASSED, "all rows are in one file; nothing can leak into another")
        shared = {}
        for column in ("conversation", "prompt", "cluster"):
            both = f"SELECT 1 FROM draft WHERE dropped IS NULL GROUP BY {column} HAVING count(DISTINCT split) > 1"
            shared[f"{column}s_in_both"] = int(self._db.execute(f"SELECT count(*) FROM ({both})").fetchone()[0])
        sizes = self.sizes()
        if any(shared.values()):
            return Finding(
                "split", FAILED, f"train and test share {sum(shared.values())} prompts or conversations", shared
            )
        status = PASSED if all(sizes.values()) else WARNED
        says = f"{sizes['train']:,} rows for training and {sizes['test']:,} for testing share no conversation or prompt"
        return Finding("split", status, says, {**sizes, **shared})

    def _left(self, columns: str, order: str) -> Iterator[Any]:
        return self._db.cursor().execute(f"SELECT {columns} FROM draft WHERE dropped IS NULL ORDER BY {order}")

    def _forget(self, reason: str, count: int) -> None:
        """Moves rows that had gone on from the count of those."""
        if count:
            self._funnel.passed(ROWS, -count)
            self._funnel.dropped(ROWS, reason, count)
