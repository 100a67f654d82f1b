"""The gates, over rows that somebody has on disk: ours or anybody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rlhf_otel import codec
from rlhf_otel.datasets import chat
from rlhf_otel.datasets.drafts import prompt_name
from rlhf_otel.datasets.formats import rows_as_messages
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.gates.finding import Finding
from rlhf_otel.datasets.gates.size import size_finding
from rlhf_otel.datasets.making import examined
from rlhf_otel.datasets.recipe import Recipe, RecipeError
from rlhf_otel.datasets.rows import Progress, Rows
from rlhf_otel.datasets.shelf import opened_shelf
from rlhf_otel.datasets.writing import LINEAGE

SPLITS: Final = ("train", "test")
_ADD: Final = """INSERT INTO draft (body, lineage, texts, label, conversation, prompt, start_ns, split, place)
VALUES ('', ?, ?, ?, ?, ?, 0, ?, ?)"""


def audit(path: Path, recipe: Recipe, progress: Progress) -> list[Finding]:
    """What the gates find in the rows of the folder or file `path`.

    Args:
        path: a folder with `train.jsonl` and perhaps `test.jsonl`, or a file of JSON lines.
        recipe: the benchmarks, and whether to look for near duplicates.
        progress: is told how far it has come.

    Raises:
        RecipeError: there are no rows in a format for training there.
    """
    files = {split: path / f"{split}.jsonl" for split in SPLITS} if path.is_dir() else {"train": path}
    lineage = _lineage(path / LINEAGE) if path.is_dir() else {}
    with opened_shelf() as shelf:
        for split, file in files.items():
            for number, (line, row) in enumerate(_rows(file)):
                shelf.db.execute(_ADD, _draft(split, number, row, lineage.get((split, number), {}), line))
        made = Rows(shelf, recipe, Funnel())
        if not made.count():
            raise RecipeError(f"there are no rows to train on at {path}: train.jsonl is expected, as export writes it")
        findings = examined(shelf, made, recipe, progress)
        return [*findings, size_finding(recipe, made.sizes(), made.worth())]


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of a file with their lines; none where there is no such file."""
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            row = codec.parse_json(line) if line.strip() else {}
            if not isinstance(row, dict):
                raise RecipeError(f"{file}, line {number}: no JSON object")
            if row:
                yield number, row


def _draft(split: str, number: int, row: Mapping[str, Any], told: Mapping[str, Any], line: int) -> tuple[Any, ...]:
    try:
        texts = list(rows_as_messages(dict(row)))
    except (TypeError, KeyError, AttributeError, IndexError):
        raise RecipeError(f"line {line} of the {split} rows is in no format for training") from None
    if len(texts) < 2:
        raise RecipeError(f"line {line} of the {split} rows has no prompt with an answer")
    unknown = chat.digest([split, number]).hex()
    conversation = bytes.fromhex(str(told.get("conversation", unknown)))
    label = row.get("label")
    return (
        json.dumps(dict(told)),
        json.dumps(texts),
        json.dumps(label),
        conversation,
        prompt_name(texts[0]),
        split,
        number,
    )


def _lineage(path: Path) -> dict[tuple[str, int], Mapping[str, Any]]:
    if not path.exists():
        return {}
    with path.open(encoding="utf-8") as lines:
        return {(row["split"], row["row"]): row for row in map(json.loads, lines)}
