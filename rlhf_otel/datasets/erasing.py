"""Datasets, and models trained on them, that rest on what was erased; and datasets without those rows."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from rlhf_otel.datasets import writing
from rlhf_otel.datasets.catalog import DEEPEST, Known
from rlhf_otel.datasets.lines import json_line
from rlhf_otel.datasets.plain import fingerprint, needed

TRAINED_ON: Final = "trained_on.json"
"""Beside a model: `{"datasets": [{"path": "../pairs", "files": {...}}]}`, `files` as in the manifest of the dataset."""
_ERASED: Final = "[erased]"
Asked = Callable[[str, str], bool]
"""Whether an id of a kind (span, feedback) was erased."""
Place = tuple[str, int]
"""A split and the number of a row in it."""


class Model(NamedTuple):
    """A model on disk, and the datasets for whose sake it is stale."""

    path: Path
    datasets: Sequence[Path]


def resting_on(dataset: Known, is_erased: Asked) -> list[Place]:
    """The rows that rest on a call or on feedback that was erased."""
    return [(row["split"], row["row"]) for row in dataset.lineage() if _rests(row, is_erased)]


def _rests(row: Mapping[str, Any], is_erased: Asked) -> bool:
    calls = (is_erased("span", str(span).partition("#")[0]) for span in row.get("spans", ()))
    return any(calls) or any(is_erased("feedback", str(each)) for each in row.get("feedback", ()))


def without(dataset: Known, places: Iterable[Place], name: str = "") -> None:
    """Makes the dataset anew without the rows at `places`; card and manifest say how many were erased.

    What they say of the rows besides is left out: a gate may have quoted one. So is `name`, the id that was erased,
    where the dataset was made for it alone.

    Raises:
        writing.WriteError: it cannot be written, and is as it was.
        RecipeError: its format needs a package that is not installed.
    """
    gone = set(places)
    with writing.folder(dataset.path, replace=True) as new:
        for file in dataset.manifest.get("files", {}):
            if file not in (writing.LINEAGE, "state.json"):
                (new / file).parent.mkdir(parents=True, exist_ok=True)
                _copy(dataset.path / file, new / file, {row for split, row in gone if _is_of(file, split)})
        kept = _copy_lineage(dataset, new, gone)
        _finish(dataset, new, kept, len(gone), name)


def delete(dataset: Known) -> None:
    """Deletes the whole dataset.

    Raises:
        writing.WriteError: not all of it could be.
    """
    try:
        shutil.rmtree(dataset.path)
    except OSError as error:
        raise writing.WriteError(f"{dataset.path} cannot be deleted: {error.strerror or error}") from error


Resting = Mapping[Path, "Mapping[str, Any] | None"]
"""By its full path, each dataset that rests on what was erased; or did, with the files that were made anew then."""


def models_below(root: Path, resting: Resting, deepest: int = DEEPEST) -> Iterator[Model]:
    """The models in `root` and a few folders below that were trained on a dataset with erased rows.

    Args:
        root: where to look.
        resting: the datasets that are concerned.
        deepest: how far to look.
    """
    try:
        told = json.loads((root / TRAINED_ON).read_text(encoding="utf-8"))["datasets"]
        stale = [path for each in told if (path := _stale(root, each, resting)) is not None]
    except (OSError, ValueError, KeyError, TypeError):
        stale = []
    if stale:
        yield Model(root, stale)
    if deepest and root.is_dir():
        for folder in sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")):
            yield from models_below(folder, resting, deepest - 1)


def _stale(root: Path, told: Mapping[str, Any], resting: Resting) -> Path | None:
    """The dataset, where it has or had erased rows; not where the model was trained on what is left of it."""
    path = (root / told["path"]).resolve()
    is_clean = path not in resting or (resting[path] is not None and resting[path] == told.get("files"))
    return None if is_clean else path


def _is_of(name: str, split: str) -> bool:
    """Whether a file has the rows of a split; the one of `datasets` has them all."""
    return Path(name).stem == split or name.endswith(".arrow")


def _copy(source: Path, target: Path, gone: set[int]) -> None:
    """Copies a file without the rows `gone`."""
    copiers = {".jsonl": _copy_lines, ".csv": _copy_csv, ".parquet": _copy_parquet, ".arrow": _copy_arrow}
    copy = copiers.get(source.suffix)
    if copy is None or not gone:
        shutil.copyfile(source, target)
    else:
        copy(source, target, gone)


def _copy_lines(source: Path, target: Path, gone: set[int]) -> None:
    with source.open("rb") as lines, target.open("wb") as kept:
        kept.writelines(line for number, line in enumerate(lines) if number not in gone)


def _copy_csv(source: Path, target: Path, gone: set[int]) -> None:
    with (
        source.open(encoding="utf-8", newline="") as rows,
        target.open("w", encoding="utf-8", newline="") as kept,
    ):
        csv.field_size_limit(2**31 - 1)
        table = csv.writer(kept)
        table.writerows(row for number, row in enumerate(csv.reader(rows), start=-1) if number not in gone)


def _copy_parquet(source: Path, target: Path, gone: set[int]) -> None:
    parquet = needed("pyarrow.parquet", "parquet")
    file = parquet.ParquetFile(source)
    with parquet.ParquetWriter(target, file.schema_arrow) as kept:
        for batch in _filtered(file.iter_batches(), gone):
            kept.write_batch(batch)


def _copy_arrow(source: Path, target: Path, gone: set[int]) -> None:
    arrow = needed("pyarrow", "parquet")
    with arrow.OSFile(str(source), "rb") as file, arrow.OSFile(str(target), "wb") as kept:
        reader = arrow.ipc.open_stream(file)
        with arrow.ipc.new_stream(kept, reader.schema) as writer:
            for batch in _filtered(reader, gone):
                writer.write_batch(batch)
    state = target.with_name("state.json")
    told = json.loads(source.with_name("state.json").read_text(encoding="utf-8"))
    writing.replace_text(state, json.dumps({**told, "_fingerprint": fingerprint(target)}, indent=2) + "\n")


def _filtered(batches: Iterable[Any], gone: set[int]) -> Iterator[Any]:
    """Each batch of rows without those that go."""
    first = 0
    for batch in batches:
        yield batch.take([number for number in range(batch.num_rows) if first + number not in gone])
        first += batch.num_rows


def _copy_lineage(dataset: Known, new: Path, gone: set[Place]) -> dict[str, int]:
    """What the rows that are left rest on, numbered anew; how many there are of each split."""
    kept = dict.fromkeys(dataset.manifest.get("rows", {}), 0)
    with (new / writing.LINEAGE).open("w", encoding="utf-8", newline="\n") as lineage:
        for row in dataset.lineage():
            if (row["split"], row["row"]) not in gone:
                lineage.write(f"{json_line({**row, 'row': kept[row['split']]})}\n")
                kept[row["split"]] += 1
    return kept


def _finish(dataset: Known, new: Path, kept: Mapping[str, int], count: int, name: str) -> None:
    files = {
        each: {"sha256": sha256((new / each).read_bytes()).hexdigest(), "bytes": (new / each).stat().st_size}
        for each in dataset.manifest.get("files", {})
    }
    erased = dataset.manifest.get("erased", 0) + count
    gates = [{key: gate[key] for key in ("gate", "status")} for gate in dataset.manifest.get("gates", ())]
    manifest = {**dataset.manifest, "rows": kept, "files": files, "erased": erased, "gates": gates}
    manifest.pop("stale", None)
    text = json.dumps(_unnamed(manifest, name), indent=2, ensure_ascii=False, sort_keys=True)
    writing.replace_text(new / writing.MANIFEST, f"{text}\n")
    sizes = ", ".join(f"{rows:,} in `{split}`" for split, rows in kept.items())
    told = f"- Rows: {sizes}, after {erased:,} were erased on request; what else is said here was counted before"
    card = (dataset.path / writing.CARD).read_text(encoding="utf-8").partition("\n## Gates\n")[0].splitlines()
    lines = [told if line.startswith("- Rows: ") else line.replace(f"`{name}`", _ERASED) for line in card]
    writing.replace_text(new / writing.CARD, "\n".join(lines).rstrip() + "\n")


def _unnamed(value: Any, name: str) -> Any:
    """`value` without the id, wherever that stands by itself."""
    if isinstance(value, Mapping):
        return {key: _unnamed(item, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_unnamed(item, name) for item in value]
    return _ERASED if name and value == name else value
