"""Draws the README's picture from the demo's own output: `python docs/picture.py`, after `make demo`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 100


def demo_output() -> str:
    """What `rlhf-otel demo` prints, with its colours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # else it tells where the commands are here
    environment = {**os.environ, "PATH": path, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rlhf_otel.cli.main", "demo"]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True).stdout


def draw(output: str, path: Path) -> None:
    """Writes `output` as an SVG that needs no font from anywhere."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=WIDTH, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(output))
        svg = console.export_svg(title="rlhf-otel demo", unique_id="demo")
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    draw(demo_output(), Path(__file__).with_name("demo.svg"))
