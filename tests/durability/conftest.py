"""Processes that are really killed, judged by a journal that the test keeps and fsyncs by itself.

A driver is one process in which everything is imported. It forks the applications: they start within milliseconds, so
that many can be killed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

SETTINGS = ("OTEL_", "RLHF_OTEL_", "PYTHON", "OPENAI_")
posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and fork")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """An empty folder, and none of the machine's settings."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass
class Run:
    """Runs Python code as an application."""

    folder: Path

    def __call__(self, code: str, *words: str, timeout: float = 170, check: bool = True, **variables: str):
        """Runs `code` to its end."""
        file = self.folder / "app.py"
        file.write_text(code)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
        return subprocess.run(
            [*words, sys.executable, str(file)], env={**environ, "PYTHONUNBUFFERED": "1", **variables},
            cwd=self.folder, capture_output=True, text=True, timeout=timeout, check=check,
        )  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


@pytest.fixture
def backend():
    """A backend that takes OTLP over http."""
    with FakeCollector() as server:
        yield server


class Moody(threading.Thread):
    """Has a backend come and go, be slow and refuse, until it is told to be well."""

    def __init__(self, backend, draws) -> None:
        super().__init__(daemon=True)
        self._backend, self._draws, self._well = backend, draws, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._well.wait(self._draws.uniform(0.01, 0.15)):
            mood = self._draws.choice((self._backend.recover, lambda: self._backend.fail(503),
                                       lambda: self._backend.hang(self._draws.uniform(0, 0.2))))  # fmt: skip
            mood()

    def be_well(self) -> None:
        self._well.set()
        self.join()
        self._backend.recover()


def journal(path: Path = Path("journal")) -> list[str]:
    """What the applications wrote down, and was on the disk, after their calls had returned."""
    return path.read_text().split() if path.exists() else []


def models(backend) -> list[str]:
    """The models of the calls that arrived, in order of arrival."""
    return [span.attributes["gen_ai.request.model"] for span in backend.spans]


def stored() -> list[str]:
    """The models of the calls in the default store."""
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        return sorted(call.request_model for call in store.interactions())


FLUSH = """
import time
from pathlib import Path
import rlhf_otel as rlhf
from rlhf_otel.export.spool.looking import seen
rlhf.instrument()
rlhf.capture(prompt="last", response="b", model="last")
until = time.monotonic() + 100
while not (rlhf.flush(5) and not list(seen(Path(".rlhf-otel/spool")))) and time.monotonic() < until:
    time.sleep(0.05)
"""
"""The run after the last one, which goes on until it has sent all that was left."""
