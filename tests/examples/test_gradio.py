"""The Gradio chat, in a browser: a question, its answer, and a thumb that a second one replaces."""

from __future__ import annotations

import pytest

from rlhf_otel.store import Store

pytest.importorskip("gradio", reason="tests/matrix/run.sh examples/gradio")


def test_the_last_thumb_on_an_answer_counts(start, page, tmp_path, eventually):
    """It is on the call behind the answer, though the page knows no id of ours."""
    chat = start("gradio_chat.py", GRADIO_ANALYTICS_ENABLED="False")
    page.goto(next(line for line in chat.stdout if "http://" in line).split()[-1])
    for question in ("How do I keep basil fresh?", "And mint?"):
        box = page.get_by_test_id("textbox").first
        box.fill(question)
        box.press("Enter")
        page.get_by_text(question).first.wait_for()
        page.get_by_role("button", name="Retry").first.wait_for()
    with Store.open(tmp_path / ".rlhf-otel" / "store.db") as store:
        for name, value in (("Like", True), ("Dislike", False)):
            page.get_by_role("button", name=name, exact=True).first.click()
            expected = {"How do I keep basil fresh?": [value], "And mint?": []}
            assert eventually(lambda: thumbs(store), expected) == expected


def thumbs(store):
    """What counts now, by question; what was detected is no thumb."""
    calls = list(store.interactions())
    votes = store.feedback_on(calls)
    return {
        call.input[-1]["parts"][0]["content"]: [vote.value for vote in votes[call.span_id] if vote.kind == "binary"]
        for call in calls
    }
