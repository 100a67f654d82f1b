"""Finds the few entry points that concern us without parsing the metadata of every installed package.

`importlib.metadata.entry_points()` imports a mail parser and reads everything; most applications have nothing for us,
and a look for the group's name in each file settles that.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint

OURS = "rlhf_otel"


def entry_points(*groups: str) -> list[EntryPoint]:
    """The entry points of `groups` in `sys.path` order, without our own; each knows its distribution."""
    headers = tuple(f"[{group}]".encode() for group in groups)
    places = [place for place in _metadata_folders() if _mentions(place, headers)]
    if not places:
        return []
    from importlib.metadata import Distribution

    found = (point for place in places for point in Distribution.at(place).entry_points)
    return [point for point in found if point.group in groups]


def _metadata_folders() -> Iterator[str]:
    """The metadata folder of each installed package but ours; the first on the path wins, as in an import."""
    seen = {OURS}
    for folder in dict.fromkeys(sys.path):
        try:
            names = sorted(os.listdir(folder or "."))  # noqa: PTH208 - pathlib is not imported for this
        except OSError:
            continue
        for name in names:
            package = name.partition("-")[0].lower().replace("-", "_").replace(".", "_")
            if name.endswith((".dist-info", ".egg-info")) and package not in seen:
                seen.add(package)
                yield f"{folder or '.'}/{name}"


def _mentions(place: str, headers: tuple[bytes, ...]) -> bool:
    try:
        with open(f"{place}/entry_points.txt", "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return False
    return any(header in content for header in headers)
