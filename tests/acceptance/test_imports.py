"""What people complain about in other products, 39: votes that stay in their database, and exports that lack fields."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.codec import response_text
from rlhf_otel.store import Store

EXPORTS = Path(__file__).parents[1] / "importers" / "exports"


def rlhf_otel(*words: object) -> str:
    """What the command prints; it must succeed."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("product", ["open-webui", "langsmith", "langfuse", "phoenix"])
def test_39_votes_come_out_of_other_products_whole(product, tmp_path) -> None:
    """Rating, reason, rater and tags arrive with the answer that was rated, and survive our own export and import."""
    rlhf_otel("import", EXPORTS / product, "--scale", "rating=1-10", "--store", tmp_path / "a.db")
    rlhf_otel("export", "--all", "--format", "csv", "--out", tmp_path / "copy", "--store", tmp_path / "a.db")
    rlhf_otel("import", tmp_path / "copy", "--store", tmp_path / "b.db")
    with Store.open(tmp_path / "a.db") as here, Store.open(tmp_path / "b.db") as there:
        calls = list(there.interactions())
        assert list(here.interactions()) == calls
        assert list(here.all_feedback()) == list(there.all_feedback())
        on = there.feedback_on(calls)
    said = {(response_text(c), f.score, f.comment, f.rater) for c in calls for f in on[c.span_id] if f.kind == "binary"}
    assert said == {
        ("Paris.", 1.0, "right", "user-1"),
        ("Barcelona.", 0.0, "=wrong city", "user-2"),
        ("Rome, since 1871.", 1.0, None, "user-1"),
    }
    if product == "open-webui":
        (told,) = (f.metadata for f in there_is(on, "right"))
        assert (told["reason"], told["tags"]) == ("accurate_information", ["geography"])


def there_is(on: dict, comment: str) -> list:
    """The feedback with this comment."""
    return [f for given in on.values() for f in given if f.comment == comment]


def test_39_what_was_imported_becomes_a_dataset(tmp_path) -> None:
    """A correction that stood in an export of Langfuse is a row to train on, once somebody says that it may be."""
    rlhf_otel("import", EXPORTS / "langfuse", "--store", tmp_path / "a.db")
    rlhf_otel(
        "export",
        "--format",
        "sft",
        "--unset-consent",
        "train",
        "--out",
        tmp_path / "rows",
        "--store",
        tmp_path / "a.db",
    )
    (row,) = map(json.loads, (tmp_path / "rows" / "train.jsonl").read_text(encoding="utf-8").splitlines())
    asked, answer = (row[part][0]["content"] for part in ("prompt", "completion"))
    assert (asked, answer) == ("What is the capital of Spain?", "Madrid.")
