"""`rlhf-otel import`: what it says, what it passes over, and what it leaves in the store."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from rlhf_otel.importers import FORMATS, format_of
from rlhf_otel.importers.rows import PIECE
from rlhf_otel.store import Store
from tests.importers.conftest import EXPORTS

SPAN = "00f067aa0ba902b7"
VOTE = {"span_id": SPAN, "value": True, "rater": "u1", "id": "v1", "time": "2026-11-20T10:00:00Z"}
SECRET = "sk-proj-" + "a1B2" * 8


def told(result) -> dict:
    """What `--json` printed."""
    return json.loads(result.stdout)


def test_votes_are_taken_in_the_words_of_the_verbs(taken) -> None:
    """Thumbs, ratings with comments, corrections, preferences, rankings, signals and what is taken back."""
    rows = [
        VOTE,
        {
            "response_id": "chatcmpl-1",
            "value": 4,
            "scale": [1, 5],
            "name": "helpfulness",
            "comment": "long",
            "id": "v2",
        },
        {"message": "m-7", "value": False, "correction": "Madrid.", "id": "v3", "metadata": {"page": 2}},
        {"chosen": SPAN, "rejected": "00f067aa0ba902b8", "margin": 2, "position": "rejected", "id": "v4"},
        {"ranking": [SPAN, "00f067aa0ba902b8"], "id": "v5"},
        {"session": "conv", "turn": 1, "signal": "copy", "id": "v6"},
        {"retracts": "v1", "rater": "u1"},
        {"span_id": SPAN, "comment": "why not", "id": "v8"},
    ]
    _, found = taken(rows)
    said = [(f.id, f.kind, f.value, f.score) for f in found]
    assert said == [
        ("v1", "binary", True, 1.0),
        ("v2", "rating", 4, 0.75),
        ("v3", "binary", False, 0.0),
        ("v3:correction", "correction", None, None),
        ("v4", "preference", None, None),
        ("v5", "ranking", None, None),
        ("v6", "signal", 0.8, 0.8),
        ("v1:retraction", "retraction", None, None),
        ("v8", "comment", None, None),
    ]
    by_id = {f.id: f for f in found}
    assert (by_id["v1"].time_ns, by_id["v1"].span_id, by_id["v1"].rater) == (1_795_168_800_000_000_000, SPAN, "u1")
    assert (by_id["v3"].message_id, by_id["v3"].metadata, by_id["v3:correction"].correction) == (
        "m-7", {"page": 2}, "Madrid.",
    )  # fmt: skip
    assert (by_id["v4"].margin, by_id["v4"].position, by_id["v6"].turn) == (2, "rejected", 1)


def test_votes_of_a_table_are_the_same(taken) -> None:
    """In CSV everything is text; what looks like yes, no or a number is one."""
    table = f'span_id,value,scale,name,comment,id\n{SPAN},true,,,,a\n{SPAN},4,1-5,clear,"so, so",b\n{SPAN},bad,,,,c\n'
    _, found = taken(table, name="votes.csv")
    assert [(f.kind, f.value, f.scale, f.name, f.comment) for f in found] == [
        ("binary", True, None, "user_feedback", None),
        ("rating", 4, (1.0, 5.0), "clear", "so, so"),
        ("categorical", "bad", None, "user_feedback", None),
    ]


def test_what_cannot_be_read_is_named_and_passed_over(run, tmp_path) -> None:
    """File, line and reason of each; the rest is stored, and the exit code is 1."""
    lines = [
        json.dumps(VOTE), "{half", '"a word"', json.dumps({"colour": "red"}),
        json.dumps({**VOTE, "value": 7, "id": "x"}), json.dumps({"span_id": "0b9", "value": True}), "",
        json.dumps({**VOTE, "id": "v2"}), "[" * 200_000,
    ]  # fmt: skip
    (tmp_path / "votes.jsonl").write_text("\n".join(lines), encoding="utf-8")
    result = run("import", "votes.jsonl", "--store", "s.db", "--json")
    assert result.exit_code == 1
    assert [(each["line"], each["why"].partition(":")[0][:30]) for each in told(result)["problems"]] == [
        (2, "no JSON"), (3, "str where an object is expected"[:30]), (4, "nobody's export has rows of colour"[:30]),
        (5, "7 is outside its scale of 0 to 1"[:30]), (6, "'0b9' is not a span id"), (9, "no JSON"),
    ]  # fmt: skip
    assert told(result)["read"]["feedback"] == told(result)["new"]["feedback"] == 2
    assert "6 rows could not be read" in result.stderr
    again = run("import", "votes.jsonl", "--store", "s.db")
    assert (again.exit_code, again.stdout.splitlines()[1]) == (1, "2 feedback, 0 new")
    assert "votes.jsonl:2: no JSON" in again.stderr


def test_an_array_that_breaks_off_is_read_up_to_there(run, tmp_path) -> None:
    """What was stored stays, how much it was is said, and importing the whole file later adds the rest."""
    whole = json.dumps([{**VOTE, "id": f"v{n}", "comment": "x" * 1000} for n in range(2000)], indent=1)
    assert len(whole) > 2 * PIECE
    (tmp_path / "votes.json").write_text(whole[: len(whole) - 300], encoding="utf-8")
    result = run("import", "votes.json", "--store", "s.db")
    assert (result.exit_code, result.stdout.splitlines()[1]) == (1, "1,999 feedback, 1,999 new")
    assert "votes.json:15994: no JSON, and nothing after it can be read" in result.stderr
    (tmp_path / "votes.json").write_text(whole, encoding="utf-8")
    assert run("import", "votes.json", "--store", "s.db").stdout.splitlines()[1] == "2,000 feedback, 1 new"


def test_a_dry_run_says_the_same_and_writes_nothing(run, tmp_path) -> None:
    """Counts and problems, and no store."""
    result = run("import", EXPORTS / "langfuse", "--dry-run", "--json", "--store", "s.db")
    assert told(result) == {
        "read": {"calls": 3, "feedback": 5, "other spans": 1}, "new": None, "skipped": 0, "problems": [],
        "without_scale": {"rating": [7, 7]}, "stopped": None,
    }  # fmt: skip
    assert not (tmp_path / "s.db").exists()


def test_numbers_on_an_unknown_scale_are_kept_without_a_score(taken, run) -> None:
    """Nobody guesses that 1 of 5 is as good as 1 of 1; told the scale, they are ratings."""
    score = {
        "traceId": "t",
        "dataType": "NUMERIC",
        "source": "API",
        "timestamp": "2026-11-20T10:00:00Z",
        "name": "quality",
    }
    rows = [
        {**score, "id": "a", "value": 1},
        {**score, "id": "b", "value": 5},
        {**score, "id": "c", "name": "ok", "value": 1},
    ]
    _, found = taken(rows)
    assert [(f.kind, f.value, f.score) for f in found] == [("custom", 1, None), ("custom", 5, None), ("score", 1, 1.0)]
    assert (
        "with the first import into a store: --scale quality=1-5"
        in run("import", "export.jsonl", "--store", "other.db").stderr
    )
    run("import", "export.jsonl", "--store", "told.db", "--scale", "quality=1-5", "--thumbs", "ok")
    with Store.open("told.db") as store:
        kinds = [(f.kind, f.value, f.scale, f.score) for f in store.all_feedback()]
    assert kinds == [("rating", 1, (1, 5), 0.0), ("rating", 5, (1, 5), 1.0), ("binary", True, None, 1.0)]


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compressed_files_are_read(packed, run, tmp_path) -> None:
    """By what they begin with, whatever they are called."""
    (tmp_path / "votes.jsonl.packed").write_bytes(packed(json.dumps(VOTE).encode()))
    (tmp_path / "votes.jsonl").write_bytes(packed(json.dumps(VOTE).encode()))
    assert run("import", "votes.jsonl", "--store", "s.db").stdout.splitlines()[1] == "1 feedback, 1 new"


def test_secrets_are_redacted_on_the_way_in(taken) -> None:
    """As they are in what is recorded here."""
    row = {"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-11-20T10:00:00Z",
           "input": [{"role": "user", "content": f"my key is {SECRET}"}], "output": "thanks", "model": "m"}  # fmt: skip
    calls, found = taken([row, {**VOTE, "comment": f"it is {SECRET}"}])
    assert calls[0].input == [
        {"role": "user", "parts": [{"type": "text", "content": "my key is [REDACTED:openai-key]"}]}
    ]
    assert found[0].comment == "it is [REDACTED:openai-key]"


def test_feedback_alone_waits_for_its_call(taken) -> None:
    """Whichever comes first, also where the feedback names the whole trace."""
    score = {"id": "s1", "traceId": "t1", "name": "ok", "dataType": "BOOLEAN", "value": 1, "source": "API",
             "timestamp": "2026-11-20T11:00:00Z"}  # fmt: skip
    taken([score], name="scores.jsonl")
    with Store.open("calls.db") as store:
        assert [f.id for f in store.pending()] == ["langfuse:s1"]
    calls, _ = taken([{"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-11-20T10:00:00Z"}])
    with Store.open("calls.db") as store:
        assert (store.pending(), [f.id for f in store.feedback_on(calls)[calls[0].span_id]]) == ([], ["langfuse:s1"])
        assert list(store.interactions(has_feedback=True)) == calls


def test_a_vote_that_was_changed_since_is_the_one_that_counts(taken) -> None:
    """Importing a later export adds what has changed; the earlier vote stays in the history."""
    score = {"id": "s1", "traceId": "t1", "observationId": "o1", "name": "ok", "dataType": "BOOLEAN", "value": 1,
             "source": "API", "timestamp": "2026-11-20T11:00:00Z", "createdAt": "2026-11-20T11:00:00Z",
             "updatedAt": "2026-11-20T11:00:00Z", "authorUserId": "u1"}  # fmt: skip
    call = {"id": "o1", "traceId": "t1", "type": "GENERATION", "startTime": "2026-11-20T10:00:00Z"}
    taken([call, score])
    calls, found = taken([call, {**score, "value": 0, "updatedAt": "2026-11-21T11:00:00Z"}])
    assert [(f.id, f.value) for f in found] == [("langfuse:s1", True), ("langfuse:s1#1795258800000000000", False)]
    with Store.open("calls.db") as store:
        assert [f.value for f in store.feedback_on(calls)[calls[0].span_id]] == [False]


@pytest.mark.parametrize("path", sorted(path for path in EXPORTS.rglob("*.json*")), ids=lambda path: path.name)
def test_each_row_tells_whose_it_is(path) -> None:
    """The first row of each export is known by its names, and by one format alone before it."""
    text = path.read_text(encoding="utf-8")
    row = json.loads(text)[0] if text.startswith("[") else json.loads(text.splitlines()[0])
    assert format_of(row) == path.parent.name
    assert [name for name, form in FORMATS.items() if form.knows(row) and name != "votes"] == [path.parent.name]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere.jsonl",), "nowhere.jsonl: there is no such file"),
        (("empty",), "there is nothing to import"),
        (("torn.jsonl.gz",), "torn.jsonl.gz: "),
        (("columns.parquet",), "columns.parquet: "),
    ],
)
def test_a_file_that_cannot_be_read_is_said(words, says, run, tmp_path) -> None:
    """With its name, and exit code 1."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(json.dumps(VOTE).encode())[:-9])
    (tmp_path / "columns.parquet").write_bytes(b"PAR1")
    result = run("import", *words, "--store", "s.db")
    assert result.exit_code == 1
    assert says in result.stderr


@pytest.mark.parametrize("scale", ["quality", "quality=5", "quality=5-1", "=1-5", "quality=a-b"])
def test_a_scale_that_is_none_is_refused(scale, run, tmp_path) -> None:
    """Before anything is read."""
    (tmp_path / "votes.jsonl").write_text(json.dumps(VOTE), encoding="utf-8")
    assert run("import", "votes.jsonl", "--scale", scale).exit_code == 2


def test_a_store_that_takes_nothing_is_said(run, tmp_path) -> None:
    """With how much was stored before."""
    (tmp_path / "votes.jsonl").write_text(json.dumps(VOTE), encoding="utf-8")
    (tmp_path / "s.db").write_text("no store at all, but a text that is long enough to be looked at" * 20)
    result = run("import", "votes.jsonl", "--store", "s.db")
    assert (result.exit_code, "0 records were stored" in result.stderr) == (1, True)
