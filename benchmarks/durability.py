"""What a span that ends costs the thread that ends it, by durability, beside the SDK's batch processor.

A span with some attributes and a prompt of 4 KB, on a provider of ours, into a backend on loopback; and what the
process holds while a backend is away and the spool is full. Each variant in a process of its own, asked in turns: CPU
time of the thread, the write included.

python benchmarks/durability.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import tempfile
import time
from typing import Any

from harness import Row, arguments, clean_environment, percentile, show

from rlhf_otel.testing import FakeCollector

PROMPT = "It was a bright cold day in April, and the clocks were striking thirteen. " * 57
ATTRIBUTES = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5", "gen_ai.response.id": "chatcmpl-1", "gen_ai.usage.input_tokens": 12,
    "gen_ai.usage.output_tokens": 345, "server.address": "api.openai.com", "server.port": 443,
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "Yes."}]}]),
    "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [{"type": "text", "content": PROMPT[:4096]}]}]),
}  # fmt: skip
LEVELS = ("memory", "disk", "sync")
TARGETS = {"disk": 1.1, "sync": 3.0}
_IN_MEMORY = 3000
"""So few wait in memory once the export thread has come to an end with what it was given."""
_PAUSE_S = 0.0005
"""Between two spans, so that it is the cost of one that is measured and not that of a queue that is full."""


def tracer_of(variant: str) -> Any:
    """A tracer whose spans go the way of one variant."""
    if variant.startswith("batch processor"):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider: Any = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        import rlhf_otel
        from rlhf_otel.export import setup

        level, _, redaction = variant.partition(" ")
        rlhf_otel.instrument(durability=level, redact=redaction == "redacted")
        telemetry = setup.current()
        assert telemetry is not None
        provider = telemetry.own.tracer_provider
    return provider.get_tracer("benchmark")


def serve(variant: str) -> None:
    """Ends so many spans as it is told to, and tells the nanoseconds that each end took this thread."""
    tracer = tracer_of(variant)
    ends(tracer, 300)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(ends(tracer, int(line))), flush=True)


def ends(tracer: Any, count: int) -> list[int]:
    """The nanoseconds that each of `count` ends took."""
    clock, taken = time.thread_time_ns, []
    for _ in range(count):
        span = tracer.start_span("chat gpt-5", attributes=ATTRIBUTES)
        began = clock()
        span.end()
        taken.append(clock() - began)
        time.sleep(_PAUSE_S)
    return taken


def hold(count: int) -> None:
    """The megabytes by which the process has grown when a full spool waits for a backend that is away."""
    import rlhf_otel

    rlhf_otel.instrument(durability="disk", spool_bytes=64 << 20)
    rlhf_otel.capture(prompt="first", response="b")
    rlhf_otel.flush(2)
    gc.collect()
    before = resident()
    for number in range(count):
        rlhf_otel.capture(prompt=PROMPT[:4096], response="b")
        if number % 50 == 0:
            time.sleep(0.02)
    until = time.monotonic() + 100
    while time.monotonic() < until:
        stats = rlhf_otel.stats()
        if stats["waiting"] - stats["spooled"] < _IN_MEMORY:
            break
        time.sleep(0.1)
    gc.collect()
    print(json.dumps([resident() - before, stats["spooled"], stats["dropped_spool_full"]]), flush=True)


def resident() -> float:
    """Megabytes of this process in memory; the highest so far where the system does not tell."""
    try:
        with open("/proc/self/statm") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * 4096 / 1e6
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class Variant:
    """One variant, alive in a process of its own."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.taken: list[float] = []
        self._folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--of", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            cwd=self._folder.name, env=environment,
        )  # fmt: skip

    def ask(self, count: int) -> None:
        """Has it end so many spans."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(count, file=self.process.stdin, flush=True)
        self.taken += json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """Ends it."""
        self.process.communicate()
        self._folder.cleanup()

    def us(self, share: float) -> float:
        """A percentile, in microseconds."""
        return percentile(self.taken, share) / 1000


def rows(rounds: int, count: int, held: int) -> list[Row]:
    """The table."""
    names = ["batch processor", "batch processor again", *LEVELS, *(f"{level} redacted" for level in LEVELS)]
    with FakeCollector() as collector:
        environment = clean_environment(**collector.environment())
        variants = [Variant(name, environment) for name in names]
        for _ in range(rounds):
            for variant in random.sample(variants, len(variants)):
                variant.ask(count)
            collector.clear()
        for variant in variants:
            variant.close()
    made = []
    for what, share in (("p50", 0.5), ("p99", 0.99)):
        floor = variants[0].us(share)
        for variant in variants:
            level, _, redacted = variant.name.partition(" ")
            target = TARGETS.get(level) if what == "p99" and not redacted else None
            made.append(Row(f"span.end() at 4 KB, {what}", variant.name, variant.us(share), "us",
                            ratio=variant.us(share) / floor, target=target))  # fmt: skip
    return [*made, full(held)]


def full(count: int) -> Row:
    """The row of a full spool."""
    with FakeCollector() as collector, tempfile.TemporaryDirectory() as folder:
        collector.fail(503)
        environment = clean_environment(**collector.environment(), OTEL_EXPORTER_OTLP_TIMEOUT="1")
        run = subprocess.run([sys.executable, __file__, "--hold", str(count)], check=True, stdout=subprocess.PIPE,
                             text=True, cwd=folder, env=environment)  # fmt: skip
    grown, spooled, dropped = json.loads(run.stdout)
    note = f"{spooled} on the disk alone, {dropped} dropped, of {count} calls and 64 MB"
    return Row("memory beneath a full spool", "disk", grown * 1e6 / 1024, "KB", note=note)


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--of"]:
        serve(sys.argv[2])
    elif sys.argv[1:2] == ["--hold"]:
        hold(int(sys.argv[2]))
    else:
        options = arguments(__doc__, rounds=10)
        table = rows(2, 50, 500) if options.quick else rows(options.rounds, 400, 20_000)
        show(table, "What durability costs the thread that ends a span (ratio: to the batch processor)", options)


if __name__ == "__main__":
    main()
