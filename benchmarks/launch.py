"""How long an application waits for its first line: plain, under our launcher, under OpenTelemetry's.

Each launcher has an environment of its own, made in `.venvs` on first use, with openai and anthropic in it: ours has
this checkout; the official one has opentelemetry-distro and the two official GenAI instrumentations, and exporters set
to none, so that it sends nothing either. Each is compared with plain `python app.py` of its own environment. Two
applications: one imports no client library, one imports openai before its first line. Runs are interleaved in random
order; figures are medians. CPU time is that of the process up to the line, what ran in it before the application
included.

python benchmarks/launch.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import json
import random
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

from harness import ROOT, Row, arguments, clean_environment, environment, show

SDKS = ("openai>=3,<4", "anthropic>=2,<3")
OFFICIAL = (
    "opentelemetry-distro",
    "opentelemetry-instrumentation-genai-openai==1.3b0",
    "opentelemetry-instrumentation-genai-anthropic==1.3b0",
)
_LINE = """
import json, sys, time
print(json.dumps([time.process_time(), [name for name in sys.modules if name.startswith(PROOFS)]]), flush=True)
"""
APPS = {"no client library": "", "imports openai": "import openai"}
PROOFS = {"ours": "rlhf_otel.launcher.child", "official": "opentelemetry.instrumentation.genai.openai"}
TARGET = 0.1


def commands() -> dict[str, list[str]]:
    """What is started: each launcher and the plain Python beside it."""
    ours = environment("launch", "-e", str(ROOT), *SDKS)
    official = environment("official", *OFFICIAL, *SDKS)
    return {
        "ours": [str(ours / "rlhf-otel-instrument"), str(ours / "python")],
        "ours, plain": [str(ours / "python")],
        "official": [str(official / "opentelemetry-instrument"), str(official / "python")],
        "official, plain": [str(official / "python")],
    }


def launch(name: str, command: list[str], app: Path) -> tuple[float, float]:
    """CPU and wall seconds up to the first line of `app`."""
    silent = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    environ = clean_environment(**(silent if name == "official" else {}))
    began = time.perf_counter()
    with subprocess.Popen(
        [*command, str(app)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=app.parent, env=environ
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = time.perf_counter() - began
        process.stdout.read()
    cpu, found = json.loads(line)
    if bool(found) != (name in PROOFS):
        raise SystemExit(f"{name}: the launcher {'was' if found else 'was not'} at work: {found}")
    return cpu, wall


def measure(rounds: int) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """All runs, by launcher and application."""
    taken = defaultdict(list)
    started = commands()
    with tempfile.TemporaryDirectory() as folder:
        apps = {}
        for number, (title, first) in enumerate(APPS.items()):
            apps[title] = Path(folder) / f"app{number}.py"
            apps[title].write_text(first + _LINE.replace("PROOFS", repr(tuple(PROOFS.values()))))
        for warm in (True, *[False] * rounds):
            order = [(name, title) for name in started for title in APPS]
            random.shuffle(order)
            for name, title in order:
                figures = launch(name, started[name], apps[title])
                if not warm:
                    taken[name, title].append(figures)
    return taken


def rows(taken: dict[tuple[str, str], list[tuple[float, float]]]) -> list[Row]:
    """The table."""
    made = []
    for title in APPS:
        for index, kind in enumerate(("CPU", "wall")):
            figure = {name: median(run[index] for run in runs) for (name, app), runs in taken.items() if app == title}
            official = figure["official"] - figure["official, plain"]
            ours = figure["ours"] - figure["ours, plain"]
            name, note = f"launch, {kind}: {title}", f"plain takes {figure['ours, plain']:.3f} s"
            made.append(Row(name, "official launcher", official, "s", 1.0, note=note))
            made.append(
                Row(name, "rlhf-otel-instrument", ours, "s", ours / official, TARGET if kind == "CPU" else None)
            )
    return made


def main() -> None:
    """Measures and prints."""
    options = arguments(__doc__, rounds=11)
    show(rows(measure(1 if options.quick else options.rounds)), "Time to the application's first line", options)


if __name__ == "__main__":
    main()
