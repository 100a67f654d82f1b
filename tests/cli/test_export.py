"""`rlhf-otel export`, as a person or a script uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlhf_otel.store import Store
from tests.cli.conftest import interaction, opinion, text

SIDES = ("00f067aa0ba90001", "00f067aa0ba90002")


@pytest.fixture
def pairs(tmp_path):
    """A store with one preference, on calls of which nobody said what they may be used for."""
    path = tmp_path / "pairs.db"
    calls = [
        interaction(span, 60 * 10**9, session="s", output=[text("assistant", answer, finish_reason="stop")])
        for span, answer in zip(SIDES, ("good", "bad"), strict=True)
    ]
    kinds = {"name": "preference", "kind": "preference", "chosen": SIDES[0], "rejected": SIDES[1]}
    with Store.open(path) as opened:
        opened.add(calls, [opinion("p1", SIDES[0], **kinds)])
    return str(path)


def test_a_dataset_and_its_summary(run, pairs):
    """The command makes the folder and says how calls became rows, what the gates found, and where it is."""
    ended = run("export", "--out", "out", "--store", pairs, "--unset-consent", "train")
    assert ended.exit_code == 0
    assert "calls             2 in          2 out" in ended.stdout
    assert "size             warned      1 row to train on" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "dpo rows: 1 train, in out"
    (row,) = [json.loads(line) for line in Path("out/train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("good", "bad")


def test_what_is_held_back_for_consent_is_said(run, pairs):
    """Without a word on consent there are no rows and no folder, and the command says why and what to do."""
    ended = run("export", "--out", "out", "--store", pairs)
    assert (ended.exit_code, Path("out").exists()) == (1, False)
    assert "2 calls were held back because nothing is known of consent" in ended.stderr
    assert ended.stderr.splitlines()[-1] == (
        "Error: no dpo rows, so nothing was written: of 2 calls none is left: 2 no consent is known"
    )


def test_a_dataset_that_is_made_anew_may_be_empty(run, pairs):
    """Who may no longer be trained on must not stay in what was made before: it is empty then, and that is said."""
    assert run("export", "--out", "out", "--store", pairs, "--unset-consent", "train").exit_code == 0
    ended = run("export", "--out", "out", "--store", pairs, "--replace")
    assert (ended.exit_code, Path("out/train.jsonl").read_text(encoding="utf-8")) == (1, "")
    assert "no dpo rows, so out is empty now" in ended.stderr


@pytest.mark.parametrize(
    ("feedback", "words", "said"),
    [
        ({"value": True}, (), "no two answers to the same prompt were compared, or both rated"),
        ({"value": True}, ("--model", "other"), "the store has no calls that match"),
        ({"kind": "comment", "comment": "Fine."}, (), "none is left: 1 no feedback of the kind that is asked for"),
    ],
)
def test_why_there_is_no_row(run, tmp_path, feedback, words, said):
    """The error names the stage at which nothing was left, with the reasons."""
    path = str(tmp_path / "one.db")
    with Store.open(path) as opened:
        opened.add([interaction(SIDES[0], 1, consent="train")], [opinion("t1", SIDES[0], **feedback)])
    ended = run("export", "--dry-run", "--store", path, *words)
    assert ended.exit_code == 1
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("format_", "said"),
    [
        ("kto", "there is other feedback: --from corrections\n"),
        ("prm", "feedback of which prm makes no rows; --format dpo, reward, sft, openai-dpo, openai-chat would\n"),
    ],
)
def test_what_else_could_be_made_is_said(run, tmp_path, format_, said):
    """Only what the format is made from is proposed for it, and another format where that is nothing."""
    path = str(tmp_path / "corrected.db")
    with Store.open(path) as opened:
        correction = opinion("c1", SIDES[0], name="correction", kind="correction", correction="Better.")
        opened.add([interaction(SIDES[0], 1, consent="train")], [correction])
    assert said in run("export", "--format", format_, "--dry-run", "--store", path).stderr


def test_calls_that_nobody_has_rated(run, tmp_path):
    """Where nobody has said anything, the command says how to ask."""
    path = str(tmp_path / "unrated.db")
    with Store.open(path) as opened:
        opened.add([interaction(SIDES[0], 1, consent="train")])
    assert "`rlhf-otel feedback --interactive` asks" in run("export", "--dry-run", "--store", path).stderr


def test_the_operator_can_say_what_unset_consent_means(run, pairs, monkeypatch):
    """A setting stands in for the option."""
    monkeypatch.setenv("RLHF_OTEL_UNSET_CONSENT", "train")
    assert json.loads(run("export", "--dry-run", "--json", "--store", pairs).stdout)["rows"] == {"train": 1}


def test_a_dry_run_writes_nothing(run, pairs):
    """All counts and gates, and no folder."""
    ended = run("export", "--dry-run", "--store", pairs, "--unset-consent", "train", "--json")
    report = json.loads(ended.stdout)
    assert (report["path"], report["rows"], report["rules"]) == (None, {"train": 1}, {"preference": 1})
    assert [stage["stage"] for stage in report["stages"]] == ["calls", "feedback", "pairs", "rows"]
    assert sorted(path.name for path in Path().iterdir()) == ["pairs.db"]


def test_a_gate_stops_the_export_until_it_is_overridden(run, tmp_path):
    """A secret ends with exit code 1 and what can be done; an override exports, and the card says so."""
    path = str(tmp_path / "leaky.db")
    call = interaction(SIDES[0], 1, consent="train", output=[text("assistant", "Write to me@example.com")])
    with Store.open(path) as opened:
        opened.add([call], [opinion("t1", SIDES[0], value=True)])
    words = ("export", "--format", "kto", "--out", "out", "--store", path)
    ended = run(*words)
    assert (ended.exit_code, Path("out").exists()) == (1, False)
    assert "--drop secrets leaves those rows out, --override secrets exports them all the same" in ended.stderr
    assert run(*words, "--override", "secrets").exit_code == 0
    assert "| secrets | failed, **overridden** | 1 row with secrets: 1 email |" in Path("out/README.md").read_text()
    assert json.loads(Path("out/manifest.json").read_text())["overridden"] == ["secrets"]
    dropped = json.loads(run(*words, "--replace", "--drop", "secrets", "--json").stdout)
    assert dropped["rows"] == {"train": 0}
    assert Path("out/train.jsonl").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "--out DIR"),
        (("--out", "o", "--format", "ppo"), "'ppo' is not one of"),
        (("--out", "o", "--colour", "red"), "No such option"),
        (("--out", "o", "--format", "sft", "--from", "rankings"), "sft is not made from rankings"),
        (("--out", "o", "--since", "soon"), "neither an age"),
    ],
)
def test_what_is_asked_for_wrongly(run, pairs, words, said):
    """Unknown formats and options end with exit code 2 and a hint."""
    ended = run("export", "--store", pairs, *words)
    assert ended.exit_code == 2
    assert said in ended.stderr


def test_there_is_no_store(run):
    """Without a store the command says how to make one."""
    ended = run("export", "--out", "out")
    assert (ended.exit_code, "there is no store at" in ended.stderr) == (1, True)
