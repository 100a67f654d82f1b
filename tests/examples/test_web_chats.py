"""The chats for FastAPI and Flask, in a browser: a question, its streamed answer, and what a person says of it."""

from __future__ import annotations

import importlib.resources
import socket
import time

import pytest

from rlhf_otel.store import Store, StoreError

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")


@pytest.fixture
def free_port():
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def open_chat(page, port, process):
    """Goes there once it is up."""
    up = 1
    while up and process.poll() is None:
        time.sleep(0.05)
        with socket.socket() as one:
            up = one.connect_ex(("127.0.0.1", port))
    page.goto(f"http://127.0.0.1:{port}/")


def ask(page, question):
    """Types a question and waits until its answer can be rated."""
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Send").last.click()
    answer = page.locator("article", has=page.get_by_role("button", name="Good")).last
    answer.wait_for()
    return answer


@pytest.mark.parametrize("example", ["fastapi_chat.py", "flask_chat.py"])
def test_each_answer_gets_what_was_said_of_it(example, start, page, free_port, tmp_path, eventually):
    """A thumb with a comment, a copy, and another thumb on a second answer; an accessibility engine finds nothing."""
    open_chat(page, free_port, start(example, PORT=str(free_port)))
    page.evaluate(AXE.read_text(encoding="utf-8"))
    first = ask(page, "How do I keep basil fresh?")
    assert first.locator("p").inner_text() == "Hello! How can I help you today?"
    assert page.evaluate("axe.run().then(({ violations }) => violations.map(({ id }) => id))") == []
    first.get_by_role("button", name="Good").click()
    first.get_by_role("textbox").fill("short and right")
    first.get_by_role("button", name="Send").click()
    first.locator("p").select_text()
    page.keyboard.press("Control+C")
    first.get_by_text("Thank you").wait_for()
    page.get_by_label("Your question").fill("And mint?")
    page.keyboard.press("Enter")
    page.locator("article").nth(1).get_by_role("button", name="Bad").click()
    page.locator("article").nth(1).get_by_text("Thank you").wait_for()

    def stored():
        try:
            with Store.open(tmp_path / ".rlhf-otel" / "store.db", read_only=True) as store:
                calls = sorted(store.interactions(), key=lambda call: call.start_ns)
                given = store.feedback_on(calls)
        except StoreError as being_made:
            return being_made
        assert len({call.session for call in calls}) <= 1
        return [{(f.name, f.value, f.comment) for f in given.get(c.span_id, ()) if f.name != "dwell"} for c in calls]

    expected = [
        {("user_feedback", True, "short and right"), ("copy", 0.8, None), ("continue", 0.7, None)},
        {("user_feedback", False, None)},
    ]
    assert eventually(stored, expected) == expected
