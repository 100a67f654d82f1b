"""Datasets that were made before: what there is, what is in one, how two differ, and which rest on what is gone."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rlhf_otel.datasets.writing import LINEAGE, MANIFEST, WriteError, replace_text

DEEPEST: Final = 3
"""Folders below the one that is searched."""
MOST_ROWS: Final = 20

Lookup = Callable[[Sequence[str]], "set[str] | None"]
"""The ids of the feedback that counts on these answers; None where one of their calls is gone."""


class CatalogError(Exception):
    """There is no dataset there, or it is damaged; the message says so."""


@dataclass(frozen=True, slots=True)
class Known:
    """A dataset on disk.

    Attributes:
        path: its folder.
        manifest: what its manifest says.
    """

    path: Path
    manifest: Mapping[str, Any]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(self.manifest.get("rows", {}).values())

    def lineage(self) -> Iterator[Mapping[str, Any]]:
        """What its rows rest on."""
        path = self.path / LINEAGE
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                yield from map(json.loads, lines)


@dataclass(frozen=True, slots=True)
class Staleness:
    """How far a dataset rests on what is no longer there.

    Attributes:
        erased: rows of which a call is gone.
        superseded: rows of which feedback was taken back, replaced or erased.
        rows: where some of them are, as `train:0`.
    """

    erased: int = 0
    superseded: int = 0
    rows: Sequence[str] = field(default_factory=tuple)

    @property
    def is_stale(self) -> bool:
        """Whether a rebuild would give something else."""
        return bool(self.erased or self.superseded)


def known(path: Path) -> Known:
    """The dataset in the folder `path`.

    Raises:
        CatalogError: there is none.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogError(
            f"{path} is no dataset: it has no {MANIFEST}; `rlhf-otel datasets list` finds some"
        ) from None
    except (OSError, ValueError) as error:
        raise CatalogError(f"{path} is no dataset of ours: its {MANIFEST} cannot be read ({error})") from None
    if not isinstance(manifest, dict) or "rlhf_otel" not in manifest:
        raise CatalogError(f"{path} is no dataset of ours: its {MANIFEST} was written by something else")
    return Known(path, manifest)


def below(root: Path, deepest: int = DEEPEST) -> Iterator[Known]:
    """The datasets in `root` and a few folders below it, by their paths."""
    if (root / MANIFEST).exists():
        with contextlib.suppress(CatalogError):
            yield known(root)
        return
    if deepest:
        try:
            folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        except OSError:
            return
        for folder in folders:
            yield from below(folder, deepest - 1)


def staleness(dataset: Known, lookup: Lookup) -> Staleness:
    """Which rows rest on calls or feedback that are no longer there."""
    erased = superseded = 0
    places: list[str] = []
    for row in dataset.lineage():
        current = lookup([span.partition("#")[0] for span in row["spans"]])
        if current is not None and current.issuperset(row["feedback"]):
            continue
        erased += current is None
        superseded += current is not None
        if len(places) < MOST_ROWS:
            places.append(f"{row['split']}:{row['row']}")
    return Staleness(erased, superseded, tuple(places))


def mark(dataset: Known, found: Staleness) -> None:
    """Has the manifest say that the dataset is stale, or no longer say so; a rebuild says nothing of it.

    Raises:
        CatalogError: the manifest cannot be written.
    """
    manifest = {key: value for key, value in dataset.manifest.items() if key != "stale"}
    if found.is_stale:
        manifest["stale"] = {"erased": found.erased, "superseded": found.superseded}
    if manifest == dataset.manifest:
        return
    try:
        replace_text(dataset.path / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    except WriteError as error:
        raise CatalogError(str(error)) from None


def difference(one: Known, other: Known) -> dict[str, Any]:
    """How `other` differs from `one`: rows by their hashes, rules, the recipe and the gates."""
    before, after = (_rows(dataset) for dataset in (one, other))
    gone, new = before.keys() - after.keys(), after.keys() - before.keys()
    return {
        "rows": [one.rows, other.rows],
        "removed": len(gone),
        "added": len(new),
        "unchanged": len(before.keys() & after.keys()),
        "removed_rows": sorted(before[key] for key in gone)[:MOST_ROWS],
        "added_rows": sorted(after[key] for key in new)[:MOST_ROWS],
        "rules": _changed(_rules(one), _rules(other)),
        "recipe": _changed(one.manifest.get("recipe", {}), other.manifest.get("recipe", {})),
        "gates": _changed(_gates(one), _gates(other)),
    }


def _rows(dataset: Known) -> dict[str, str]:
    return {row["sha256"]: f"{row['split']}:{row['row']}" for row in dataset.lineage()}


def _rules(dataset: Known) -> Mapping[str, int]:
    return Counter(row["rule"] for row in dataset.lineage())


def _gates(dataset: Known) -> dict[str, str]:
    return {gate["gate"]: gate["status"] for gate in dataset.manifest.get("gates", ())}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """By name what it was and what it is."""
    names = sorted(before.keys() | after.keys())
    return {name: [before.get(name), after.get(name)] for name in names if before.get(name) != after.get(name)}
