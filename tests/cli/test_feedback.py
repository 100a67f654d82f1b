"""`rlhf-otel feedback`: from another process to the call, wherever that is."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from rlhf_otel import hooks
from rlhf_otel.cli.feedback import parse_value
from rlhf_otel.cli.main import cli
from rlhf_otel.export import setup
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

from .conftest import FAILED, GOOD, LEFT, UNSEEN, interaction, opinion

RLHF_OTEL = (sys.executable, "-m", "rlhf_otel.cli.main")


@pytest.fixture(autouse=True)
def own_delivery():
    """Each test sets delivery up anew, as each process does."""
    yield
    setup.shutdown()
    hooks.strict = False


def given(path):
    with Store.open(path, read_only=True) as opened:
        call = opened.interaction(GOOD)
        return {one.id: one for one in (*opened.history(call), *opened.pending())}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("up", {"value": True}),
        ("DOWN", {"value": False}),
        ("👍", {"value": True}),
        ("4/5", {"value": 4, "scale": (1, 5), "kind": "rating"}),
        ("3.5/10", {"value": 3.5, "scale": (1, 10), "kind": "rating"}),
        ("0.8", {"value": 0.8, "kind": "score"}),
        ("1", {"value": 1.0, "kind": "score"}),
        ("off_topic", {"value": "off_topic", "kind": "categorical"}),
        ("and/or", {"value": "and/or", "kind": "categorical"}),
    ],
)
def test_a_value_is_told_by_its_form(word, expected):
    """Thumbs, ratings out of something, scores and labels are told apart by how they are written."""
    assert parse_value(word) == expected


@pytest.mark.parametrize("word", ["6/5", "0/5", "1/1", "4/inf", "nan/5", "1.5", "-0.1", "17", "nan", "inf", ""])
def test_a_number_off_its_scale_is_refused(word):
    """A number that is on no scale is a mistake, and the message says which one there is."""
    with pytest.raises(click.UsageError):
        parse_value(word)


def test_feedback_joins_its_call(run, store):
    """Given by span id, with everything that can be said, feedback is in the store when the command returns."""
    result = run("feedback", GOOD, "4/5", "-m", "fine", "--name", "accuracy", "--rater", "u7", "--id", "m-7",
                 "--source", "annotator", "--store", store)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (result.stdout, result.stderr) == ('accuracy 4/5 💬 joined with "How long does an egg take?" (id m-7)\n', "")
    one = given(store)["m-7"]
    assert (one.value, one.scale, one.score, one.kind) == (4, (1.0, 5.0), 0.75, "rating")
    assert (one.name, one.comment, one.rater, one.source, one.span_id) == ("accuracy", "fine", "u7", "annotator", GOOD)
    assert one.trace_id == "4bf92f3577b34da6" + GOOD


def test_a_correction_does_not_replace_the_value(run, store):
    """A value and a correction under one name are two pieces of feedback that both count."""
    words = ("down", "--name", "accuracy", "--correction", "Six.", "--id", "c", "--rater", "u7")
    result = run("feedback", GOOD, *words, "--json", "--store", store)
    assert [(one["id"], one["status"]) for one in json.loads(result.stdout)] == [
        ("c", "joined"),
        ("c:correction", "joined"),
    ]
    with Store.open(store, read_only=True) as opened:
        call = opened.interaction(GOOD)
        counting = {one.id: one for one in opened.feedback_on([call])[GOOD]}
    assert counting["c"].value is False
    assert counting["c:correction"].correction == "Six."


def test_a_comment_alone_is_feedback(run, store):
    """No value is needed where there are words."""
    assert run("feedback", "chatcmpl-b7", "-m", "hm", "--id", "w", "--store", store).exit_code == 0
    assert (given(store)["w"].kind, given(store)["w"].comment) == ("comment", "hm")


def test_feedback_before_its_call_is_pending_and_listed(run, store):
    """A span id that nobody has seen yet is kept, said to be pending, and listed."""
    result = run("feedback", UNSEEN, "up", "--id", "early", "--store", store)
    assert result.exit_code == 0
    assert "👍 is pending: its call is not in" in result.stdout
    assert "(id early)" in result.stdout
    assert "early" in given(store)
    listed = json.loads(run("feedback", "--pending", "--json", "--store", store).stdout)
    assert [one["id"] for one in listed] == ["f5", "early"]
    table = run("feedback", "--pending", "--store", store).stdout
    assert UNSEEN in table
    assert "early" in table


def test_ids_of_what_is_pending_are_whole_at_80_columns(run, store, monkeypatch):
    """By its id feedback is taken back, so nothing of it may be cut off."""
    monkeypatch.setenv("COLUMNS", "80")
    made = run("feedback", UNSEEN, "up", "--store", store).stdout.rpartition("(id ")[2].rstrip(")\n")
    assert made in run("feedback", "--pending", "--store", store).stdout


def test_feedback_can_be_taken_back(run, store):
    """What is retracted stays in the history and counts no longer."""
    result = run("feedback", "--retract", "f3", "--store", store)
    assert result.exit_code == 0
    assert 'f3 is taken back: helpfulness 4/5 on "How long does an egg take?"' in result.stdout
    with Store.open(store, read_only=True) as opened:
        call = opened.interaction(GOOD)
        assert "f3" not in {one.id for one in opened.feedback_on([call])[GOOD]}
        assert "f3" in {one.id for one in opened.history(call)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("yes",), 'label "yes" joined with "How long does an egg take?"'),
        (("up", "-m", "-1"), "👍 💬 joined with"),
        (("good", "--name", "tone"), "tone good joined with"),
        (("-m", "fine"), "💬 comment joined with"),
        (("down", "--correction", "Six."), "✎ correction joined with"),
    ],
)
def test_what_was_understood_is_said(run, store, words, said):
    """Whoever types a word sees what it was taken for, and which call it has found."""
    result = run("feedback", GOOD, *words, "--store", store)
    assert result.exit_code == 0
    assert said in result.stdout


def test_taking_back_what_nobody_gave_is_told(run, store):
    """An id that the store does not know is a failure, and nothing is written."""
    before = set(given(store))
    result = run("feedback", "--retract", "nobody", "--store", store)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "has the id nobody, so nothing was taken back" in result.stderr
    assert set(given(store)) == before
    assert run("feedback", "--retract", "f3", "--store", "elsewhere.db").exit_code == 1


def test_an_id_that_is_taken_is_told(run, store):
    """The same id again is the same feedback; with another value nothing changes, and the command says so."""
    words = ("--id", "mine", "--store", store)
    assert run("feedback", GOOD, "up", *words).exit_code == 0
    assert run("feedback", GOOD, "up", *words).exit_code == 0
    result = run("feedback", GOOD, "down", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'the id mine is already taken, by 👍 on "How long does an egg take?"; nothing changed' in result.stderr
    assert run("feedback", UNSEEN, "up", *words).exit_code == 1
    assert given(store)["mine"].value is True


def test_a_store_that_is_made_is_told(run):
    """Where there was no store, whoever has typed this in the wrong folder hears of it."""
    result = run("feedback", GOOD, "up")
    assert result.exit_code == 0
    assert result.stderr.startswith("no store was here, so .rlhf-otel/store.db was made; did the application run in")
    assert run("feedback", GOOD, "down").stderr == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "SPAN_ID is missing"),
        ((GOOD,), "up, down, 4/5, 0.8, a word"),
        ((GOOD[:-1], "up"), "16 hex digits expected"),
        ((GOOD, "7/5"), "off its scale"),
        ((GOOD, "-1"), "-1 is no score from 0 to 1; a rating has its scale with it, as in 4/5"),
        ((GOOD, "-1/5"), "off its scale"),
        ((GOOD, "--nope"), "No such option"),
        ((GOOD, "up", "--source", "nobody"), "--source"),
        (("--pending", "--rater", "x"), "--pending stands alone"),
        ((GOOD, "up", "--retract", "x"), "--retract stands alone"),
    ],
)
def test_mistakes_write_nothing(run, store, words, said):
    """What cannot be meant exits with 2, says what is expected, and leaves the store as it was."""
    before = set(given(store))
    result = run("feedback", *words, "--store", store)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert set(given(store)) == before


def test_a_store_that_takes_nothing_is_told(run, tmp_path):
    """Where nothing can be written the command fails, instead of keeping the feedback in its own memory."""
    (tmp_path / "x.db").write_bytes(b"this is not a database, " * 100)
    for path in ("x.db", ":memory:"):
        result = run("feedback", GOOD, "up", "--store", path)
        assert (result.exit_code, result.stdout) == (1, "")


def test_a_switched_off_recorder_is_told(run, store, monkeypatch):
    """With recording off, nothing is written and the command says so."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    result = run("feedback", GOOD, "up", "--store", store)
    assert result.exit_code == 1
    assert "switched off" in result.stderr


def test_feedback_goes_to_the_endpoint(tmp_path):
    """With an endpoint, a process of its own sends the event there, in the context of the rated span."""
    with FakeCollector() as collector:
        trace = "4bf92f3577b34da6" + GOOD
        environ = {**os.environ, **collector.environment()}
        words = [*RLHF_OTEL, "feedback", f"00-{trace}-{GOOD}-01", "up", "--id", "e"]
        done = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"👍 sent to {collector.http_url} (id e)\n"
        (log,) = collector.logs
        assert (log.event_name, log.trace_id, log.span_id) == ("gen_ai.evaluation.result", trace, GOOD)
        assert log.attributes["rlhf.feedback.id"] == "e"
    assert not (tmp_path / ".rlhf-otel").exists()


def test_a_silent_endpoint_is_told(run, monkeypatch):
    """Where nothing confirms the delivery, the exit code says so."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("RLHF_OTEL_EXIT_TIMEOUT", "0.3")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    result = run("feedback", GOOD, "up")
    assert result.exit_code == 1
    assert "rlhf-otel doctor" in result.stderr


def answered(store, typed, *words):
    """`feedback --interactive`, with what a person types."""
    return CliRunner().invoke(cli, ["feedback", "--interactive", "--store", store, *words], input=typed)


def test_interactive_asks_about_calls_without_feedback(store):
    """The newest first, each with its prompt and answer; an empty line skips."""
    ended = answered(store, "4\nfine\n", "--rater", "ben")
    assert (ended.exit_code, ended.stdout) == (0, "1 rated, 0 skipped\n")
    assert "> How long does an egg take?" in ended.stderr
    with Store.open(store, read_only=True) as opened:
        (kept,) = opened.history(opened.interaction(LEFT))
    assert (kept.value, kept.scale, kept.comment, kept.rater) == (4, (1, 5), "fine", "ben")
    assert answered(store, "").exit_code == 1


def test_interactive_asks_though_there_is_a_signal(store):
    """That somebody asked for another answer is not what anybody has said of this one."""
    with Store.open(store) as opened:
        opened.add(feedback=[opinion("s1", LEFT, name="regenerate", kind="signal", value=0.2)])
    assert answered(store, "4\n\n").stdout == "1 rated, 0 skipped\n"


def test_interactive_ends_with_the_input(store):
    """Who has gone away is not asked about the calls that are left; content that is missing is said to be."""
    with Store.open(store) as opened:
        opened.add([interaction("a" * 16, 0, input=None, output=None)])
    ended = answered(store, "", "--json")
    assert [one["span_id"] for one in json.loads(ended.stdout)] == ["a" * 16]
    assert "2 calls that nobody has rated" in ended.stderr and "> (content was not captured)" in ended.stderr


def test_interactive_about_one_call(store):
    """Named by its span id; the result as JSON."""
    ended = answered(store, "\n", GOOD, "--json")
    assert json.loads(ended.stdout) == [{"span_id": GOOD, "result": "dismissed"}]
    assert answered(store, "", UNSEEN).exit_code == 1
    assert answered(store, "", GOOD, "up").exit_code == 2


def test_all_feedback_as_a_table_and_as_json(run, store):
    """What counts now and what waits, each once; text that a spreadsheet would run stays text."""
    with Store.open(store) as opened:
        opened.add(feedback=[opinion("f6", name="why", kind="comment", comment='=cmd("x")')])
    rows = list(csv.DictReader(io.StringIO(run("feedback", "--list", "csv", "--store", store).stdout)))
    assert [row["id"] for row in rows] == ["f2", "f3", "f4", "f6", "f5"]
    assert (rows[3]["comment"], rows[0]["value"], rows[0]["span_id"]) == ('\'=cmd("x")', "False", GOOD)
    lines = run("feedback", "--list", "jsonl", "--store", store).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [row["id"] for row in rows]
    assert json.loads(lines[3])["comment"] == '=cmd("x")'
    assert json.loads(run("feedback", "--list", "json", "--store", store).stdout)[1]["value"] == 4
    assert run("feedback", "--list", "csv", GOOD, "--store", store).exit_code == 2


def test_calls_as_a_table(run, store):
    """One row a call with its figures, its scores and its text."""
    rows = list(csv.DictReader(io.StringIO(run("traces", "--csv", "--store", store).stdout)))
    assert [row["span_id"] for row in rows] == [GOOD, FAILED, LEFT]
    assert (rows[0]["output_tokens"], rows[0]["explicit_score"], rows[0]["session"]) == ("345", "0.375", "conv-42")
    assert rows[0]["prompt_text"] == "How long does an egg take?"
