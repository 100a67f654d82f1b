"""All segments of a folder: what there is, and what has to go where they are more than may be."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rlhf_otel.export.spool.segments import SUFFIX


class Found(NamedTuple):
    """A segment as its name and size tell of it; `time_ns` is when it was begun."""

    path: Path
    holds: str
    time_ns: int
    pid: int
    size: int

    @property
    def goes_late(self) -> tuple[bool, int]:
        """By what segments are put in order where some have to go: feedback last, the oldest first."""
        return self.holds == "events", self.time_ns


def listed(folder: Path) -> list[Found]:
    """The segments in `folder`, the oldest first."""
    return sorted(_found(folder), key=lambda found: (found.time_ns, found.path.name))


def _found(folder: Path) -> Iterator[Found]:
    try:
        paths = list(folder.glob(f"*{SUFFIX}"))
    except OSError:
        return
    for path in paths:
        holds, _, rest = path.name.removesuffix(SUFFIX).partition("-")
        time_ns, _, rest = rest.partition("-")
        pid = rest.partition("-")[0]
        with contextlib.suppress(OSError):
            if time_ns.isdigit() and pid.isdigit():
                yield Found(path, holds, int(time_ns), int(pid), path.stat().st_size)
