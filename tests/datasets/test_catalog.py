"""Datasets that were made before: which there are, how they differ, and which are stale."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.datasets import Recipe, RecipeError, catalog
from rlhf_otel.datasets.auditing import audit
from rlhf_otel.datasets.making import quiet
from tests.datasets.conftest import SECOND


@pytest.fixture
def pairs(sessions):
    """Four pairs, one in each conversation."""
    for number in range(4):
        sides = [sessions.call(f"Question {number}", word, session=f"s{number}") for word in ("good", "bad")]
        sessions.prefer(*sides)
    return sessions


def run(*words):
    """What the command printed, and its exit code."""
    ended = CliRunner().invoke(cli, [str(word) for word in words])
    return ended.stdout, ended.stderr, ended.exit_code


def listed(folder, store, *more):
    """The datasets in `folder`, as JSON."""
    return json.loads(run("datasets", "list", folder, "--store", store, "--json", *more)[0])


def test_datasets_are_listed_with_whether_they_are_stale(pairs, tmp_path):
    """While the store has what a dataset rests on it is up to date; without a call, or a vote, it is stale."""
    made = pairs.export()
    store = tmp_path / "store-1.db"
    assert (
        run("datasets", "list", tmp_path, "--store", store)[0]
        == f"{made.path}  dpo  4 rows  up to date with the store\n"
    )
    pairs.calls = pairs.calls[2:]
    pairs.say(kind="retraction", retracts="f4")
    (found,) = listed(tmp_path, pairs.store())
    assert found == {
        "path": str(made.path), "format": "dpo", "rows": {"train": 4}, "stale": True, "erased": 1, "superseded": 1,
        "stale_rows": ["train:0", "train:3"],
    }  # fmt: skip


def test_calls_as_they_are_go_stale_too(pairs, tmp_path):
    """A dataset of calls as they were recorded knows which they are."""
    made = pairs.export(format="jsonl")
    pairs.calls = pairs.calls[2:]
    (found,) = listed(made.path, pairs.store())
    assert (found["erased"], found["stale_rows"]) == (2, ["train:0", "train:1"])


def test_manifests_of_stale_datasets_say_so(pairs, tmp_path):
    """Where it is asked for, the manifest is marked; what was made anew is not."""
    made = pairs.export()
    manifest = made.path / "manifest.json"
    before = manifest.read_bytes()
    pairs.calls = pairs.calls[2:]
    listed(tmp_path, pairs.store(), "--mark")
    assert json.loads(manifest.read_bytes())["stale"] == {"erased": 1, "superseded": 0}
    listed(tmp_path, tmp_path / "store-1.db", "--mark")
    assert manifest.read_bytes() == before


def test_a_dataset_is_shown_by_its_card(pairs, tmp_path):
    """The card without what is meant for programs, and whether it is up to date."""
    made = pairs.export()
    shown, _, code = run("datasets", "show", made.path, "--store", tmp_path / "store-1.db")
    assert shown.startswith("# Preference pairs with an explicit prompt\n")
    assert (shown.splitlines()[-1], code) == ("Now: up to date with the store", 0)


def test_a_dataset_can_be_looked_at_without_a_store(pairs, tmp_path, monkeypatch):
    """Whoever was given a dataset lists and shows it; nothing is said of staleness, and nothing can be marked."""
    made = pairs.export()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("datasets", "list", made.path)[0] == f"{made.path}  dpo  4 rows  no store here to compare it with\n"
    (told,) = json.loads(run("datasets", "list", made.path, "--json")[0])
    assert (told["rows"], told["stale"]) == ({"train": 4}, None)
    assert run("datasets", "show", made.path)[0].splitlines()[-1] == "Now: no store here to compare it with"
    assert run("datasets", "list", made.path, "--mark")[2] == 1
    assert run("datasets", "list", made.path, "--store", "gone.db")[2] == 1


def test_two_datasets_are_compared(pairs):
    """Rows that came and went, and what was asked for otherwise."""
    before = pairs.export()
    sides = [pairs.call("Question 9", word, session="s9") for word in ("good", "bad")]
    pairs.prefer(*sides)
    after = pairs.export(since_ns=pairs.calls[0].start_ns + SECOND * 2)
    told = catalog.difference(catalog.known(before.path), catalog.known(after.path))
    assert (told["added_rows"], told["removed_rows"], told["unchanged"]) == (["train:3"], ["train:0"], 3)
    assert list(told["recipe"]) == ["since_ns"]
    printed = run("datasets", "diff", before.path, after.path)[0]
    assert printed.splitlines()[0] == "rows: 4 before, 4 after: 1 added, 1 removed"


def test_what_is_no_dataset(tmp_path):
    """A folder without our manifest is refused with exit code 1."""
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    _, said, code = run("datasets", "diff", tmp_path, tmp_path)
    assert (code, "is no dataset of ours" in said) == (1, True)
    (tmp_path / "empty").mkdir()
    _, said, code = run("datasets", "show", tmp_path / "empty")
    assert (code, "has no manifest.json; `rlhf-otel datasets list`" in said) == (1, True)
    with pytest.raises(catalog.CatalogError):
        catalog.known(tmp_path / "nowhere")


def test_the_gates_alone(pairs, tmp_path):
    """`audit` runs the gates over the store, over a dataset, and over anybody's rows."""
    made = pairs.export(split=0.3)
    store = tmp_path / "store-1.db"
    report = json.loads(run("datasets", "audit", "--store", store, "--json")[0])
    assert (report["rows"], report["path"]) == ({"train": 4}, None)
    gates = json.loads(run("datasets", "audit", made.path, "--json")[0])
    assert {each["gate"]: each["status"] for each in gates}["split"] == "passed"
    shared = json.loads((made.path / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    with (made.path / "test.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**shared, "chosen": [{"role": "assistant", "content": "ann@example.com"}]}) + "\n")
    printed, said, code = run("datasets", "audit", made.path)
    assert (code, said) == (1, "Error: a gate fails\n")
    assert "split            failed      train and test share 2 prompts or conversations" in printed
    assert "secrets          failed      1 row with secrets: 1 email" in printed


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "no rows"), ("[1]\n", "no JSON object"), ('{"a": 1}\n', "no prompt"), ('{"messages": 5}\n', "no format")],
)
def test_rows_in_no_format(tmp_path, content, said):
    """What cannot be read as rows is refused with its line."""
    file = tmp_path / "rows.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(RecipeError, match=said):
        audit(file, Recipe(), quiet)
