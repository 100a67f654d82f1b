"""What feedback costs on the application's side: the verbs, the token, and what checks a request.

    python benchmarks/feedback.py [--quick] [--json]

The floor is what an application pays for one span of the OpenTelemetry SDK, begun and ended, with 12 attributes and a
batch processor. The backend is dead: nothing listens where feedback is sent to. Over HTTP: `feedback_http.py`.
"""

from __future__ import annotations

import asyncio
import os
import random
import string
import tempfile
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from harness import Row, arguments, show

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.records import Handle
from rlhf_otel.token import InvalidToken, mint, verify
from rlhf_otel.web import Door, Request

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a secret for this benchmark"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, time.time_ns())
TOKEN = mint(CALL, rater="u1", names=["user_feedback"], key=KEY)
BODY = f'{{"token": "{TOKEN}", "value": true, "comment": "nice"}}'.encode()
DEAD = "http://127.0.0.1:9"
LETTERS = string.ascii_letters + string.digits + "-_"
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


def lag(*, votes: bool) -> tuple[float, float]:
    """How late a task that wants to run every millisecond is, while others vote 1,000 times a second or only wait.

    Returns:
        The 99th of 100 delays, and the worst, in milliseconds.
    """

    async def some(number: int) -> None:
        """A tenth of the votes, each at its time or as soon after as may be."""
        begin = time.perf_counter()
        for vote in range(CALLS_PER_S * SECONDS // 10):
            due = begin + (vote + number / 10) * 10 / CALLS_PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if votes:
                await feedback.arecord(CALL, True, rater="u1")

    async def late() -> list[float]:
        lags: list[float] = []
        others = [asyncio.create_task(some(number)) for number in range(10)]
        while not all(each.done() for each in others):
            due = time.perf_counter() + 0.001
            await asyncio.sleep(0.001)
            lags.append((time.perf_counter() - due) * 1000)
        return sorted(lags)

    lags = asyncio.run(late())
    return lags[len(lags) * 99 // 100], lags[-1]


def on_the_loop(times: int = 2000) -> float:
    """CPU time of the loop's own thread for each `arecord`, in microseconds."""

    async def votes() -> float:
        await feedback.arecord(CALL, True, rater="u1")
        began = time.thread_time()
        for _ in range(times):
            await feedback.arecord(CALL, True, rater="u1")
        return (time.thread_time() - began) / times * 1e6

    return asyncio.run(votes())


def accepted_forgeries(number: int) -> int:
    """How many of so many forged tokens pass: with bits that were flipped, with parts of others, with chance in it."""
    chance = random.Random(1)
    genuine = [mint(CALL, rater=f"u{n}", names=["user_feedback"], key=KEY) for n in range(100)]
    known, accepted = set(genuine), 0
    for n in range(number):
        token = forged(chance, genuine, n % 4)
        if token not in known:
            try:
                verify(token, KEY)
                accepted += 1
            except InvalidToken:
                pass
    return accepted


def forged(chance: random.Random, genuine: list[str], how: int) -> str:
    """A token that nobody has minted."""
    text = chance.choice(genuine)
    at = chance.randrange(4, len(text))
    if how == 0:
        return text[:at] + chance.choice(LETTERS) + text[at + 1 :]
    raw = bytearray(urlsafe_b64decode(text[4:] + "=" * (-len(text[4:]) % 4)))
    if how == 1:
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    elif how == 2:
        raw[-16:] = chance.randbytes(16)
    else:
        other = chance.choice(genuine)[4:]
        cut = chance.randrange(len(raw))
        raw[cut:] = urlsafe_b64decode(other + "=" * (-len(other) % 4))[cut:]
    return "rlt_" + urlsafe_b64encode(raw).decode().rstrip("=")


def main() -> None:
    """Measures and prints the table."""
    options = arguments(__doc__, rounds=1)
    os.chdir(tempfile.mkdtemp())
    hooks.logger.setLevel("CRITICAL")
    door = Door(key=KEY, take=lambda taken: None, per_token=0, per_address=0)
    request = Request("POST", "/v1/feedback", {"content-type": "application/json"}, BODY, "127.0.0.1")
    count = 10_000 if options.quick else 1_000_000
    cost = microseconds(floor())
    rows = [Row("one span, begun and ended", "floor", cost, "us", 1.0)]

    def row(name: str, variant: str, work: Callable[[], object], target: float | None = None) -> None:
        took = microseconds(work)
        rows.append(Row(name, variant, took, "us", took / cost, target))

    for durability in ("disk", "memory"):
        rlhf.instrument(endpoint=DEAD, exit_timeout=0.1, durability=durability)
        (p99, worst), (idle, _) = lag(votes=True), lag(votes=False)  # before the others, which leave a crowd
        note = f"worst {worst:.1f} ms; without votes {idle:.2f} ms (p99)"
        variant = f"arecord {CALLS_PER_S:,}/s, {durability}"
        rows.append(Row("event loop late, p99", variant, p99, "ms", target=5, note=note))
        row("feedback.record", f"backend dead, {durability}", lambda: feedback.record(CALL, True, rater="u1"), 1.0)
        took = on_the_loop()
        rows.append(Row("feedback.arecord", f"on the loop's thread, {durability}", took, "us", took / cost))
        rlhf.shutdown(0.1)
    with tempfile.TemporaryFile() as file:
        row("a write of a vote's size", "alone", lambda: os.write(file.fileno(), BODY * 3))
    row("token", "mint", lambda: mint(CALL, rater="u1", names=["user_feedback"], key=KEY))
    rows.append(Row("token", "verify", microseconds(lambda: verify(TOKEN, KEY)), "us", target=10))
    row("endpoint", "request checked, answered", lambda: door.enter(request)[1].sent)
    rows.append(Row("forged tokens", f"of {count:,}", accepted_forgeries(count), "accepted", target=0))
    show(rows, "What feedback costs", options)


if __name__ == "__main__":
    main()
