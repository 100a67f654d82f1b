"""Celery: a pool of forked workers that live for long, or end without running what Python runs at exit."""

from __future__ import annotations

import os
import sys

import pytest

from .conftest import NEVER, PATIENCE, arrived, pairs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="celery's prefork pool is for POSIX")

CELERY = (
    sys.executable,
    "-m",
    "celery",
    "-A",
    "tasks",
    "worker",
    "--concurrency",
    "2",
    "--without-gossip",
    "--without-mingle",
)
PROMPTS = [f"task {number}" for number in range(8)]
ASKED = {"PROMPTS": ",".join(PROMPTS)}


@pytest.fixture(autouse=True)
def folders(tmp_path):
    (tmp_path / "queue").mkdir()
    (tmp_path / "control").mkdir()


def test_a_worker_that_lives_on(start, backend, llm):
    """Calls of a worker that goes on waiting for tasks arrive without its being ended."""
    worker = start(*CELERY, **ASKED, **backend.environment())
    llm.wait_for(len(PROMPTS), timeout=PATIENCE)
    backend.wait_for(spans=len(PROMPTS), timeout=PATIENCE)
    assert worker.process.poll() is None
    assert arrived(backend) == pairs(*PROMPTS), worker.said


@pytest.mark.parametrize(
    "more", [(), pytest.param(("--max-tasks-per-child", "1"), marks=pytest.mark.slow)], ids=["ended", "replaced"]
)
def test_a_worker_that_ends(more, start, backend, llm):
    """Pool processes deliver what is waiting when the worker is told to end, and when they are replaced."""
    worker = start(*CELERY, *more, **ASKED, OTEL_BSP_SCHEDULE_DELAY=NEVER, **backend.environment())
    llm.wait_for(len(PROMPTS), timeout=PATIENCE)
    worker.stop()
    assert arrived(backend) == pairs(*PROMPTS), worker.said
