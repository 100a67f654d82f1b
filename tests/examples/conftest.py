"""Examples as a person runs them: under the launcher, in an empty folder, with a provider on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlhf_otel.testing import FakeLLM
from tests.browser.chromium import browser, page

__all__ = ["browser", "page"]
EXAMPLES = Path(__file__).parents[2] / "examples"
LAUNCHER = Path(sys.executable).parent / "rlhf-otel-instrument"


@pytest.fixture
def provider():
    """A provider that answers whatever is asked."""
    with FakeLLM() as llm:
        yield llm


@pytest.fixture
def start(tmp_path, provider):
    """Starts an example; its standard output can be read."""
    running = []

    def starting(name, *arguments, **environment):
        environment = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{provider.url}/v1", **environment}
        process = subprocess.Popen(
            [LAUNCHER, sys.executable, str(EXAMPLES / name), *arguments],
            cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield starting
    for process in running:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def eventually():
    """Reads again and again until it is as expected, and gives what was read last: what is sent takes its time."""

    def reading(read, expected):
        for _ in range(200):
            if (found := read()) == expected:
                break
            time.sleep(0.05)
        return found

    return reading
