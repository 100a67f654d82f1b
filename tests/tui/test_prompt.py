"""The question beneath an answer, by keys, and the terminals in which it is asked."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import textwrap

import pytest

from rlhf_otel.hooks import Opinion
from rlhf_otel.store import Store
from rlhf_otel.tui import prompt

pty = pytest.importorskip("pty")


def pressed(*keys):
    """What comes of these keys, and the application afterwards."""
    question = prompt.Question()

    async def press():
        async with question.run_test(size=(60, 8)) as pilot:
            await pilot.press(*keys)
            await pilot.pause()

    asyncio.run(press())
    return question


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["4", "enter", *"too short", "enter"], Opinion(4, "too short")),
        (["2", "enter", "enter"], Opinion(2, None)),
        (["right", "right", "right", "left", "enter", "enter"], Opinion(2, None)),
        ([*["right"] * 9, "enter", "enter"], Opinion(5, None)),
        (["1", "enter", *"no", "escape", "3", "enter", "enter"], Opinion(3, "no")),
        (["3", "enter", *" 5 ", "enter"], Opinion(3, "5")),
        (["escape"], None),
        (["5", "escape"], None),
        (["5", "enter", "ctrl+d"], None),
    ],
)
def test_keys(keys, said):
    """Digits and arrows choose, Enter goes on, Escape goes back and then out; a comment may hold digits."""
    assert pressed(*keys).return_value == said


def test_enter_waits_for_a_rating():
    """Without a star there is nothing to go on with."""
    question = pressed("enter", *"words", "enter")
    assert (question.return_value, question.rating) == (None, 0)


def test_it_is_not_asked_where_there_is_no_terminal(monkeypatch):
    """Neither where the application has replaced its streams, nor inside an event loop."""
    monkeypatch.setattr(sys, "stdin", sys.__stdin__)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not prompt.is_possible()
    monkeypatch.setattr(sys, "stderr", sys.__stderr__)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not prompt.is_possible()

    async def inside():
        return prompt.is_possible()

    assert asyncio.run(inside()) is False


PROGRAM = textwrap.dedent("""
    import sys, rlhf_otel as rlhf
    from rlhf_otel import feedback
    rlhf.instrument(store={store!r})
    rlhf.capture(prompt="q", response="a", model="m")
    try:
        print("result:", feedback.ask(rater="u1"))
    except KeyboardInterrupt:
        print("result: interrupted")
""")


def in_a_terminal(tmp_path, *typed):
    """What the program prints and stores when somebody types this at the question, in a real terminal."""
    store, out = tmp_path / "calls.db", tmp_path / "stdout"
    child, terminal = pty.fork()
    if child == 0:
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
        os.chdir(tmp_path)
        environment = {**os.environ, "TERM": "xterm-256color"}
        os.execve(sys.executable, [sys.executable, "-c", PROGRAM.format(store=str(store))], environment)
    seen, waiting = b"", list(typed)
    while True:
        try:
            read = os.read(terminal, 65536)
        except OSError:  # the terminal is gone with the program
            break
        seen += read
        if waiting and waiting[0][0] in seen:
            os.write(terminal, waiting.pop(0)[1])
    os.waitpid(child, 0)
    os.close(terminal)
    with Store.open(store, read_only=True) as opened:
        (call,) = opened.interactions()
        return out.read_text(), [
            (f.value, f.scale, f.comment) for f in opened.feedback_on([call]).get(call.span_id, [])
        ]


def test_in_a_real_terminal(tmp_path):
    """A rating and a comment are stored, and what the application prints is its own alone."""
    typed = [(b"skip", b"4"), ("★★★★☆".encode(), b"\r"), (b"send", b"too short\r")]
    assert in_a_terminal(tmp_path, *typed) == ("result: submitted\n", [(4, (1, 5), "too short")])


def test_ctrl_c_is_for_the_application(tmp_path):
    """It is raised where the question was asked."""
    assert in_a_terminal(tmp_path, (b"skip", b"\x03")) == ("result: interrupted\n", [])
