"""Gunicorn: a master that forks workers, before or after the application is imported."""

from __future__ import annotations

import os
import sys

import pytest

from .conftest import NEVER, arrived, pairs, stored

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gunicorn is for POSIX")

GUNICORN = (sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2")
PROMPTS = [f"{kind} {number}" for kind in ("plain", "stream") for number in range(6)]
AT_EXIT = {"OTEL_BSP_SCHEDULE_DELAY": NEVER}


PRELOAD = ("--preload",)
WAYS = [
    pytest.param(PRELOAD, "4", True, id="preload threads launched"),
    pytest.param((), "1", False, id="by hand", marks=pytest.mark.slow),
    pytest.param(PRELOAD, "1", False, id="preload by hand", marks=pytest.mark.slow),
    pytest.param(PRELOAD, "4", False, id="preload threads by hand", marks=pytest.mark.slow),
    pytest.param(PRELOAD, "1", True, id="preload launched", marks=pytest.mark.slow),
    pytest.param((), "4", False, id="threads by hand", marks=pytest.mark.slow),
    pytest.param((), "1", True, id="launched", marks=pytest.mark.slow),
    pytest.param((), "4", True, id="threads launched", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("preload", "threads", "launched"), WAYS)
def test_every_call_of_every_worker_arrives(preload, threads, launched, serve, backend):
    """What is asked of two workers arrives when they end, once each, and so does what was asked before the fork."""
    variables = {**AT_EXIT, **backend.environment(), **({"WARM_UP": "warm-up"} if preload else {})}
    words = (*GUNICORN, *preload, "--threads", threads, "wsgi")
    with serve(*words, launched=launched, **variables) as service:
        asked = service.ask_all(PROMPTS, processes=2)
    assert arrived(backend) == pairs(*asked, *(["warm-up"] if preload else [])), service.said
    assert "Traceback" not in service.said


def test_workers_that_are_replaced(serve, tmp_path):
    """A worker that ends after a few requests has written them into the store that all share; its successor goes on."""
    with serve(*GUNICORN, "--max-requests", "3", "wsgi", launched=False, **AT_EXIT) as service:
        processes = {service.ask(prompt)["process"] for prompt in PROMPTS}
    assert len(processes) > 2
    assert stored(tmp_path / ".rlhf-otel" / "store.db") == pairs(*PROMPTS), service.said
