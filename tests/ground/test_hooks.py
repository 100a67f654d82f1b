"""Events, lines and faults."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from rlhf_otel import hooks


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.DEBUG, "rlhf_otel")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("event", hooks.EVENTS)
def test_every_event_reaches_its_listeners(event):
    """In the order in which they asked, with what the event is about."""
    heard = []
    hooks.on(event, lambda *args: heard.append(("first", *args)))
    hooks.on(event, lambda *args: heard.append(("second", *args)))
    hooks.announce(event, 1)
    hooks.announce(event)
    assert heard == [("first", 1), ("second", 1), ("first",), ("second",)]


def test_a_listener_that_raises_is_isolated(lines):
    """It counts as a fault and is said once; the others are called all the same."""
    heard = []

    def broken(*_):
        raise KeyError("oh")

    hooks.on("flush", broken)
    hooks.on("flush", lambda: heard.append(True))
    hooks.announce("flush")
    hooks.announce("flush")
    assert heard == [True, True]
    assert hooks.counters["faults"] == 2
    assert len(lines()) == 1
    assert "a listener of 'flush' raised: KeyError (the application is not affected)" in lines()[0]


def test_a_listener_may_remove_itself():
    """Also while the event is being told."""
    heard = []

    def once():
        heard.append(True)
        remove()

    remove = hooks.on("flush", once)
    hooks.announce("flush")
    hooks.announce("flush")
    assert heard == [True]


def test_an_unknown_event_is_named():
    """With those that there are."""
    with pytest.raises(ValueError, match="no event is called 'flushed'; there are interaction, feedback, error"):
        hooks.on("flushed", print)


def test_the_same_line_is_said_once_a_minute(lines, monkeypatch):
    """By its key, whatever its words; after a minute again."""
    now = [1000.0]
    monkeypatch.setattr(hooks.time, "monotonic", lambda: now[0])
    for number in range(5):
        hooks.say("key", "number %d", number)
    hooks.say("other", "another")
    now[0] += hooks.SAY_EVERY_S
    hooks.say("key", "number %d", 9)
    assert [line.removeprefix("rlhf-otel: ") for line in lines()] == ["number 0", "another", "number 9"]


def test_the_first_line_is_said_right_after_boot(lines, monkeypatch):
    """A machine whose clock has just begun says it too."""
    monkeypatch.setattr(hooks.time, "monotonic", lambda: 0.5)
    hooks.say("key", "hello")
    assert len(lines()) == 1


def test_the_keys_of_lines_are_bounded():
    """Lines whose key holds a user's words do not fill the memory."""
    for number in range(5000):
        hooks.say(f"key {number}", "hello", level=logging.DEBUG)
    assert len(hooks._last_said) <= 1000


def test_strict_raises(monkeypatch, lines):
    """Tests see a fault where it happens, and it is logged and counted all the same."""
    monkeypatch.setattr(hooks, "strict", True)
    with pytest.raises(KeyError):
        hooks.fault("reading", KeyError("x"))
    assert hooks.counters["faults"] == 1
    assert len(lines()) == 1


def test_only_the_debug_log_has_what_an_error_says(lines, caplog):
    """The message of an error of plugged-in code may be what a person said."""
    hooks.fault("a listener raised", ValueError("my secret"))
    assert "my secret" not in lines()[0]
    assert any("my secret" in str(record.exc_info) for record in caplog.records if record.levelno == logging.DEBUG)


def test_plugged_in_code_is_told_apart():
    """While listeners run, and only then, the engine can know it."""
    heard = []
    hooks.on("flush", lambda: heard.append(hooks.in_plugged_in_code()))
    hooks.announce("flush")
    assert (heard, hooks.in_plugged_in_code()) == ([True], False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
def test_a_child_is_not_held_up_by_a_lock_of_its_parent():
    """What another thread of the parent held at the fork is free in the child; the anonymous user is another."""
    code = """
import os, threading
from rlhf_otel import app_context, handles, hooks
from rlhf_otel.export import setup
before, held, go = app_context.ANONYMOUS, threading.Event(), threading.Event()
def hold():
    with hooks._counting, hooks._said_lock, handles._lock, setup._lock:
        held.set()
        go.wait()
threading.Thread(target=hold, daemon=True).start()
held.wait()
if (child := os.fork()) == 0:
    hooks.count("x"); hooks.say("a", "b"); handles.forget(); setup.shutdown()
    os._exit(0 if before != app_context.ANONYMOUS else 3)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=20)
