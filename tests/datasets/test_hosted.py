"""Files for hosted fine-tuning would be taken as they are: they keep to the published rules."""

from __future__ import annotations

import json

import pytest

from tests.datasets.conftest import text
from tests.datasets.hosted import faults

TOOLS = [
    {"type": "function", "name": name, "description": name, "parameters": {"type": "object", "properties": {}}}
    for name in ("weather", "add")
]


def called(name, arguments, id=None):
    """A call of a tool."""
    return {"type": "tool_call", "id": id, "name": name, "arguments": arguments}


def answered(response, id=None):
    """What a tool said."""
    return {"role": "tool", "parts": [{"type": "tool_call_response", "id": id, "response": response}]}


def conversation(number):
    """Histories of several kinds: short, long, with tools with and without ids, several calls at once."""
    question = text("user", f"Question {number}")
    earlier = [text("user", "Hello"), text("assistant", "Hi.")]
    both = {"role": "assistant", "parts": [called("weather", {"city": "Oslo"}), called("add", '{"a":1}')]}
    one = {"role": "assistant", "parts": [called("weather", {}, "c1")]}
    kinds = (
        [question],
        [text("system", "Be brief."), *earlier, question],
        [text("developer", "Be kind."), question],
        [question, both, answered("cold"), answered({"sum": 1}), one, answered("warm", "c1")],
        [question, one, answered([1, 2], "c1"), text("assistant", "So."), text("user", "And?")],
    )
    return kinds[number % len(kinds)]


@pytest.fixture
def judged(sessions):
    """Twenty pairs, some answers of which are calls of tools, and an answer that was rated highly for each."""
    for number in range(20):
        asked = conversation(number)
        good = [{"role": "assistant", "parts": [called("add", {"n": number})]}] if number % 4 == 3 else f"Yes {number}"
        sides = [sessions.call(asked, answer, f"s{number}", tools=TOOLS) for answer in (good, f"No {number}")]
        sessions.prefer(*sides)
        sessions.say(sides[0], 5, name="quality")
    return sessions


@pytest.mark.parametrize("format", ["openai-dpo", "openai-chat"])
@pytest.mark.parametrize("choices", [{}, {"tools": "drop"}, {"system": "drop"}, {"reasoning": "keep"}])
def test_files_keep_to_the_published_rules(judged, format, choices):
    """Every row has the published form and roles, an answer at its end, and tools that are called and then answer."""
    made = judged.export(format=format, near_duplicates=False, **choices)
    assert len(made.rows) == 20
    assert faults(made.path / "train.jsonl") == []


def test_calls_without_ids_are_answered_in_their_order(judged):
    """Where a library gives no ids, calls are numbered and each answer of a tool goes to the next of them."""
    rows = judged.export(format="openai-dpo", near_duplicates=False).rows
    messages = next(row["input"]["messages"] for row in rows if len(row["input"]["messages"]) == 6)
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["call_1_0", "call_1_1"]
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == [
        "call_1_0",
        "call_1_1",
        "c1",
    ]


USER, ASSISTANT = {"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ([1], "no object"),
        ({"prompt": "Q", "completion": "A"}, "neither messages nor input with both outputs"),
        ({"messages": [USER, ASSISTANT], "label": True}, "an unknown key label"),
        ({"messages": [USER]}, "the last message is not by the assistant"),
        ({"messages": [ASSISTANT]}, "nobody asks"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "a message without content"),
        ({"messages": [{"role": "robot", "content": "Q"}, ASSISTANT]}, "not of the published form"),
        ({"messages": [USER, {"role": "tool", "content": "x", "tool_call_id": "c"}, ASSISTANT]},
         "an answer of a tool to no call"),
        ({"messages": [USER, CALLING, ASSISTANT]}, "a call of a tool that is not answered"),
        ({"messages": [USER, ASSISTANT], "tools": [{"type": "function", "function": {"name": "a b"}}]},
         "a tool named 'a b'"),
        ({"input": {"messages": [USER]}, "preferred_output": [ASSISTANT], "non_preferred_output": [ASSISTANT]},
         "both sides are the same"),
        ({"input": {"messages": [USER]}, "preferred_output": [ASSISTANT, ASSISTANT], "non_preferred_output": [CALLING]},
         "preferred_output is not one message"),
    ],
)  # fmt: skip
def test_the_rules_refuse_what_is_wrong(tmp_path, row, fault):
    """A row that breaks a rule is named with its line."""
    file = tmp_path / "rows.jsonl"
    good = json.dumps({"messages": [USER, ASSISTANT]})
    file.write_text("\n".join([good] * 9 + [json.dumps(row)]) + "\n", encoding="utf-8")
    assert any(each.startswith(f"line 10: {fault}") for each in faults(file)), faults(file)


def test_a_file_with_too_few_rows(tmp_path):
    """Nine rows are refused, and so is a mark at the beginning of the file."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join([json.dumps({"messages": [USER, ASSISTANT]})] * 9), encoding="utf-8-sig")
    assert faults(file)[:2] == ["the file begins with a byte order mark", "fewer than 10 rows"]
