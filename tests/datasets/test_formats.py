"""The shapes of rows: what trainers and hosted services load as it is."""

from __future__ import annotations

import csv
import json

import pytest

from rlhf_otel import semconv
from rlhf_otel.datasets import Recipe, RecipeError
from rlhf_otel.datasets.formats import rows_as_messages
from rlhf_otel.steps import encoded
from tests.datasets.conftest import text

TOOL = {"type": "function", "name": "weather", "description": "Looks.", "parameters": {"type": "object"}}
NESTED = {
    "type": "function",
    "function": {"name": "weather", "description": "Looks.", "parameters": {"type": "object"}},
}
CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
ASKED = [
    text("system", "Be brief."),
    text("user", "Weather in Paris?"),
    {"role": "assistant", "parts": [CALL]},
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"sky": "blue"}}]},
]  # fmt: skip
AWKWARD = 'a "quoted"\tline\r\nnext \u2028 \x00 é 😀 '


def test_history_tools_and_their_answers(sessions):
    """A conversation with a system prompt and a tool is a list of messages, with arguments as objects, and `tools`."""
    sides = [sessions.call(ASKED, answer, tools=[TOOL]) for answer in ("Blue.", "Grey.")]
    sessions.prefer(*sides)
    (row,) = sessions.export().rows
    assert row["prompt"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather in Paris?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris"}}}],
        },
        {"role": "tool", "content": '{"sky":"blue"}'},
    ]
    assert row["tools"] == [NESTED]
    assert "tools" not in sessions.export(tools="drop").rows[0]


def test_the_hosted_preference_format(sessions):
    """`input`, `preferred_output` and `non_preferred_output`, with arguments as text and ids that join calls."""
    sides = [sessions.call(ASKED, answer, tools=[TOOL]) for answer in ("Blue.", "Grey.")]
    sessions.prefer(*sides)
    (row,) = sessions.export(format="openai-dpo").rows
    assert sorted(row) == ["input", "non_preferred_output", "preferred_output"]
    assert row["preferred_output"] == [{"role": "assistant", "content": "Blue."}]
    assert row["non_preferred_output"] == [{"role": "assistant", "content": "Grey."}]
    assert row["input"]["tools"] == [NESTED]
    call, answer = row["input"]["messages"][2:]
    assert call["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    ]
    assert answer == {"role": "tool", "content": '{"sky":"blue"}', "tool_call_id": "c1"}


def test_the_hosted_chat_format(sessions):
    """Every row ends with what the assistant should say; a call of a tool needs no text."""
    wanted = [{"role": "assistant", "parts": [{"type": "tool_call", "id": None, "name": "weather", "arguments": {}}]}]
    sessions.say(sessions.call(ASKED[:2], wanted, tools=[TOOL]), 5)
    sessions.correct(sessions.call("Q", "wrong"), "right")
    first, second = sorted(sessions.export(format="openai-chat").rows, key=lambda row: len(row["messages"]))
    assert first == {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "right"}]}
    assert second["messages"][-1]["content"] is None


def test_standard_style_is_text(sessions):
    """A single question is its own prompt; of a conversation every turn has its speaker."""
    sessions.prefer(sessions.call("Q", "good"), sessions.call("Q", "bad"))
    asked = [text("user", "Q"), text("assistant", "A"), text("user", "More")]
    sessions.prefer(sessions.call(asked, "b+"), sessions.call(asked, "b-"))
    rows = sessions.export(style="standard").rows
    assert rows == [
        {"prompt": "Q", "chosen": "good", "rejected": "bad"},
        {"prompt": "User: Q\n\nAssistant: A\n\nUser: More", "chosen": "b+", "rejected": "b-"},
    ]


def test_reward_rows_have_a_margin(sessions):
    """The stated margin, and the lead of the winner where none was stated."""
    sessions.prefer(sessions.call("Q1", "a"), sessions.call("Q1", "b"), margin=3.0)
    sessions.prefer(sessions.call("Q2", "a"), sessions.call("Q2", "b"))
    assert [row["margin"] for row in sessions.export(format="reward").rows] == [3.0, 1.0]


def test_thumbs_are_labels(sessions):
    """KTO rows come from thumbs; ratings and corrections only where they are asked for."""
    sessions.say(sessions.call("Q1", "good"), True)
    sessions.say(sessions.call("Q2", "bad"), False)
    sessions.say(sessions.call("Q3", "rated"), 5)
    sessions.correct(sessions.call("Q4", "wrong"), "right")

    def labels(**choices):
        rows = sessions.export(format="kto", **choices).rows
        return {(row["prompt"][0]["content"], row["completion"][0]["content"], row["label"]) for row in rows}

    assert labels() == {("Q1", "good", True), ("Q2", "bad", False)}
    assert labels(use=("ratings", "corrections")) == {
        ("Q3", "rated", True),
        ("Q4", "right", True),
        ("Q4", "wrong", False),
    }


def test_raters_who_disagree_make_no_label(sessions):
    """One thumb up and one down is no label; two to one is."""
    divided, decided = sessions.call("Q1"), sessions.call("Q2")
    for rater, value in (("r1", True), ("r2", False)):
        sessions.say(divided, value, rater=rater)
    for rater, value in (("r1", True), ("r2", False), ("r3", False)):
        sessions.say(decided, value, rater=rater)
    made = sessions.export(format="kto")
    assert [(row["prompt"][0]["content"], row["label"]) for row in made.rows] == [("Q2", False)]
    assert made.dropped == {"raters disagree, or the score is neither high nor low": 1}


def test_corrections_and_top_ratings_are_imitated(sessions):
    """SFT rows are corrections, and answers with a high mean rating; a corrected answer is not imitated itself."""
    sessions.say(sessions.call("Q1", "top"), 5)
    sessions.say(sessions.call("Q2", "middling"), 4)
    corrected = sessions.call("Q3", "wrong")
    sessions.say(corrected, 5)
    sessions.correct(corrected, "right")
    sessions.say(sessions.call("Q4", "thumb"), True)
    rows = sessions.export(format="sft").rows
    assert [(row["prompt"][0]["content"], row["completion"][0]["content"]) for row in rows] == [
        ("Q1", "top"),
        ("Q3", "right"),
    ]
    assert len(sessions.export(format="sft", use=("thumbs",)).rows) == 1
    assert len(sessions.export(format="sft", use=("ratings",), min_score=0.7).rows) == 3


def test_steps_have_exact_boundaries(sessions):
    """The steps of an answer, up to the last with a verdict: paragraphs of reasoning, calls of tools, what was said."""
    thought = {"type": "reasoning", "content": "First, 2+2=4.\n\nSo 4*3=12."}
    span = sessions.call(
        "Q", [{"role": "assistant", "parts": [thought, CALL, {"type": "text", "content": "Thus 13."}]}]
    )
    for step, right in enumerate((True, True, True, False)):
        sessions.say(span, right, step=step)
    assert sessions.export(format="prm").rows == [
        {
            "prompt": "Q",
            "completions": ["First, 2+2=4.", "So 4*3=12.", 'weather({"city":"Paris"})', "Thus 13."],
            "labels": [True, True, True, False],
        }
    ]


def test_steps_that_the_application_declared(sessions):
    """Declared steps are the steps; those without a verdict end the row, or are right if that is asked for."""
    span = sessions.call("Q", "one two three", attributes={semconv.STEPS: encoded(["one", "two", "three"])})
    sessions.say(span, False, step=2)
    assert sessions.export(format="prm").dropped == {"its first step has no clear verdict": 1}
    (row,) = sessions.export(format="prm", unrated_steps="right").rows
    assert (row["completions"], row["labels"]) == (["one", "two", "three"], [True, True, False])


def test_a_verdict_on_a_step_that_is_not_there(sessions):
    """Such a verdict makes no row, and is counted."""
    sessions.say(sessions.call("Q", "only one"), True, step=5)
    assert sessions.export(format="prm").dropped == {"a verdict on a step that it does not have": 1}


def test_reasoning_is_dropped_or_kept(sessions):
    """The model's reasoning goes into no row unless it is asked for, and never into hosted formats."""
    parts = [{"type": "reasoning", "content": "hm"}, {"type": "text", "content": "yes"}]
    sessions.say(sessions.call("Q", [{"role": "assistant", "parts": parts}]), 5)
    (dropped,), (kept,) = (sessions.export(format="sft", reasoning=way).rows for way in ("drop", "keep"))
    assert dropped["completion"] == [{"role": "assistant", "content": "yes"}]
    assert kept["completion"] == [{"role": "assistant", "content": "yes", "reasoning_content": "hm"}]
    (text_row,) = sessions.export(format="sft", reasoning="keep", style="standard").rows
    assert text_row["completion"] == "<think>\nhm\n</think>\n\nyes"
    (hosted,) = sessions.export(format="openai-chat", reasoning="keep").rows
    assert hosted["messages"][-1] == {"role": "assistant", "content": "yes"}


def test_text_stays_as_it_was_byte_for_byte(sessions):
    """Quotes, line ends, separators, zeros and emoji come out as they went in; halves of characters become a mark."""
    sessions.prefer(sessions.call(AWKWARD, f"+{AWKWARD}"), sessions.call(AWKWARD, f"-{AWKWARD}"))
    sessions.prefer(sessions.call("Q2", "\ud83d half"), sessions.call("Q2", "bad"))
    first, second = sessions.export().pairs
    assert first == (AWKWARD, f"+{AWKWARD}", f"-{AWKWARD}")
    assert second == ("Q2", "\N{REPLACEMENT CHARACTER} half", "bad")


def test_calls_as_json_lines(sessions):
    """One call a line with the keys of `traces --json`, rated or not."""
    sessions.say(sessions.call("Q1", "A1"), True)
    sessions.call("Q2", "A2")
    rows = sessions.export(format="jsonl").rows
    assert [(row["prompt_text"], row["response_text"], len(row["feedback"])) for row in rows] == [
        ("Q1", "A1", 1),
        ("Q2", "A2", 0),
    ]


def test_no_spreadsheet_runs_what_a_person_wrote(sessions):
    """Texts that a spreadsheet would take for a formula begin with an apostrophe; the rest is as it was."""
    for prompt in ("=1+1", "+1", "-1", "@a", "\tx", 'plain, "quoted"\nand more'):
        sessions.call(prompt, "A")
    made = sessions.export(format="csv")
    with (made.path / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prompt_text"] for row in rows] == [
        "'=1+1", "'+1", "'-1", "'@a", "'\tx", "plain, \"quoted\"\nand more",
    ]  # fmt: skip
    assert json.loads(rows[0]["messages"]) == [text("user", "=1+1")]


def test_rows_of_every_format_are_read_back_as_text(sessions):
    """Whatever the format, its prompt and answers are found again."""
    both = sessions.call("Q", "a"), sessions.call("Q", "b")
    sessions.prefer(*both)
    sessions.say(both[0], True)
    sessions.say(both[0], 5, name="quality")
    expected = {"dpo": ["Q", "a", "b"], "openai-dpo": ["Q", "a", "b"], "kto": ["Q", "a"], "openai-chat": ["Q", "a"]}
    for name, texts in expected.items():
        assert [list(rows_as_messages(row)) for row in sessions.export(format=name).rows] == [texts]


@pytest.mark.parametrize(
    "choices",
    [
        {"format": "ppo"},
        {"format": "kto", "use": ("rankings",)},
        {"split": 1.0},
        {"sources": ()},
        {"format": "csv", "split": 0.1},
        {"balance": "colour"},
        {"shares": ("m=1",)},
        {"format": "jsonl", "topics": 3},
        {"balance": "model", "shares": ("m",)},
        {"balance": "model", "shares": ("m=-1",)},
        {"min_score": 0.1, "max_score": 0.9},
        {"format": "jsonl", "drop": ("outliers",)},
    ],
)
def test_what_cannot_be_is_refused(choices):
    """A recipe that asks for what there is not is refused with what there is."""
    with pytest.raises(RecipeError):
        Recipe(**choices)
