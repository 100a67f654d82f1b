"""What recording weighs where time is not the question: the queue, the wire, and a chat server that has little to do.

Each figure in a process of its own, over real HTTP to a collector of our own in the process that measures.

python benchmarks/weight.py [--quick] [--json] [--rounds N]
"""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from typing import Any

import cases
from harness import Row, arguments, clean_environment, percentile, show

from rlhf_otel.testing import FakeCollector

CALLS_PER_S = 10
_BATCH = 500


def held_in_queue(calls: int) -> float:
    """Bytes that one call keeps while it waits for the export thread, beyond what was said.

    It waits behind a processor that does not come back. What stays when the queue is empty again (the table of handles)
    is not the queue's.
    """
    import rlhf_otel
    from rlhf_otel.export import setup

    client, go_on = cases.Clients().openai, threading.Event()

    def wait(interaction: Any) -> Any:
        go_on.wait()
        return interaction

    rlhf_otel.instrument()
    rlhf_otel.add_processor(wait)
    telemetry = setup.current()
    assert telemetry is not None
    telemetry.own.worker._make_sinks = list
    tracemalloc.start()
    said = 0
    for number in range(calls):
        messages = [{"role": "user", "content": f"{number}: " + "what was said, " * 50}]
        client.chat.completions.create(model="gpt-4o-mini", messages=messages)
        said += len(str(messages[0]["content"])) + len(str(cases.OPENAI_REPLY["choices"]))
        if number == 0:
            time.sleep(0.5)  # until the export thread has the first one, and waits
    gc.collect()
    queued = tracemalloc.get_traced_memory()[0]
    go_on.set()
    assert rlhf_otel.flush(60)
    gc.collect()
    return (queued - tracemalloc.get_traced_memory()[0] - said) / calls


def cpu_of_a_server(seconds: float, recorded: str) -> float:
    """The share of a core, in per cent, that ten chat calls a second take, export included."""
    if recorded == "recorded":
        import rlhf_otel

        rlhf_otel.instrument()
    call = cases.Clients().cases()["openai chat"]
    for _ in range(30):
        call()
    time.sleep(1)
    began, cpu = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) < began + seconds:
        call()
        time.sleep(max(0.0, 1 / CALLS_PER_S - (time.perf_counter() - now)))
    return 100 * (time.process_time() - cpu) / (time.perf_counter() - began)


def one_batch() -> None:
    """So many calls, which wait for company until they are flushed."""
    import rlhf_otel

    rlhf_otel.instrument()
    call = cases.Clients().cases()["openai chat"]
    for _ in range(_BATCH):
        call()
    assert rlhf_otel.flush(30)


def apart(*of: str, **environment: str) -> float:
    """A figure of this file, from a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [sys.executable, __file__, "--of", *of],
            check=True, stdout=subprocess.PIPE, text=True, cwd=folder, env=clean_environment(**environment),
        )  # fmt: skip
    return float(run.stdout)


def rows(rounds: int, seconds: float, calls: int) -> list[Row]:
    """The table."""
    made = [Row("held by a call in the queue, beyond what was said", "own provider",
                apart("queue", str(calls)) / 1024, "KB", target=1.0)]  # fmt: skip
    with FakeCollector() as collector:
        to = collector.environment()
        shares = {
            variant: percentile([apart("server", str(seconds), variant, **to) for _ in range(rounds)], 0.5)
            for variant in ("bare", "recorded")
        }
        added = shares["recorded"] - shares["bare"]
        note = f"bare takes {shares['bare']:.2f} %"
        made.append(Row(f"a core's share, {CALLS_PER_S} calls/s", "own provider", added, "%", target=0.1, note=note))
        for compression in ("none", "gzip"):
            collector.clear()
            apart("batch", **to, OTEL_BSP_SCHEDULE_DELAY="60000", OTEL_EXPORTER_OTLP_COMPRESSION=compression)
            sent = [batch for batch in collector.batches if batch.signal == "traces"]
            if compression == "none":
                made.append(Row("requests for a batch of spans", "own provider", len(sent), "", target=1.0))
            size = sum(batch.size for batch in sent) / len(collector.spans)
            made.append(Row("bytes on the wire for a call", compression, size / 1024, "KB",
                            note=f"{len(cases.OPENAI_BYTES) + len(str(cases.MESSAGES))} bytes were said"))  # fmt: skip
    return made


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["--of"]:
        what, *given = sys.argv[2:]
        if what == "queue":
            print(held_in_queue(int(given[0])))
        elif what == "server":
            print(cpu_of_a_server(float(given[0]), given[1]))
        else:
            one_batch()
            print(0)
        return
    options = arguments(__doc__, rounds=5)
    table = rows(1, 2.0, 100) if options.quick else rows(options.rounds, 10.0, 2000)
    show(table, "What recording weighs", options)


if __name__ == "__main__":
    main()
