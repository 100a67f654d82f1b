"""Uvicorn: one process, several, and one that is replaced whenever a file changes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time

import pytest

from .conftest import APPS, NEVER, arrived, pairs

UVICORN = (sys.executable, "-m", "uvicorn", "--port", "{port}")
PROMPTS = [f"{kind} {number}" for kind in ("plain", "stream") for number in range(6)]
AT_EXIT = {"OTEL_BSP_SCHEDULE_DELAY": NEVER}

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


@posix
@pytest.mark.parametrize(
    ("number", "launched"),
    [
        pytest.param(signal.SIGTERM, True, id="terminated"),
        pytest.param(signal.SIGTERM, False, id="terminated by hand"),
        pytest.param(signal.SIGINT, True, id="interrupted", marks=pytest.mark.slow),
    ],
)
def test_one_process(number, launched, serve, backend):
    """What was asked of a server has arrived when it is told to end; without the launcher, if it flushes then."""
    variables = {**AT_EXIT, **backend.environment()}
    with serve(*UVICORN, "asgi:application", launched=launched, **variables) as service:
        asked = service.ask_all(PROMPTS)
        service.stop(number)
    assert arrived(backend) == pairs(*asked), service.said
    assert "different Context" not in service.said


@posix
def test_two_workers(serve, backend):
    """Both workers of `--workers 2` deliver what they were asked."""
    with serve(*UVICORN, "--workers", "2", "asgi:application", **AT_EXIT, **backend.environment()) as service:
        asked = service.ask_all(PROMPTS, processes=2)
    assert arrived(backend) == pairs(*asked), service.said
    assert "different Context" not in service.said


@posix
def test_reload(serve, backend, tmp_path):
    """With `--reload`, what was asked before a file changed and what was asked after it arrives."""
    app = tmp_path / "src" / "asgi.py"
    app.parent.mkdir()
    shutil.copy(APPS / "asgi.py", app)
    words = (*UVICORN, "--reload", "--reload-dir", str(app.parent), "--app-dir", str(app.parent), "asgi:application")
    with serve(*words, **AT_EXIT, **backend.environment()) as service:
        before = [service.ask(prompt)["version"] for prompt in PROMPTS]
        app.write_text(app.read_text().replace('VERSION = "one"', 'VERSION = "two"'))
        os.utime(app, (time.time() + 5, time.time() + 5))
        after, later = "one", []
        while after == "one":
            later.append(f"later {len(later)}")
            after = service.ask(later[-1])["version"]
            time.sleep(0.05)
    assert (set(before), after) == ({"one"}, "two")
    assert len(set(re.findall(r"Started server process \[(\d+)]", service.said))) == 2
    assert arrived(backend) == pairs(*PROMPTS, *later), service.said
