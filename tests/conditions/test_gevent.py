"""gevent, where threads are greenlets: whoever waits in a way that gevent does not know stops them all."""

from __future__ import annotations

import os
import sys

import pytest

from .conftest import NEVER, PATIENCE, answer_to, arrived, pairs

pytest.importorskip("gevent")
PROMPTS = [f"{kind} {number}" for kind in ("plain", "stream") for number in range(4)]


def heard(backend):
    """What arrived; a stream that was forgotten has only the beginning of its answer."""
    return [(prompt, answer_to(prompt) if prompt == "stream 0" else said) for prompt, said in arrived(backend)]


HANGS = pytest.mark.skipif(sys.version_info >= (3, 13), reason="patched late, gevent hangs here without us, too")
WHEN = [
    "first",
    pytest.param("late", marks=HANGS),
    pytest.param("by the launcher", marks=pytest.mark.slow),
    pytest.param("after a call", marks=[pytest.mark.slow, HANGS]),
]


@pytest.mark.parametrize("when", WHEN)
def test_a_patched_program(when, start, backend):
    """Calls of many greenlets arrive while the program runs, and the export thread never holds up the others."""
    patch = {"OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH": "patch_all"}
    variables = {**backend.environment(), **(patch if when == "by the launcher" else {})}
    program = start(sys.executable, "-m", "green", when, *PROMPTS, **variables)
    assert program.process.wait(PATIENCE) == 0, program.said
    assert heard(backend) == pairs(*PROMPTS), program.said
    assert "Traceback" not in program.said


@pytest.mark.skipif(os.name != "posix", reason="gunicorn is for POSIX")
@pytest.mark.slow
@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_workers_of_gunicorn(preload, serve, backend):
    """A worker that gunicorn patches after it was forked delivers what it was asked, and goes on answering."""
    words = (sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "-k", "gevent")
    variables = {
        "OTEL_BSP_SCHEDULE_DELAY": NEVER,
        **backend.environment(),
        **({"WARM_UP": "warm-up"} if preload else {}),
    }
    with serve(*words, *preload, "wsgi", **variables) as service:
        asked = service.ask_all(PROMPTS, processes=2)
    assert arrived(backend) == pairs(*asked, *(["warm-up"] if preload else [])), service.said
