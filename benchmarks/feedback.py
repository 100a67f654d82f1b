"""What feedback costs: the token, the verbs on the application's thread, and the endpoint.

The floor is what an application pays for one span of the OpenTelemetry SDK, begun and ended, with 12 attributes and a
batch processor. The backend is dead: nothing listens where feedback is sent to.

python benchmarks/feedback.py
"""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.records import Handle
from rlhf_otel.token import mint, verify
from rlhf_otel.web import Door, FeedbackApp, Request

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a secret for this benchmark"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, time.time_ns())
TOKEN = mint(CALL, rater="u1", names=["user_feedback"], key=KEY)
BODY = f'{{"token": "{TOKEN}", "value": true, "comment": "nice"}}'.encode()
DEAD = "http://127.0.0.1:9"
CALLS_PER_S, SECONDS, PORT = 1000, 5, 48_317


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


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """What the least that a server does for a request of the same size costs."""
    if scope["type"] == "http":
        body = (await receive())["body"]
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[:100]})


def serve() -> None:
    """Serves both, the endpoint writing into a store; until it is ended."""
    import uvicorn

    rlhf.instrument(store="calls.db")
    app = FeedbackApp(echo, key=KEY, per_token=0, per_address=0)
    uvicorn.run(app, port=PORT, log_level="critical", lifespan="off", http="httptools")


def requests_per_second(number: int = 3000) -> dict[str, float]:
    """How many requests one connection gets answered, one after the other, best of three rounds of each, by turns."""
    server = subprocess.Popen([sys.executable, str(Path(__file__).resolve()), "serve"])
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    best = {"/echo": 0.0, "/v1/feedback": 0.0}
    try:
        while _is_refused(connection):
            time.sleep(0.05)
        for path in [*best] * 3:
            began = time.perf_counter()
            for _ in range(number):
                connection.request("POST", path, BODY)
                connection.getresponse().read()
            best[path] = max(best[path], number / (time.perf_counter() - began))
    finally:
        server.terminate()
        server.wait()
    return best


def _is_refused(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.connect()
    except OSError:
        return True
    return False


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
    best = requests_per_second()
    share = best["/v1/feedback"] / best["/echo"]
    print(f"endpoint into a store: {best['/v1/feedback']:,.0f} a second, {share:.0%} of an echo ({best['/echo']:,.0f})")


if __name__ == "__main__":
    serve() if "serve" in sys.argv else main()
