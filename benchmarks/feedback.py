"""What feedback costs: the token, the verbs on the application's thread, and the endpoint.

The floor is what an application pays for one span of the OpenTelemetry SDK, begun and ended, with 12 attributes and a
batch processor. The backend is dead: nothing listens where feedback is sent to.

python benchmarks/feedback.py
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.records import Handle
from rlhf_otel.token import mint, verify
from rlhf_otel.web.door import Door, Request

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a secret for this benchmark"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, time.time_ns())
TOKEN = mint(CALL, rater="u1", names=["user_feedback"], key=KEY)
BODY = f'{{"token": "{TOKEN}", "value": true, "comment": "nice"}}'.encode()
DEAD = "http://127.0.0.1:9"
CALLS_PER_S, SECONDS = 1000, 5


def microseconds(work: Callable[[], object], times: int = 2000) -> float:
    """CPU time of one on this thread, in the best of seven rounds."""
    rounds = []
    for _ in range(7):
        began = time.thread_time()
        for _ in range(times):
            work()
        rounds.append((time.thread_time() - began) / times * 1e6)
    return min(rounds)


def floor() -> Callable[[], object]:
    """One span of the SDK."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    exporter = InMemorySpanExporter()
    exporter.shutdown()  # keeps nothing
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("floor")
    attributes = {f"attribute.{number}": "value" for number in range(12)}
    return lambda: tracer.start_span("span", attributes=attributes).end()


def lag() -> tuple[float, float]:
    """How late the event loop is, in milliseconds, at 1,000 votes a second: the 99th of 100, and the worst."""

    async def late() -> list[float]:
        lags: list[float] = []
        begin = time.perf_counter()
        for number in range(CALLS_PER_S * SECONDS):
            due = begin + number / CALLS_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await feedback.arecord(CALL, True, rater="u1")
            before = time.perf_counter()
            await asyncio.sleep(0)
            lags.append((time.perf_counter() - before) * 1000)
        return sorted(lags)

    lags = asyncio.run(late())
    return lags[len(lags) * 99 // 100], lags[-1]


def main() -> None:
    """Measures and prints the table."""
    os.chdir(tempfile.mkdtemp())
    rlhf.instrument(endpoint=DEAD, exit_timeout=0.1)
    hooks.logger.setLevel("CRITICAL")
    door = Door(key=KEY, take=lambda taken: None, per_token=0, per_address=0)
    request = Request("POST", "/v1/feedback", {}, BODY, "127.0.0.1")
    rows: dict[str, Callable[[], object]] = {
        "floor: one span of the SDK, begun and ended": floor(),
        "record, backend dead": lambda: feedback.record(CALL, True, rater="u1"),
        "token: mint": lambda: mint(CALL, rater="u1", names=["user_feedback"], key=KEY),
        "token: verify": lambda: verify(TOKEN, KEY),
        "endpoint: a request checked, and its response": lambda: (door.enter(request), door.enter(request)[1].body),
    }
    for name, work in rows.items():
        print(f"{name:52} {microseconds(work):8.1f} us")
    print("arecord at {:,} a second, event loop late: {:.2f} ms (p99), {:.2f} ms (worst)".format(CALLS_PER_S, *lag()))
    rlhf.shutdown(0.1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
