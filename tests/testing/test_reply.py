"""How a reply splits into pieces, and what it says by default."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf_otel.testing import Reply, ToolCall
from rlhf_otel.testing.reply import CANNED_TEXT


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=40), count=st.none() | st.integers(1, 50))
def test_pieces_add_up_to_the_text(text, count):
    """Whatever the text and the count, the pieces join to the text and none is empty."""
    pieces = Reply(chunks=count).pieces(text)
    assert "".join(pieces) == text
    assert all(pieces)
    assert count is None or len(pieces) <= count


def test_a_count_splits_evenly():
    """Three pieces of a text of seven characters have lengths two, two and three."""
    assert sorted(map(len, Reply(chunks=3).pieces("abcdefg"))) == [2, 2, 3]


def test_words_keep_their_leading_space():
    """Without a count the pieces are words, each with the space before it, as tokens are."""
    assert Reply().pieces("Paris is  big") == ["Paris", " is", "  big"]


def test_chunks_must_add_up_to_a_given_text():
    """Explicit pieces that contradict the text are refused when the reply is made."""
    with pytest.raises(ValueError, match="do not add up"):
        Reply(text="Paris", chunks=["Ro", "me"])


def test_the_default_text_gives_way():
    """The canned sentence is only said where nothing else is: no chunks, no tool call, no refusal, no empty text."""
    replies = [Reply(), Reply(chunks=["a", "b"]), Reply(tool_calls=[("f",)]), Reply(refusal="no"), Reply(text="")]
    assert [reply.answer() for reply in replies] == [CANNED_TEXT, "ab", "", "", ""]


def test_tool_calls_without_an_id_get_one_by_place():
    """Calls are numbered from one where the script names no id."""
    reply = Reply(tool_calls=[("f",), ToolCall("g", "{}", "mine"), ("h", '{"x": 1}')])
    assert [(call.name, call.arguments, call.id) for call in reply.calls] == [
        ("f", "{}", "call_1"),
        ("g", "{}", "mine"),
        ("h", '{"x": 1}', "call_3"),
    ]
