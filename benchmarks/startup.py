"""CPU seconds that `instrument()` takes in an application with both client libraries and an OpenTelemetry provider.

Whole processes, from the start of Python to its end, in random order; 10th percentiles. The applications import openai
and anthropic, set a provider of the SDK up and make a client of each; one of them also calls `rlhf_otel.instrument()`.

python benchmarks/startup.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections import defaultdict

from harness import Row, arguments, clean_environment, percentile, show

# Registered first, so run last: behind the exit handlers of everybody else.
_HEAD = "import atexit, time; atexit.register(lambda: print(time.process_time()))\n"
_SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
import openai, anthropic
"""
_CLIENTS = "openai.OpenAI(api_key='none').chat.completions; anthropic.Anthropic(api_key='none').messages\n"
PROGRAMS = {
    "bare": _HEAD + _SDK + _CLIENTS,
    "noise": _HEAD + _SDK + _CLIENTS,
    "instrument()": _HEAD + _SDK + "import rlhf_otel; rlhf_otel.instrument()\n" + _CLIENTS,
    "own provider": _HEAD + "import openai, anthropic, rlhf_otel; rlhf_otel.instrument()\n" + _CLIENTS,
}
TARGET_S = 0.03


def measure(rounds: int) -> dict[str, float]:
    """CPU seconds of each program."""
    taken = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for warm in (True, *[False] * rounds):
            for name in random.sample(list(PROGRAMS), len(PROGRAMS)):
                run = subprocess.run(
                    [sys.executable, "-c", PROGRAMS[name]],
                    check=True, capture_output=True, text=True, cwd=folder, env=clean_environment(),
                )  # fmt: skip
                if not warm:
                    taken[name].append(float(run.stdout))
    return {name: percentile(runs, 0.1) for name, runs in taken.items()}


def rows(figure: dict[str, float]) -> list[Row]:
    """The table."""
    bare, name = figure["bare"], "start-up with both clients"
    note = "less the SDK's provider, which waits for the first span"
    return [
        Row(name, "noise", figure["noise"] - bare, "s", note=f"bare takes {bare:.3f} s"),
        Row(name, "instrument()", figure["instrument()"] - bare, "s", target=TARGET_S),
        Row(name, "instrument(), no provider", figure["own provider"] - bare, "s", note=note),
    ]


def main() -> None:
    """Measures and prints."""
    options = arguments(__doc__, rounds=20)
    show(rows(measure(1 if options.quick else options.rounds)), "CPU time that instrument() adds", options)


if __name__ == "__main__":
    main()
