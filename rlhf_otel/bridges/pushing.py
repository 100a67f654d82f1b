"""Brings the annotations of a backend to what feedback says now, and remembers what it has.

What it has stands in a file, a line for each change, written when the backend has confirmed it. Nothing is passed over
by a mark in time: feedback that finds its call late, votes that were changed and votes that were taken back are all
found by comparing the two sets. A process that dies between an answer and its line sends that once more, which changes
nothing there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rlhf_otel.bridges.annotations import Annotation


class Backend(Protocol):
    """Something that keeps annotations.

    Attributes:
        name: what it is called.
        place: which of them it is.
    """

    name: str
    place: str

    def put(self, annotations: Sequence[Annotation]) -> Iterator[list[str]]:
        """Writes them; yields the ids that it has, as they are confirmed."""

    def remove(self, ids: Sequence[str]) -> Iterator[str]:
        """Deletes them; yields the ids that are gone, as they are confirmed."""


@dataclass
class Pushed:
    """What a push came to.

    Attributes:
        sent: annotations that were written.
        unchanged: annotations that were there already.
        removed: annotations that count no longer and are gone.
        waiting: annotations whose span the backend does not have yet; the next push tries them again.
    """

    sent: int = 0
    unchanged: int = 0
    removed: int = 0
    waiting: int = 0


class Ledger:
    """The ids that a backend has confirmed, in a file of their own for each place."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        place = blake2b(backend.place.encode(), digest_size=6).hexdigest()
        self._path = folder / f"{backend.name}-{place}.jsonl"

    def read(self) -> set[str]:
        """The ids; none where there is no file. What was torn while it was written says nothing."""
        there: set[str] = set()
        text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        if text and not text.endswith("\n"):
            self._append("\n")
        for line in text.splitlines():
            try:
                change = json.loads(line)
                there.add(change["put"]) if "put" in change else there.discard(change["removed"])
            except (ValueError, LookupError, TypeError):
                continue
        return there

    def note(self, word: str, ids: Iterable[str]) -> None:
        """Adds a line for each of `ids`: they were `put` or `removed`."""
        self._append("".join(f"{json.dumps({word: each})}\n" for each in ids))

    def _append(self, text: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)


def push(annotations: Iterable[Annotation], backend: Backend, ledger: Ledger, *, again: bool = False) -> Pushed:
    """Writes what `backend` lacks of `annotations`, and deletes what it has beyond them.

    Args:
        annotations: all that count now.
        backend: where they belong.
        ledger: what it has.
        again: writes also what it has: it may have lost it.

    Raises:
        BackendError: it did not take something; what was confirmed before is in the ledger.
    """
    wanted = {each.id: each for each in annotations}
    there = ledger.read()
    done = Pushed(unchanged=0 if again else len(there & wanted.keys()))
    to_send = [each for each in wanted.values() if again or each.id not in there]
    for ids in backend.put(to_send):
        ledger.note("put", ids)
        done.sent += len(ids)
    done.waiting = len(to_send) - done.sent
    for each in backend.remove(sorted(there - wanted.keys())):
        ledger.note("removed", [each])
        done.removed += 1
    return done
