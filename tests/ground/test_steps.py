"""An answer's steps: what follows from its parts, and what the application declares instead."""

from __future__ import annotations

import pytest

from rlhf_otel.records import Interaction
from rlhf_otel.steps import Step, declared, encoded, paragraphs, steps_of


def answer(*parts, **fields):
    output = [{"role": "assistant", "parts": list(parts)}, {"role": "assistant", "parts": [said("another choice")]}]
    return Interaction(**{"trace_id": "", "span_id": "", "start_ns": 0, "end_ns": 0, "output": output, **fields})


def said(content):
    return {"type": "text", "content": content}


def thought(content):
    return {"type": "reasoning", "content": content}


CALL = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
RESULT = {"type": "tool_call_response", "id": "c1", "response": {"sky": "blue"}}
PICTURE = {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}
SPLIT = {
    "an answer alone": ([said("Paris.\n\nReally.")], [("answer", "Paris.\n\nReally.")]),
    "reasoning by paragraphs": (
        [thought("First.\n\n \n\nThen\nthis.\n  \nLast."), said("42")],
        [("reasoning", "First."), ("reasoning", "Then\nthis."), ("reasoning", "Last."), ("answer", "42")],
    ),
    "tools between words": (
        [said("Let me "), said("look."), CALL, RESULT, said("Blue.")],
        [("answer", "Let me look."), ("tool_call", 'weather({"city":"Paris"})'), ("tool_result", '{"sky":"blue"}'),
         ("answer", "Blue.")],
    ),
    "thought again after a tool": (
        [thought("Ask."), CALL, thought("Good.")],
        [("reasoning", "Ask."), ("tool_call", 'weather({"city":"Paris"})'), ("reasoning", "Good.")],
    ),
    "media is none": ([said("Look: "), PICTURE, said("nice")], [("answer", "Look: nice")]),
    "empty parts are none": ([thought(" \n"), said(" "), said("yes")], [("answer", "yes")]),
    "a tool without arguments": ([{"type": "tool_call", "name": "now"}], [("tool_call", "now()")]),
    "nothing": ([], []),
}  # fmt: skip


@pytest.mark.parametrize("what", SPLIT)
def test_steps_follow_from_the_parts(what):
    """In their order, counted from 0, of the first choice."""
    parts, expected = SPLIT[what]
    assert steps_of(answer(*parts)) == tuple(Step(place, *step) for place, step in enumerate(expected))


def test_code_is_not_cut():
    """A blank line within a fence ends no paragraph; a fence that nobody closes goes to the end."""
    code = "```python\na = 1\n\nb = 2\n```"
    assert list(paragraphs(f"Before.\n\n{code}\n\nAfter.")) == ["Before.", code, "After."]
    assert list(paragraphs("Before.\n\n```\na\n\nb")) == ["Before.", "```\na\n\nb"]


def test_declared_steps_take_their_place():
    """Texts, or contents with a kind and a time; through the attribute and back."""
    given = ["one", {"content": "two", "kind": "check", "time_ns": 5}, {"content": {"a": 1}}]
    made = declared(answer(said("ignored"), attributes={"k": "v"}), given)
    assert steps_of(made) == (Step(0, "step", "one"), Step(1, "check", "two", 5), Step(2, "step", '{"a":1}'))
    assert made.attributes["k"] == "v"
    assert encoded(given[:2]) == '[{"kind":"step","content":"one"},{"kind":"check","content":"two","time_ns":5}]'


@pytest.mark.parametrize("attribute", ["no JSON", "5", "[]", "null", 5, None])
def test_what_declares_nothing(attribute):
    """The parts count then."""
    assert steps_of(answer(said("x"), attributes={"rlhf.steps": attribute})) == (Step(0, "answer", "x"),)


@pytest.mark.parametrize("output", [None, [], [{}], [{"role": "assistant", "parts": None}]])
def test_an_answer_without_content(output):
    """It has no steps."""
    assert steps_of(answer(output=output)) == ()
