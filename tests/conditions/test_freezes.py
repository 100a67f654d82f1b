"""Processes that are stopped between two calls and go on later, or never, as serverless platforms have it."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from .conftest import PATIENCE, arrived, pairs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


def invoke(function, event):
    """Has `function` handle `event`, and freezes it as soon as it has returned."""
    function.process.stdin.write(f"{event}\n".encode())
    function.process.stdin.flush()
    until = time.monotonic() + PATIENCE
    while f"returned {event}\n" not in function.said:
        assert function.process.poll() is None and time.monotonic() < until, function.said
        time.sleep(0.01)
    function.process.send_signal(signal.SIGSTOP)


def test_a_function_that_is_frozen_between_invocations(start, backend):
    """Each invocation that flushed has arrived by the time it is frozen, also the last, after which it is killed."""
    function = start(sys.executable, "-m", "frozen", **backend.environment())
    prompts = [f"event {number}" for number in range(3)]
    for count, prompt in enumerate(prompts, 1):
        invoke(function, prompt)
        assert arrived(backend) == pairs(*prompts[:count])
        function.process.send_signal(signal.SIGCONT)
    function.process.send_signal(signal.SIGSTOP)
    function.kill()
    assert arrived(backend) == pairs(*prompts)


def test_what_was_frozen_on_its_way_arrives_later(start, backend):
    """A call that was not flushed arrives with the next invocation, though the backend was away in between."""
    function = start(sys.executable, "-m", "frozen", **backend.environment())
    invoke(function, "unflushed")
    backend.down()
    backend.up()
    function.process.send_signal(signal.SIGCONT)
    invoke(function, "event")
    assert arrived(backend) == pairs("event", "unflushed")
