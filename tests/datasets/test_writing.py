"""Datasets on disk: whole or not at all, and the same from the same calls."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import GateError, Recipe, RecipeError, WriteError, make_dataset, shelf, writing
from rlhf_otel.store import Store

FILES = {"README.md", "lineage.jsonl", "manifest.json", "train.jsonl"}


@pytest.fixture
def pairs(sessions):
    """Six pairs in six conversations."""
    for place in range(6):
        sides = [sessions.call(f"Q{place}", answer, session=f"s{place}") for answer in ("good", "bad")]
        sessions.prefer(*sides, rater="u1")
    return sessions


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_files_of_a_dataset(pairs):
    """Rows, lineage, card and manifest; the manifest has the hashes of the files, the lineage those of the rows."""
    made = pairs.export()
    assert {path.name for path in made.path.iterdir()} == FILES
    manifest = json.loads((made.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"]["train.jsonl"]["sha256"] == contents(made.path)["train.jsonl"]
    assert (manifest["format"], manifest["rows"], manifest["rules"]) == ("dpo", {"train": 6}, {"preference": 6})
    lines = (made.path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [each["sha256"] for each in made.lineage] == [hashlib.sha256(line.encode()).hexdigest() for line in lines]
    assert all(each["raters"] != ["u1"] for each in made.lineage)


@pytest.mark.parametrize("choices", [{}, {"split": 0.3}, {"format": "kto", "use": ("thumbs",)}, {"format": "csv"}])
def test_a_rebuild_is_the_same_to_the_byte(pairs, choices):
    """The same store and the same choices give the same files, whatever the time and the place."""
    first, second = pairs.export(**choices), pairs.export(**choices)
    assert contents(first.path) == contents(second.path)


def test_who_is_erased_vanishes_at_the_rebuild(pairs):
    """Without the calls of a person, a rebuild has none of their words and ids."""
    before = pairs.export()
    pairs.calls = [call for call in pairs.calls if call.session != "s2"]
    after = pairs.export()
    assert len(before.rows) - len(after.rows) == 1
    assert "Q2" in (before.path / "train.jsonl").read_text() and "Q2" not in (after.path / "train.jsonl").read_text()


def test_a_dataset_is_never_overwritten_by_accident(pairs, tmp_path):
    """A folder with anything in it is refused; a dataset makes way only where told; an empty folder is used."""
    path, recipe = pairs.store(), Recipe()
    out = tmp_path / "out"
    out.mkdir()

    def make(**more):
        with Store.open(path, read_only=True) as store:
            return make_dataset(read(store, recipe), recipe, out, **more)

    make()
    with pytest.raises(WriteError, match="--replace"):
        make()
    make(replace=True)
    assert {file.name for file in out.iterdir()} == FILES
    (out / "manifest.json").unlink()
    with pytest.raises(WriteError, match="something else"):
        make(replace=True)
    assert {file.name for file in tmp_path.iterdir()} == {"store-1.db", "out"}


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_nothing_is_left_of_a_write_that_fails(pairs, tmp_path, monkeypatch, fault):
    """A full disk or Ctrl-C in the middle leaves the folder as it was, and no temporary one."""
    made = pairs.export()
    before = contents(made.path)

    def fail(*_args):
        raise fault

    monkeypatch.setattr(writing, "manifest", fail)
    recipe = Recipe()
    with Store.open(tmp_path / "store-1.db", read_only=True) as store:
        with pytest.raises(WriteError if isinstance(fault, OSError) else KeyboardInterrupt):
            make_dataset(read(store, recipe), recipe, made.path, replace=True)
    assert contents(made.path) == before
    assert {path.name for path in tmp_path.iterdir()} == {"store-1.db", "dataset-1"}


def test_no_room_for_the_temporary_file(pairs, tmp_path, monkeypatch):
    """A full disk while the rows are still being judged is said, and nothing is written."""
    monkeypatch.setattr(shelf, "_TABLES", f"{shelf._TABLES}PRAGMA max_page_count = 25;")
    for number in range(40):
        pairs.say(pairs.call(f"More {number}", "words " * 500), True)
    with pytest.raises(WriteError, match="database or disk is full"):
        pairs.export(format="kto")
    assert {path.name for path in tmp_path.iterdir()} == {"store-1.db"}


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
from rlhf_otel.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files there")
@pytest.mark.parametrize("format", ["jsonl", "csv", "kto"])
def test_files_that_cannot_grow(sessions, tmp_path, format):
    """Where the system takes no more bytes, that is said in a line, and all that was begun is gone again."""
    for number in range(30):
        sessions.say(sessions.call(f"Question {number}", f"{number} " + "words " * 3000), True)
    out, store = tmp_path / "sets" / "out", sessions.store()
    words = ["export", "--format", format, "--out", out, "--store", store]
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, words)], env=environ, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (
        1,
        f"Error: {out} cannot be written, and nothing was: File too large\n",
    )
    assert {path.name for path in tmp_path.rglob("*")} <= {"sets", store.name}


def test_a_gate_that_fails_leaves_nothing_behind(sessions, tmp_path):
    """A secret in a row stops the export before anything is seen on the disk."""
    sessions.prefer(sessions.call(answer="mail me@example.com"), sessions.call(answer="no"))
    with pytest.raises(GateError, match="secrets: 1 row"):
        sessions.export()
    assert {path.name for path in tmp_path.iterdir()} == {"store-1.db"}


def test_a_place_that_cannot_be_written(pairs, tmp_path):
    """A file in the way, above or at the place itself, is said and nothing is written."""
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with Store.open(pairs.store(), read_only=True) as store:
            with pytest.raises(WriteError):
                make_dataset(read(store, Recipe()), Recipe(), out)


def test_rows_are_split_by_conversation(sessions):
    """Rows of one conversation, one prompt or one wording are all in the same file."""
    for place in range(60):
        session = f"s{place // 2}"
        sides = [
            sessions.call(f"Question {place % 40} of many", f"{word} {place}", session=session) for word in ("a", "b")
        ]
        sessions.prefer(*sides)
    made = sessions.export(split=0.3)
    train, test = made.split("train"), made.split("test")
    assert len(train) + len(test) == 60 and test
    by_split = {
        name: {each["conversation"] for each in made.lineage if each["split"] == name} for name in ("train", "test")
    }
    assert not by_split["train"] & by_split["test"]
    assert not {row["prompt"][0]["content"] for row in train} & {row["prompt"][0]["content"] for row in test}
    assert made.finding("split").status == "passed"


def test_rows_are_split_by_time(sessions):
    """The newest rows are for testing; those that belong to a conversation from before are left out."""
    for place in range(10):
        session = "old" if place in (0, 9) else f"s{place}"
        sides = [sessions.call(f"Question number {place}", word, session=session) for word in ("a", "b")]
        sessions.prefer(*sides)
    made = sessions.export(split=0.3, split_by="time", near_duplicates=False)
    asked = {name: [row["prompt"][0]["content"][-1] for row in made.split(name)] for name in ("train", "test")}
    assert asked == {"train": list("0123456"), "test": ["7", "8"]}
    assert made.dropped == {"belongs to rows from before the split": 1}


def test_rows_can_be_balanced(sessions):
    """Of each value of a key as many rows as of the rarest."""
    for place, kind in enumerate("aaaaabb"):
        sides = [sessions.call(f"Q{place}", word, context={"kind": kind}) for word in ("x", "y")]
        sessions.prefer(*sides)
    made = sessions.export(balance="context.kind")
    assert sorted(each["about"]["context.kind"] for each in made.lineage) == ["a", "a", "b", "b"]
    assert made.dropped == {"more than its share of context.kind": 3}


@pytest.mark.parametrize(
    ("shares", "kinds"),
    [
        (("a=2",), "aaaabb"),
        (("a=0",), "bb"),
        (("b=2",), "abb"),
        (("a=1", "b=3"), "bb"),
    ],
)
def test_a_balance_can_be_wanted(sessions, shares, kinds):
    """Of each value what its share allows; a share of 0 leaves a value out."""
    for place, kind in enumerate("aaaaabb"):
        sides = [sessions.call(f"Q{place}", word, context={"kind": kind}) for word in ("x", "y")]
        sessions.prefer(*sides)
    made = sessions.export(balance="context.kind", shares=shares)
    assert "".join(sorted(each["about"]["context.kind"] for each in made.lineage)) == kinds


def test_a_share_of_what_there_is_not(sessions):
    """A misspelled value is refused with those that there are."""
    sessions.prefer(sessions.call(answer="x"), sessions.call(answer="y"))
    with pytest.raises(RecipeError, match="no row has model 'n', of which a share is wanted; there is m"):
        sessions.export(balance="model", shares=("n=1",))


def test_topics_without_what_finds_them(sessions, monkeypatch):
    """Where scikit-learn is not installed, the recipe is refused with what to install, and nothing is written."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    sessions.prefer(sessions.call(answer="x"), sessions.call(answer="y"))
    with pytest.raises(RecipeError, match=r"pip install 'rlhf-otel\[learn\]'"):
        sessions.export(balance="topic")
    assert {path.name for path in sessions.folder.iterdir()} == {"store-1.db"}
