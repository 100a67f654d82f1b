"""How one process tells the others of an application that a call was rated: it may wait in one of them.

A small file for each rated call that is not known here, in a folder beside the spool. Whoever has calls waiting looks
there once a second. It is read by its name alone after the first time, and gone when nothing can wait any more.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from rlhf_otel.records import Feedback
from rlhf_otel.store.files import make_folders

IDS = ("span_id", "response_id", "message_id")


class Rated:
    """The folder.

    Args:
        folder: made when something is told.
        age_s: how long what is told matters.
    """

    def __init__(self, folder: Path, age_s: float) -> None:
        self._folder, self._age_s = folder, age_s
        self._seen: dict[str, float] = {}  # and when it was told

    def tell(self, feedback: Feedback) -> None:
        """Tells of the calls that `feedback` names."""
        named = [{name: key} for name in IDS if (key := getattr(feedback, name))]
        compared = (feedback.chosen, feedback.rejected, *feedback.ranking)
        named += [{"span_id": key} for key in compared if key]
        with contextlib.suppress(OSError):  # a disk that takes nothing: as if each process were alone
            for each in named:
                self._write(json.dumps(each).encode())

    def _write(self, told: bytes) -> None:
        make_folders(self._folder)
        path = self._folder / blake2b(told, digest_size=12).hexdigest()
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        with contextlib.suppress(FileExistsError), os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(told)

    def news(self) -> Iterator[dict[str, str]]:
        """What others have told since the last time, each a name of an id and the id."""
        with contextlib.suppress(OSError):
            found = {entry.name: entry for entry in os.scandir(self._folder)}
            oldest = time.time() - self._age_s
            for name, told_at in list(self._seen.items()):
                if name not in found or told_at < oldest:
                    del self._seen[name]  # what is still there is looked at once more, and removed for its age
            for name in found.keys() - self._seen.keys():
                yield from self._read(found[name])

    def _read(self, entry: os.DirEntry[str]) -> Iterator[dict[str, str]]:
        with contextlib.suppress(OSError, ValueError):
            told_at = entry.stat().st_mtime
            if time.time() - told_at > self._age_s:
                Path(entry.path).unlink()
                return
            told = json.loads(Path(entry.path).read_bytes())
            self._seen[entry.name] = told_at  # not before: it may still be being written
            if isinstance(told, dict):
                yield told
