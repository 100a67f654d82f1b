"""SIGKILL at random moments: what had returned to the application is there after the next run, once."""

from __future__ import annotations

import os
import random

import pytest

from .conftest import FLUSH, Moody, journal, models, posix, stored

KILLS = int(os.environ.get("RLHF_OTEL_TEST_KILLS", "20"))

DRIVER = """
import os, random, signal, sys, time
import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export import encoder, otlp
import opentelemetry.exporter.otlp.proto.http.trace_exporter, opentelemetry.exporter.otlp.proto.http._log_exporter
import opentelemetry.sdk.trace, opentelemetry.sdk._logs, opentelemetry.sdk.metrics, rlhf_otel.store.otlp

kills, seed = int(sys.argv[1]), int(sys.argv[2])
draws = random.Random(seed)

def application(run):
    journal = os.open("journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    draw = random.Random(run)
    rlhf.instrument(batch_delay_ms=draw.choice([1, 20, 500]))
    number = 0
    while True:
        name = f"{run}-{number}"
        made = rlhf.capture(prompt="x" * draw.choice([10, 4000, 100_000]), response="b", model=name)
        os.write(journal, f"{name} ".encode())
        if number % 7 == 0:
            ref = feedback.record(made, True, id=f"f{name}")
            assert ref is not None
            os.write(journal, f"f{name} ".encode())
        os.fsync(journal)
        if number == 0:
            os.write(ready[1], b"x")
        number += 1
        if draw.random() < 0.3:
            time.sleep(draw.uniform(0, 0.01))

for run in range(kills):
    ready = os.pipe()
    child = os.fork()
    if child == 0:
        application(run)
    if draws.random() < 0.9:  # else it may die while it starts
        os.read(ready[0], 1)
    time.sleep(draws.choice([draws.uniform(0, 0.05), draws.uniform(0, 0.4)]))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


def driver(kills: int, seed: int) -> str:
    return DRIVER.replace("sys.argv[1]", repr(str(kills))).replace("sys.argv[2]", repr(str(seed)))


@posix
@pytest.mark.timeout(max(180, KILLS * 6))
def test_sync_survives_kills_with_a_backend_that_comes_and_goes(run, backend):
    """Everything in the journal arrives: every span and every feedback, whatever the backend did meanwhile."""
    moody = Moody(backend, random.Random(1))
    quiet = {"PYTHONWARNINGS": "ignore::DeprecationWarning", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    kills = (KILLS + 1) // 2
    run(driver(kills, 1), RLHF_OTEL_DURABILITY="sync", timeout=KILLS * 6 + 100, **quiet, **backend.environment())
    moody.be_well()
    run(FLUSH, **backend.environment())
    noted = journal()
    calls, votes = {each for each in noted if each[0] != "f"}, {each[1:] for each in noted if each[0] == "f"}
    assert len(calls) > kills
    assert calls - set(models(backend)) == set()
    assert votes - {log.attributes["rlhf.feedback.id"][1:] for log in backend.logs} == set()
    assert not list((run.folder / ".rlhf-otel/spool").iterdir())


@posix
@pytest.mark.timeout(max(180, KILLS * 6))
def test_sync_survives_kills_into_the_store(run):
    """The embedded store has everything in the journal once, whatever was written, sent or half of either."""
    quiet = {"PYTHONWARNINGS": "ignore::DeprecationWarning"}
    run(driver(KILLS // 2, 2), RLHF_OTEL_DURABILITY="sync", timeout=KILLS * 6 + 100, **quiet)
    run(FLUSH)
    calls = {each for each in journal() if each[0] != "f"}
    found = stored()
    assert len(calls) > KILLS // 2
    assert calls - set(found) == set()
    assert len(found) == len(set(found))


TICKS = """
import os, signal, time
import rlhf_otel as rlhf
from rlhf_otel.export import encoder
journal = os.open("journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
rlhf.instrument(batch_delay_ms=60_000)
rlhf.capture(prompt="warm", response="b", model="warm")
time.sleep(1)  # until the thread has imported what it needs
began = time.monotonic()
for number in range(120):
    rlhf.capture(prompt="x" * 2000, response="b", model=str(number))
    os.write(journal, f"{number}@{time.monotonic()} ".encode())
    time.sleep(0.004)
os.write(journal, f"end@{time.monotonic()} ".encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_disk_loses_the_last_milliseconds_at_most(run, backend):
    """What ended a while before the kill is there. (How long a while: 20 ms, and here what a busy machine adds.)"""
    backend.fail(503)
    run(TICKS, check=False, **backend.environment())
    backend.recover()
    run(FLUSH, **backend.environment())
    *noted, (_, end) = (each.split("@") for each in journal())
    allowed = float(os.environ.get("RLHF_OTEL_TEST_LATE_MS", "1000")) / 1000
    due = {name for name, when in noted if float(end) - float(when) > allowed}
    lost = [(name, round(float(end) - float(when), 4)) for name, when in noted if name not in models(backend)]
    print("lost, with the seconds before the kill:", lost)
    assert due - set(models(backend)) == set()
