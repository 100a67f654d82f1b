"""Real processes: the launcher in front of real commands, in an empty folder and without a setting of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

LAUNCHER = (sys.executable, "-m", "rlhf_otel.launcher.command")
SETTINGS = ("OTEL_", "RLHF_OTEL_", "TRACELOOP_", "OPENINFERENCE_", "OPENAI_", "ANTHROPIC_", "PYTHON")


@dataclass
class Launch:
    """Runs things under the launcher in `folder`."""

    folder: Path
    environ: dict[str, str]

    def __call__(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs the launcher with `words` to the end."""
        environ = {**self.environ, **variables}
        return subprocess.run(
            [*LAUNCHER, *words], env=environ, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Starts the launcher with `words` and lets it run."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*LAUNCHER, *words], env={**self.environ, **variables}, cwd=self.folder, stdout=pipe, stderr=pipe, text=True
        )

    def python(self, code: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs `code` as an application."""
        return self(*options, sys.executable, "-c", code, **variables)

    def write(self, name: str, text: str) -> Path:
        """Writes a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def install(self, name: str, entry_points: str, **modules: str) -> str:
        """Makes a distribution of `modules` with `entry_points`; returns the folder to put on PYTHONPATH."""
        site = f"site-{name}"
        self.write(f"{site}/{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        self.write(f"{site}/{name}-1.0.dist-info/entry_points.txt", entry_points)
        for module, text in modules.items():
            self.write(f"{site}/{module}.py", text)
        return str(self.folder / site)


@pytest.fixture
def launch(tmp_path):
    """The launcher in an empty folder."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(SETTINGS)}
    return Launch(tmp_path, clean)
