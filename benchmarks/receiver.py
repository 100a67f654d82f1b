"""How many spans a second a receiver acknowledges, once they are safe: ours, beside a server that does nothing.

Beside Phoenix and MLflow too, where `make test-backends` has installed them: they acknowledge before they have written.

    python benchmarks/receiver.py [--quick] [--json] [--rounds N] [NAME...]

Every backend runs for the whole time, in a process of its own, and is asked in turns; Phoenix and MLflow, which go on
writing long after they have answered, stand still while others are asked. The clients are another process: four
connections for requests of 512 spans, sixteen for single spans.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness import HERE, Row, arguments, clean_environment, show
from receiver_rivals import RIVALS, python

SHAPES = {"512 spans": (512, 4), "1 span": (1, 16)}
"""Name -> spans in a request, clients."""
PROTOCOLS = ("http", "grpc")
LONGEST_WAIT_S = 10.0
"""How long a backend that acknowledges before it writes is waited for."""
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
        written: how many spans it has written; None where `is_settled` says it.
        headers: what requests need beyond OTLP's.
    """

    name: str
    process: subprocess.Popen[Any]
    http: str
    grpc: str
    ready_s: float
    is_settled: Callable[[], bool] = lambda: True
    written: Callable[[], int] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """What it has used of the processors so far, with all its processes."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                of = stat.read_text().rpartition(")")[2].split()
                is_its = int(stat.parent.name) == self.process.pid or int(of[2]) == self.process.pid
                ticks += int(of[11]) + int(of[12]) if is_its else 0
        return ticks / os.sysconf("SC_CLK_TCK")

    def settle(self, acknowledged: int, before: int) -> tuple[int, float]:
        """Waits until it is settled, or long enough; how many spans more than `before` can be read, and how late."""
        began = time.perf_counter()
        if self.written is None:
            while not self.is_settled():
                time.sleep(0.01)
            return acknowledged, time.perf_counter() - began
        while (there := self.written() - before) < acknowledged and time.perf_counter() - began < LONGEST_WAIT_S:
            time.sleep(0.2)
        return there, time.perf_counter() - began

    def have(self, number: signal.Signals) -> None:
        """Has all of its processes stop or go on, where it is one that has a group of its own."""
        if self.written is not None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """Ends it with all its processes."""
        self.have(signal.SIGKILL)
        self.process.kill()
        self.process.wait()


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


def _rival(name: str) -> Callable[[Path], Backend]:
    def start(folder: Path) -> Backend:
        it = RIVALS[name](folder)
        url = f"{it.url}/v1/traces"
        return Backend(name, it.process, url, it.grpc, it.ready_s, written=it.written, headers=it.headers)

    return start


BACKENDS: dict[str, Callable[[Path], Backend]] = {
    "echo": echo,
    "rlhf-otel": ours,
    **{name: _rival(name) for name in RIVALS if python(name).exists()},
}
"""Name -> what starts it. Another backend is another entry here."""


@dataclass
class Round:
    """What one round of one backend came to.

    Attributes:
        acknowledged: spans a second that were confirmed.
        readable: the same, over the time until the last of them could be read; of a backend that writes later, what it
            wrote meanwhile, some of it from rounds before.
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
    words = [protocol, where, str(spans), str(clients), str(seconds), json.dumps(dict(backend.headers))]
    backend.have(signal.SIGCONT)
    before, written = backend.cpu_seconds(), backend.written() if backend.written is not None else 0
    run = subprocess.run(
        [sys.executable, str(HERE / "receiver_load.py"), *words], stdout=subprocess.PIPE, text=True, check=True
    )
    told = json.loads(run.stdout)
    sent, seconds = told["requests"] * spans, told["seconds"]
    readable, until_read = backend.settle(sent, written)
    used = backend.cpu_seconds() - before
    backend.have(signal.SIGSTOP)
    return Round(
        acknowledged=sent / seconds,
        readable=readable / (seconds + until_read),
        p50_ms=told["p50_ms"],
        p99_ms=told["p99_ms"],
        cpu_us=used / (sent + 2 * spans * clients) * 1e6,
    )


def _ready_row(backend: Backend) -> Row:
    """How long it took to start, which the operating system's cache decides as well: once, and no median."""
    target = 1.0 if backend.name == "rlhf-otel" else None
    return Row("ready to receive", backend.name, backend.ready_s, "s", target=target)


def _row(protocol: str, shape: str, name: str, rounds: Sequence[Round], reference: float | None) -> Row:
    middle = {
        each_field.name: statistics.median(getattr(each, each_field.name) for each in rounds)
        for each_field in fields(Round)
    }
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
                backend.kill()
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
