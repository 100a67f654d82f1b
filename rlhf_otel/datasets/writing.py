"""Datasets on disk: written beside their place under another name, and moved there when all is well."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel import codec
from rlhf_otel._version import __version__
from rlhf_otel.datasets import selection
from rlhf_otel.datasets.lines import json_line

if TYPE_CHECKING:
    from rlhf_otel.datasets.making import Outcome

MANIFEST: Final = "manifest.json"
CARD: Final = "README.md"
LINEAGE: Final = "lineage.jsonl"
VERSION: Final = 1
"""Of the manifest's form."""


class WriteError(Exception):
    """The dataset cannot be written there; the message says what to do. Nothing was written."""


def check_place(out: Path, *, replace: bool) -> None:
    """Refuses a place that is taken.

    Raises:
        WriteError: something is there that must not be overwritten.
    """
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise WriteError(f"{out} is a file; name a folder that is not there yet")
    if not any(out.iterdir()):
        return
    if not (out / MANIFEST).exists():
        raise WriteError(f"{out} has something else in it; name a folder that is not there yet")
    if not replace:
        raise WriteError(f"{out} has a dataset in it; --replace makes it anew, or name another folder")


@contextlib.contextmanager
def folder(out: Path, *, replace: bool) -> Iterator[Path]:
    """A new folder beside `out`, which takes its place at the end, and is gone after any error.

    Raises:
        WriteError: it cannot be made, or not all of it could be written.
    """
    part: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
        yield part
        check_place(out, replace=replace)
        _take_place(part, out)
        part = None
    except OSError as error:
        raise WriteError(f"{out} cannot be written, and nothing was: {error.strerror or error}") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _take_place(part: Path, out: Path) -> None:
    part.chmod(0o755)
    old: Path | None = None
    if out.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
        out.rename(old / out.name)
    try:
        part.rename(out)
    except OSError:
        if old is not None:
            (old / out.name).rename(out)
        raise
    finally:
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)


def write_split(place: Path, split: str, rows: Iterable[tuple[str, str]]) -> None:
    """Writes the rows of one file, and what they rest on behind that of the others."""
    with (
        (place / f"{split}.jsonl").open("w", encoding="utf-8", newline="\n") as file,
        (place / LINEAGE).open("a", encoding="utf-8", newline="\n") as lineage,
    ):
        for number, (body, told) in enumerate(rows):
            file.write(f"{body}\n")
            named = {"split": split, "row": number, "sha256": sha256(body.encode()).hexdigest()}
            lineage.write(f"{json_line({**named, **json.loads(told)})}\n")


def finish(place: Path, outcome: Outcome, out: Path) -> Outcome:
    """Writes card and manifest, and sees to it that all of it is on the disk."""
    import dataclasses

    from rlhf_otel.datasets.card import card

    files = {path.relative_to(place).as_posix(): _about(path) for path in sorted(place.rglob("*")) if path.is_file()}
    written = dataclasses.replace(outcome, path=out, files=files)
    (place / CARD).write_text(card(written), encoding="utf-8", newline="\n")
    text = json.dumps(manifest(written), indent=2, ensure_ascii=False, sort_keys=True)
    (place / MANIFEST).write_text(f"{codec.whole(text)}\n", encoding="utf-8", newline="\n")
    for path in place.rglob("*"):
        if path.is_file():
            with path.open("r+b") as file:
                os.fsync(file.fileno())
    return written


def manifest(outcome: Outcome) -> dict[str, Any]:
    """What a program needs to know of a dataset. The same calls and feedback always give the same."""
    return {
        "manifest": VERSION,
        "rlhf_otel": __version__,
        "format": outcome.recipe.format,
        "recipe": outcome.recipe.choices(),
        "rows": dict(outcome.rows),
        "rules": dict(outcome.rules),
        "period_ns": list(outcome.period),
        "notes": list(outcome.notes),
        "funnel": list(outcome.funnel),
        "held_back": selection.held_back(outcome.funnel),
        "gates": [each.as_json() for each in outcome.findings],
        "overridden": [each.gate for each in outcome.findings if each.gate in outcome.recipe.override],
        "files": outcome.files,
    }


def replace_text(path: Path, text: str) -> None:
    """Writes `text` to `path` in one step.

    Raises:
        WriteError: it cannot be written; what was there is still there.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise WriteError(f"{path} cannot be written, and nothing was: {error.strerror or error}") from error


def _about(path: Path) -> Mapping[str, Any]:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"sha256": digest.hexdigest(), "bytes": path.stat().st_size}
