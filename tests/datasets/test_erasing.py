"""Datasets are made anew without the rows that rest on what was erased, and say so."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from rlhf_otel.datasets import Recipe, catalog, erasing, make_dataset
from rlhf_otel.datasets.writing import WriteError
from tests.datasets.test_consent import call, opinion

FORMATS = ("jsonl", "csv", "parquet", "hf")


def erased(*numbers: int):
    """Asks whether something is of the calls with these numbers."""
    ids = {("span", f"{number + 1:016x}") for number in numbers}
    return lambda kind, name: (kind, name) in ids


def made(out: Path, count: int = 6, **choices) -> catalog.Known:
    """A dataset with a row for each call."""
    records = [(call(n, "train"), [opinion(n, "train", "rating")]) for n in range(count)]
    make_dataset(records, Recipe(**{"format": "jsonl", "near_duplicates": False, **choices}), out)
    return catalog.known(out)


def rows(path: Path, format_: str) -> list[str]:
    """The span ids of the rows that are left."""
    if format_ == "jsonl":
        return [json.loads(line)["span_id"] for line in (path / "train.jsonl").read_text().splitlines()]
    if format_ == "csv":
        with (path / "train.csv").open(newline="") as table:
            return [row["span_id"] for row in csv.DictReader(table)]
    arrow = pytest.importorskip("pyarrow")
    if format_ == "parquet":
        from pyarrow import parquet

        return list(parquet.read_table(path / "train.parquet")["span_id"].to_pylist())
    with arrow.OSFile(str(path / "data-00000-of-00001.arrow"), "rb") as file:
        return list(arrow.ipc.open_stream(file).read_all()["span_id"].to_pylist())


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_go_from_every_format(tmp_path: Path, format_: str) -> None:
    """The others are as they were, numbered anew, and lineage, hashes and card agree with them."""
    if format_ in ("parquet", "hf"):
        pytest.importorskip("pyarrow")
    dataset = made(tmp_path / "out", format=format_)
    places = erasing.resting_on(dataset, erased(0, 3))
    assert places == [("train", 0), ("train", 3)]
    erasing.without(dataset, places)
    assert rows(tmp_path / "out", format_) == [f"{n + 1:016x}" for n in (1, 2, 4, 5)]
    anew = catalog.known(tmp_path / "out")
    assert [(each["row"], each["spans"]) for each in anew.lineage()] == [
        (place, [f"{n + 1:016x}"]) for place, n in enumerate((1, 2, 4, 5))
    ]
    assert (anew.manifest["rows"], anew.manifest["erased"]) == ({"train": 4}, 2)
    assert "- Rows: 4 in `train`, after 2 were erased on request" in (tmp_path / "out/README.md").read_text()
    assert erasing.resting_on(anew, erased(0, 3)) == []


def test_both_files_of_a_split(tmp_path: Path) -> None:
    """A row is told by its file and its place in it."""
    dataset = made(tmp_path / "out", 40, format="sft", split=0.5, use=("ratings",))
    gone = [row for row in dataset.lineage() if row["row"] == 0]
    assert {row["split"] for row in gone} == {"train", "test"}
    numbers = [int(row["spans"][0].partition("#")[0], 16) - 1 for row in gone]
    before = dataset.rows
    erasing.without(dataset, erasing.resting_on(dataset, erased(*numbers)))
    written = "".join((tmp_path / "out" / name).read_text() for name in ("train.jsonl", "test.jsonl"))
    assert written.count("\n") == before - len(numbers) == catalog.known(tmp_path / "out").rows
    assert [number for number in numbers if f"word{number}of" in written] == []


def test_an_id_for_which_it_was_made_goes(tmp_path: Path) -> None:
    """A recipe may name a conversation, and the card with it."""
    dataset = made(tmp_path / "out", session="s1")
    erasing.without(dataset, erasing.resting_on(dataset, erased(2, 3)), "s1")
    assert catalog.known(tmp_path / "out").manifest["recipe"]["session"] == "[erased]"
    assert "`s1`" not in (tmp_path / "out/README.md").read_text()


def test_a_folder_that_cannot_be_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was, whole."""
    dataset = made(tmp_path / "out")
    before = (tmp_path / "out/train.jsonl").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(erasing, "_copy_lineage", full)
    with pytest.raises(WriteError, match="No space left"):
        erasing.without(dataset, [("train", 0)])
    assert (tmp_path / "out/train.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
