"""Calls as they were recorded, one a row: as JSON lines, for spreadsheets, as Parquet or as a Hugging Face dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, TextIO

from rlhf_otel import codec, views
from rlhf_otel.cells import guarded
from rlhf_otel.datasets import selection
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.gates.finding import Finder, Sample
from rlhf_otel.datasets.gather import CALLS, Rated
from rlhf_otel.datasets.lines import json_line
from rlhf_otel.datasets.recipe import Recipe, RecipeError
from rlhf_otel.datasets.weights import weight
from rlhf_otel.datasets.writing import LINEAGE

Row = Mapping[str, Any]
Line = tuple[Row, str, float]
"""A row, the row as JSON, and how many calls it stands for."""
PIECE: Final = 1000
"""Rows that are written at once, where a format has them in groups."""
_TEXTS: Final = (
    "span_id", "trace_id", "start", "session", "user", "message_id", "variant", "consent", "operation", "provider",
    "request_model", "response_model", "status", "error_type", "prompt_text", "response_text",
)  # fmt: skip
_NUMBERS: Final = ("duration_s", "ttft_s", "tokens_per_second", "explicit_score", "implicit_score")
_COUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
_TOLD: Final = (
    "messages", "system", "output", "tools", "context", "feedback", "attributes", "error_message", "session", "user",
)  # fmt: skip
"""What somebody said, once; other keys repeat it, or are no words."""
_SAID: Final = ("value", "label", "comment", "correction", "quote", "metadata", "rater")
"""The same of feedback. One of a million span ids is the number of a card, check digit and all."""
_JSON: Final = ("system", "messages", "output", "tools", "context", "feedback")
COLUMNS: Final = (*_TEXTS, *_NUMBERS, *_COUNTS, *_JSON)
"""What tables have; the keys are those of `traces --json`."""
_HF_NAMES: Final = {"double": "float64"}
"""What `datasets` calls a type that pyarrow calls otherwise."""


def rows(records: Iterable[Rated], recipe: Recipe, funnel: Funnel, gates: Sequence[Finder]) -> Iterator[Line]:
    """The calls that the recipe asks for, each seen by the gates."""
    number = 0
    for interaction, feedback in records:
        refusal = selection.refusal(interaction, recipe)
        if refusal is not None:
            funnel.dropped(CALLS, refusal)
            continue
        row = views.interaction_json(interaction, feedback)
        told = _words(row)
        for gate in gates:
            gate.see(Sample(number=number, texts=[told.replace("\\n", "\n") if recipe.benchmarks else told]))
        found = next((gate.name for gate in gates if gate.hits[-1:] == [number]), None)
        number += 1
        if found in recipe.drop:
            funnel.dropped(CALLS, f"{found}: left out as asked")
            continue
        funnel.passed(CALLS)
        yield row, json_line(row), weight(interaction, feedback)


def _words(row: Row) -> str:
    """What somebody said, as text for gates."""
    given = [{name: each.get(name) for name in _SAID} for each in row["feedback"]]
    return json_line([given if name == "feedback" else row[name] for name in _TOLD])


def write(lines: Iterable[Line], recipe: Recipe, place: Path | None) -> int:
    """Writes rows in the recipe's format with their lineage, or counts them where there is no place to write them to.

    Raises:
        RecipeError: the format needs a package that is not installed.
    """
    if place is None:
        return sum(1 for _ in lines)
    writers: Mapping[str, Callable[[Iterator[Line], Path], int]] = {
        "jsonl": _write_jsonl,
        "csv": _write_csv,
        "parquet": _write_parquet,
        "hf": _write_hf,
    }
    with (place / LINEAGE).open("w", encoding="utf-8", newline="\n") as lineage:
        return writers[recipe.format](_told(lines, lineage), place)


def _told(lines: Iterable[Line], lineage: TextIO) -> Iterator[Line]:
    """`lines`, of each of which `lineage` is told which call and which feedback it is."""
    for number, (row, line, stands_for) in enumerate(lines):
        told = {
            "split": "train",
            "row": number,
            "sha256": sha256(line.encode()).hexdigest(),
            "rule": "call",
            "spans": [row["span_id"]],
            "feedback": sorted(each["id"] for each in row["feedback"]),
            "weight": stands_for,
        }
        lineage.write(f"{json_line(told)}\n")
        yield row, line, stands_for


def _write_jsonl(lines: Iterator[Line], place: Path) -> int:
    count = 0
    with (place / "train.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for _, line, _ in lines:
            file.write(f"{line}\n")
            count += 1
    return count


def _write_csv(lines: Iterator[Line], place: Path) -> int:
    count = 0
    with (place / "train.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row, *_ in lines:
            table.writerow([_cell(value) for value in _flat(row).values()])
            count += 1
    return count


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: those run what they are given."""
    return guarded(value) if isinstance(value, str) else value


def _write_parquet(lines: Iterator[Line], place: Path) -> int:
    arrow, parquet = needed("pyarrow", "parquet"), needed("pyarrow.parquet", "parquet")
    schema, count = _schema(arrow), 0
    with parquet.ParquetWriter(place / "train.parquet", schema) as writer:
        for piece in _pieces(lines):
            writer.write_table(arrow.Table.from_pylist(piece, schema=schema))
            count += len(piece)
    return count


def _write_hf(lines: Iterator[Line], place: Path) -> int:
    """The files that `datasets.load_from_disk` reads, without that library: it would copy all rows to a cache first."""
    arrow = needed("pyarrow", "parquet")
    schema, count = _schema(arrow), 0
    name = "data-00000-of-00001.arrow"
    with arrow.OSFile(str(place / name), "wb") as file, arrow.ipc.new_stream(file, schema) as writer:
        for piece in _pieces(lines):
            writer.write_table(arrow.Table.from_pylist(piece, schema=schema))
            count += len(piece)
    features = {
        field.name: {"dtype": _HF_NAMES.get(str(field.type), str(field.type)), "_type": "Value"} for field in schema
    }
    _write_json(place / "dataset_info.json", {"features": features})
    state = {"_data_files": [{"filename": name}], "_fingerprint": fingerprint(place / name), "_split": None}
    unset: dict[str, Any] = {
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
    }
    _write_json(place / "state.json", {**state, **unset})
    return count


def _write_json(path: Path, value: Any) -> None:
    path.write_text(f"{json.dumps(value, indent=2, sort_keys=True)}\n", encoding="utf-8", newline="\n")


def fingerprint(path: Path) -> str:
    """What `datasets` tells the rows of a file by."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]


def _schema(arrow: Any) -> Any:
    kinds = {
        **dict.fromkeys((*_TEXTS, *_JSON), arrow.string()),
        **dict.fromkeys(_NUMBERS, arrow.float64()),
        **dict.fromkeys(_COUNTS, arrow.int64()),
    }
    return arrow.schema([(name, kinds[name]) for name in COLUMNS])


def _pieces(lines: Iterator[Line]) -> Iterator[list[dict[str, Any]]]:
    while piece := [_flat(row) for row, *_ in islice(lines, PIECE)]:
        yield piece


def _flat(row: Row) -> dict[str, Any]:
    """The columns of a table: what is no plain value, as JSON."""
    flat: dict[str, Any] = {}
    for name in COLUMNS:
        value = row[name]
        flat[name] = json_line(value) if name in _JSON else codec.whole(value) if isinstance(value, str) else value
    return flat


def needed(module: str, extra: str) -> Any:
    """A module that an extra brings.

    Raises:
        RecipeError: it is not installed; the message says how to.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise RecipeError(f"this format needs {package}: pip install 'rlhf-otel[{extra}]'") from None
