"""Spools in an empty folder, with items as they are written to them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

import rlhf_otel as rlhf
from rlhf_otel.export import encoder, outbox, wire
from rlhf_otel.export.spool import frames
from rlhf_otel.export.spool.backlog import Backlog
from rlhf_otel.export.spool.spool import Spool

SPOOL = Path(".rlhf-otel/spool")
RESOURCE, SCOPE = Resource({"service.name": "test"}), InstrumentationScope("somebody")


@pytest.fixture
def quick(monkeypatch):
    """Retries come soon, and segments are looked for whenever there is something to do."""
    monkeypatch.setattr(outbox, "FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr(outbox, "LONGEST_BACKOFF_S", 0.1)
    monkeypatch.setattr("rlhf_otel.export.spool.spool.LOOK_EVERY_S", 0.05)


@pytest.fixture
def make_spool(tmp_path):
    """Makes a spool as a process has it; several of them stand for several processes."""
    made = []

    def make(to=("store x",), most_bytes=1 << 20, folder="spool"):
        made.append(Spool(tmp_path / folder, list(to), most_bytes))
        return made[-1]

    yield make
    for spool in made:
        spool.let_go()


def span(number: int, size: int = 10) -> tuple[int, bytes]:
    """What is written of a span that is called like its number."""
    made = ReadableSpan(
        str(number), SpanContext(number + 1, number + 1, False), resource=RESOURCE, instrumentation_scope=SCOPE,
        attributes={"text": "x" * size},
    )  # fmt: skip
    return frames.SPANS, wire.request([encoder.pack_span(made)])


def write(spool: Spool, *items: tuple[int, bytes]) -> list:
    """Writes as the writing thread does."""
    for kind, payload in items:
        spool.make_room(kind, len(payload))
    with spool.lock:
        places = spool.append(items)
    spool.complain()
    return places


def names(items) -> list[str]:
    """What the spans that came back are called."""
    requests = (wire.REQUESTS["traces"].FromString(wire.request([item.packed])) for item in items)
    return [request.resource_spans[0].scope_spans[0].spans[0].name for request in requests]


def read(spool: Spool) -> list[str]:
    """What a process with this spool finds that others have left; it is not acknowledged."""
    backlog = Backlog(spool, of_shared=False)
    found = []
    spool._look_at = 0.0
    spool.look_around(backlog)
    while backlog:
        found += [item for item, _ in backlog.read()]
        spool._look_at = 0.0
        spool.look_around(backlog)
    return names(found)


def segments(spool: Spool) -> list[str]:
    """The names of the files in the folder, without what differs between runs."""
    return sorted(path.name.partition("-")[0] for path in spool.folder.glob("*"))


def models(collector) -> list[str]:
    """The models of the calls that a backend has, as they came."""
    return [span.attributes["gen_ai.request.model"] for span in collector.spans]


def written() -> bytes:
    """Everything in the spool."""
    return b"".join(path.read_bytes() for path in sorted(SPOOL.glob("*.seg")))


def items() -> int:
    """How many items are in the spool, wherever it was read to."""
    found = (frame for path in SPOOL.glob("*.seg") for frame in frames.frames(path.read_bytes()))
    return sum(isinstance(frame, frames.Frame) and frame.kind != frames.HEADER for frame in found)


def flushed(timeout: float = 20) -> bool:
    """Flushes until all has been acknowledged."""
    until = time.monotonic() + timeout
    while not rlhf.flush(5):
        if time.monotonic() > until:
            return False
    return True


def until(condition, timeout: float = 10) -> None:
    """Waits for what another thread does."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
