"""The chat in the terminal, as a person would use it: typed at, and rated now and then."""

from __future__ import annotations

from rlhf_otel.store import Store


def test_a_chat_in_which_every_second_answer_is_asked_about(start, tmp_path):
    """The rating joins the answer that was asked about, in the session of the chat; Enter skips the next one."""
    chat = start("terminal_chat.py", RLHF_OTEL_ASK_EVERY="2", RLHF_OTEL_DETECT_SIGNALS="false")
    out, talk = chat.communicate("\n".join(["one", "two", "4", "clear", "three", "four", "", "", ""]), timeout=60)
    assert chat.returncode == 0, talk
    assert out.count("model: ") == 4
    assert out.count("Thank you.") == 1
    assert talk.count("How good was that") == 2
    with Store.open(tmp_path / ".rlhf-otel" / "store.db", read_only=True) as store:
        calls = list(store.interactions())[::-1]
        votes = store.feedback_on(calls)
    assert len({call.session for call in calls}) == 1
    assert calls[0].session
    assert [call.input[-1]["parts"][0]["content"] for call in calls] == ["one", "two", "three", "four"]
    given = [[(vote.value, vote.comment) for vote in votes[call.span_id]] for call in calls]
    assert given == [[], [(4, "clear")], [], []]
