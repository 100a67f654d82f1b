"""What there is nothing to make of: said and counted, never a crash and never a wrong row."""

from __future__ import annotations

import pytest

from rlhf_otel.datasets.recipe import FORMATS
from tests.datasets.conftest import finding, text

TRAINING = tuple(name for name in FORMATS if name not in ("parquet", "hf"))


@pytest.mark.parametrize("format", TRAINING)
def test_an_empty_store(sessions, format):
    """No call at all makes an empty dataset and warns."""
    made = sessions.export(format=format)
    assert made.outcome.rows == {"train": 0}
    assert (made.path / ("train.csv" if format == "csv" else "train.jsonl")).exists()


def test_no_feedback_at_all(sessions):
    """Calls that nobody rated are counted as such."""
    sessions.call()
    sessions.call()
    outcome = sessions.dry(sources=("human", "signal"))
    assert (outcome.rows, outcome.funnel[0]["dropped"]) == ({"train": 0}, {"no feedback": 2})


def test_one_class_only(sessions):
    """All thumbs up make rows, and the balance says that every answer is good."""
    for number in range(3):
        sessions.say(sessions.call(f"Q{number}"), True)
    outcome = sessions.dry(format="kto")
    assert outcome.rows == {"train": 3}
    assert finding(outcome, "balance").says == "every answer is good"
    assert finding(outcome, "length").status == "not run"


def test_all_ties(sessions):
    """Nothing but ties is no row."""
    for number in range(3):
        sides = [sessions.call(f"Q{number}", word) for word in ("a", "b")]
        sessions.prefer(*sides, margin=0)
    outcome = sessions.dry()
    assert (outcome.rows, outcome.funnel[2]["dropped"]) == ({"train": 0}, {"a tie": 3})


def test_one_rater(sessions):
    """Of a single rater nothing is said on agreement."""
    sessions.prefer(sessions.call(answer="a"), sessions.call(answer="b"), rater="u1")
    assert finding(sessions.dry(), "raters").status == "not run"


def test_feedback_without_its_call(sessions):
    """Feedback that waits for its call makes no row."""
    sessions.say("00000000000000ff", True)
    assert sessions.dry(format="kto").rows == {"train": 0}


WHAT = [
    ({"input": None, "output": None}, "content was not captured"),
    ({"output": None}, "content was not captured"),
    ({"output": []}, "the answer is empty"),
    ({"output": [{"role": "assistant", "parts": []}]}, "the answer is empty"),
    ({"input": []}, "there is no question in it"),
    ({"input": [text("user", "abc… [97 of 100 characters cut]")]}, "content was cut by a length limit"),
    ({"output": [text("assistant", "ab… [98 of 100 characters cut]")]}, "content was cut by a length limit"),
    ({"input": [text("system", "[3 entries cut]"), text("user", "Q")]}, "content was cut by a length limit"),
    ({"input": [{"role": "user"}]}, "content is damaged"),
    ({"input": ["junk"]}, "content is damaged"),
    ({"input": [{"role": "user", "parts": [{"type": "text", "content": 5}]}]}, "content is damaged"),
    ({"input": [{"role": "user", "parts": [{"type": "uri", "modality": "image", "uri": "x"}]}]},
     "media that is not in the store"),
    ({"input": [{"role": "user", "parts": ["junk"]}]}, "a part that is no text"),
    ({"stream_end": "abandoned"}, "the answer is incomplete"),
    ({"output": [text("assistant", "and then", finish_reason="length")]}, "the answer is incomplete"),
    ({"status": "error", "error_type": "Timeout"}, "the call failed"),
    ({"operation": "embeddings"}, "the call has no answer in words"),
    ({"attributes": {"gen_ai.request.previous_response.id": "resp_1"}}, "earlier turns are kept by the provider"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "reason"), WHAT)
def test_calls_that_no_row_can_be_made_of(sessions, fields, reason):
    """Each is counted under its reason, and its neighbour is a row all the same."""
    sessions.say(sessions.call("broken", **fields), True)
    sessions.say(sessions.call("whole"), True)
    outcome = sessions.dry(format="kto")
    assert (outcome.rows, outcome.funnel[0]["dropped"]) == ({"train": 1}, {reason: 1})


def test_answers_that_were_cut_off_can_be_taken(sessions):
    """Where it is asked for, an answer that its reader left is a row."""
    sessions.say(sessions.call(stream_end="abandoned"), False)
    assert sessions.dry(format="kto", incomplete=True).rows == {"train": 1}


def test_odd_feedback_is_no_row(sessions):
    """Comments, words and values of any kind have no score, and a scale that is none gives none."""
    span = sessions.call()
    sessions.say(span, "fine", kind="categorical", name="topic")
    sessions.say(span, {"a": 1}, kind="custom", name="c")
    sessions.say(span, None, comment="hm", name="d")
    sessions.say(span, 3, scale=(5.0, 5.0), name="e")
    sessions.say(span, 3, kind="ranking", name="f")
    for name in ("kto", "sft", "dpo"):
        uses = () if name == "dpo" else ("thumbs", "ratings")
        assert sessions.dry(format=name, use=uses).rows == {"train": 0}


def test_an_enormous_row(sessions):
    """A row of megabytes is written as it is."""
    huge = "words " * 150_000
    sessions.say(sessions.call(answer=huge), True)
    (row,) = sessions.export(format="kto").rows
    assert row["completion"][0]["content"] == huge


def test_tool_calls_that_are_no_objects(sessions):
    """Arguments that are no JSON object are kept in one, for trainers, and as text for hosted formats."""
    call = {"type": "tool_call", "id": None, "name": "f", "arguments": "not json"}
    sessions.say(sessions.call(answer=[{"role": "assistant", "parts": [call]}]), 5)
    (trl,) = sessions.export(format="sft").rows
    (hosted,) = sessions.export(format="openai-chat").rows
    assert trl["completion"][0]["tool_calls"][0]["function"]["arguments"] == {"arguments": "not json"}
    assert hosted["messages"][-1]["tool_calls"][0]["function"]["arguments"] == "not json"
