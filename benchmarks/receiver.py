"""How many spans a second a receiver acknowledges, once they are safe: ours, beside a server that does nothing.

    python benchmarks/receiver.py [--quick] [--json] [--rounds N] [NAME...]

Every backend runs for the whole time, in a process of its own, and is asked in turns. The clients are another process:
four connections for requests of 512 spans, sixteen for single spans.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from harness import HERE, Row, arguments, clean_environment, show

SHAPES = {"512 spans": (512, 4), "1 span": (1, 16)}
"""Name -> spans in a request, clients."""
PROTOCOLS = ("http", "grpc")
SHARE, RATE = 0.6, 18_000.0
"""The aim: so many spans a second, or this share of what the echo server gets through."""


@dataclass
class Backend:
    """A running receiver.

    Attributes:
        name: in the table.
        process: what ends it.
        http: its URL, with the path of traces where that is not the usual one; empty where it takes no OTLP over HTTP.
        grpc: host and port; empty where it takes none.
        ready_s: how long it took until it listened.
        is_settled: whether all that it has acknowledged can be read.
    """

    name: str
    process: subprocess.Popen[str]
    http: str
    grpc: str
    ready_s: float
    is_settled: Callable[[], bool] = lambda: True

    def cpu_seconds(self) -> float:
        """What it has used of the processors so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self) -> float:
        """Waits until it is settled; how many seconds that took."""
        began = time.perf_counter()
        while not self.is_settled():
            time.sleep(0.01)
        return time.perf_counter() - began


def _started(name: str, words: Sequence[str]) -> Backend:
    """A server that prints where it listens as a line of JSON."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, env=clean_environment(), cwd=tempfile.gettempdir()
    )
    assert process.stdout is not None
    place = json.loads(process.stdout.readline())
    ready_s = time.perf_counter() - began
    return Backend(name, process, place["http"], place["grpc"].removeprefix("http://"), ready_s)


def ours(folder: Path) -> Backend:
    """`rlhf-otel serve`. What comes in a rush is on the disk at once, and in its tables when it says so."""
    words = ["-m", "rlhf_otel.cli.main", "serve", "--json", "--store", str(folder / "store.db")]
    backend = _started("rlhf-otel", [*words, "--port", "0", "--grpc-port", "0"])

    def is_settled() -> bool:
        with urllib.request.urlopen(f"{backend.http}/healthz") as answer:
            return not json.load(answer)["inbox_bytes"]

    backend.is_settled = is_settled
    return backend


def echo(_folder: Path) -> Backend:
    """The same stack without what we do."""
    return _started("echo", [str(HERE / "receiver_echo.py")])


BACKENDS: dict[str, Callable[[Path], Backend]] = {"echo": echo, "rlhf-otel": ours}
"""Name -> what starts it. Another backend is another entry here."""


@dataclass
class Round:
    """What one round of one backend came to.

    Attributes:
        acknowledged: spans a second that were confirmed.
        readable: the same, over the time until the last of them could be read.
        p50_ms: how long a client waited for an answer.
        p99_ms: the same.
        cpu_us: what a span cost the server until then, in all its threads.
    """

    acknowledged: float
    readable: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def measured(backend: Backend, protocol: str, shape: str, seconds: float) -> Round:
    """One round."""
    spans, clients = SHAPES[shape]
    where = backend.http if protocol == "http" else backend.grpc
    words = [protocol, where, str(spans), str(clients), str(seconds)]
    before = backend.cpu_seconds()
    run = subprocess.run(
        [sys.executable, str(HERE / "receiver_load.py"), *words], stdout=subprocess.PIPE, text=True, check=True
    )
    until_read = backend.settle()
    used = backend.cpu_seconds() - before
    told = json.loads(run.stdout)
    sent = told["requests"] * spans
    return Round(
        acknowledged=sent / seconds,
        readable=sent / (seconds + until_read),
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        cpu_us=used / (sent + 2 * spans * clients) * 1e6,
    )


def _ready_row(backend: Backend) -> Row:
    """How long it took to start, which the operating system's cache decides as well: once, and no median."""
    target = 1.0 if backend.name == "rlhf-otel" else None
    return Row("ready to receive", backend.name, backend.ready_s, "s", target=target)


def _row(protocol: str, shape: str, name: str, rounds: Sequence[Round], reference: float | None) -> Row:
    middle = {field.name: statistics.median(getattr(each, field.name) for each in rounds) for field in fields(Round)}
    rate = middle["acknowledged"]
    note = "readable {readable:.0f}/s, p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, {cpu_us:.0f} us of CPU a span"
    ratio = None if reference is None else rate / reference
    return Row(f"{protocol}, {shape}", name, rate, "spans/s", ratio, note=note.format(**middle))


def main() -> int:
    """Measures in turns, and prints."""
    options = arguments(__doc__, rounds=5, names=list(BACKENDS))
    names = options.names or list(BACKENDS)
    seconds, rounds = (0.5, 1) if options.quick else (3.0, options.rounds)
    cases = [(protocol, shape, name) for protocol in PROTOCOLS for shape in SHAPES for name in names]
    found: dict[tuple[str, str, str], list[Round]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        running = {name: BACKENDS[name](Path(folder)) for name in names}
        try:
            for _ in range(rounds):
                for protocol, shape, name in random.sample(cases, len(cases)):
                    if running[name].http if protocol == "http" else running[name].grpc:
                        found[protocol, shape, name].append(measured(running[name], protocol, shape, seconds))
        finally:
            for backend in running.values():
                backend.process.kill()
                backend.process.wait()
    rows = [_ready_row(backend) for backend in running.values()]
    for protocol, shape, name in cases:
        if not (of := found[protocol, shape, name]):
            continue
        reference = found.get((protocol, shape, "echo"))
        per_s = statistics.median(each.acknowledged for each in reference) if reference and name != "echo" else None
        rows.append(_row(protocol, shape, name, of, per_s))
    show(rows, f"Acknowledged spans (ratio: to the echo server; the aim: {RATE:.0f}/s or {SHARE})", options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
