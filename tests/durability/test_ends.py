"""The other ways in which a process ends, forks and servers: nothing is lost in any of them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rlhf_otel.export.spool.looking import seen

from .conftest import FLUSH, SETTINGS, models, posix

SPOOL = Path(".rlhf-otel/spool")
LAUNCHER = (sys.executable, "-m", "rlhf_otel.launcher.command")
on_disk = pytest.mark.parametrize("durability", ["disk", "sync"])
CALLS = """
import rlhf_otel as rlhf
from rlhf_otel import feedback
rlhf.instrument()
for number in range(50):
    made = rlhf.capture(prompt="x" * 1000, response="b", model=str(number))
feedback.record(made, True)
"""
EXPECTED = sorted(map(str, range(50)))


def waiting() -> int:
    """How many items are on the disk."""
    return sum(each.items for each in seen(SPOOL))


def rest_arrives(run, backend) -> list[str]:
    """What has arrived after the next run, without that run's own call."""
    backend.recover()
    run(FLUSH, **backend.environment())
    return sorted(set(models(backend)) - {"last"})


@on_disk
def test_a_normal_end_without_a_backend(durability, run, backend):
    """It ends soon, says how much waits and where, and the next run sends it."""
    url = backend.environment()
    backend.down()
    began = time.monotonic()
    ended = run(CALLS, RLHF_OTEL_DURABILITY=durability, **url)
    assert time.monotonic() - began < 20  # it is a second; the machine may be busy
    assert ended.stderr.startswith("rlhf-otel: 51 items wait in ")
    assert waiting() == 51
    backend.up()
    assert rest_arrives(run, backend) == EXPECTED
    assert len(backend.logs) == 1


ENDS = [
    pytest.param("raise RuntimeError('boom')", 1, id="exception"),
    pytest.param("import sys; sys.exit(3)", 3, id="exit"),
    pytest.param("rlhf.flush(1); import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, id="Ctrl-C"),
    pytest.param("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, id="SIGTERM"),
]


@posix
@pytest.mark.parametrize(("ending", "code"), ENDS)
def test_the_ends_of_a_process_under_the_launcher(ending, code, run, backend):
    """Whether it is told to end, interrupted or broken: all is on the disk, and arrives with the next run."""
    backend.fail(400)
    ended = run(CALLS + ending, *LAUNCHER, check=False, **backend.environment())
    assert ended.returncode == code, ended.stderr
    assert waiting() == 51
    assert rest_arrives(run, backend) == EXPECTED


def test_a_burst(run, backend):
    """20,000 spans as fast as they come: all arrive, though the process ends right after them."""
    code = """
import rlhf_otel as rlhf
from rlhf_otel.export import setup
rlhf.instrument()
tracer = setup.current().own.tracer_provider.get_tracer("app")
for number in range(20_000):
    tracer.start_span("work", attributes={"number": number}).end()
import time
until = time.monotonic() + 100
while not rlhf.flush(10) and time.monotonic() < until:
    pass
assert not rlhf.stats()["dropped_queue_full"]
"""
    run(code, **backend.environment())
    assert sorted(span.attributes["number"] for span in backend.spans) == list(range(20_000))


@posix
def test_forks_that_are_killed(run, backend):
    """Parent and children write segments of their own; a child that is killed leaves what it had, and no one's lock."""
    code = """
import os, signal, time
import rlhf_otel as rlhf
rlhf.instrument(batch_delay_ms=60_000)
rlhf.capture(prompt="p", response="r", model="parent before")
time.sleep(0.3)
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        for turn in range(10):
            rlhf.capture(prompt="p", response="r", model=f"child {number}/{turn}")
        time.sleep(0.5 if number else 0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
rlhf.capture(prompt="p", response="r", model="parent after")
os.kill(os.getpid(), signal.SIGKILL)
"""
    quiet = {"PYTHONWARNINGS": "ignore::DeprecationWarning", "RLHF_OTEL_DURABILITY": "sync"}
    run(code, check=False, **quiet, **backend.environment())
    children = [f"child {number}/{turn}" for number in range(4) for turn in range(10)]
    assert rest_arrives(run, backend) == sorted([*children, "parent before", "parent after"])
    assert len(models(backend)) == 43


WSGI = """
import os
import rlhf_otel as rlhf
rlhf.instrument()

def application(environ, start_response):
    rlhf.capture(prompt="p", response="r", model=environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@posix
def test_gunicorn_with_four_workers_that_are_killed(run, backend, tmp_path):
    """Preforked workers are killed under load with the backend away; whatever was answered arrives."""
    import socket
    from urllib.request import urlopen

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend.fail(503)
    (tmp_path / "served.py").write_text(WSGI)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    environ |= {"RLHF_OTEL_DURABILITY": "sync", **backend.environment()}
    words = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "4", "--bind", f"127.0.0.1:{port}",
             "served:application"]  # fmt: skip
    server = subprocess.Popen(words, env=environ, cwd=tmp_path, stderr=subprocess.DEVNULL)
    asked, killed, until = [], set(), time.monotonic() + 60
    try:
        while len(asked) < 200 or len(killed) < 4:
            assert time.monotonic() < until
            try:
                with urlopen(f"http://127.0.0.1:{port}/?{len(asked)}", timeout=20) as response:
                    worker = int(response.read())
            except OSError:  # it is starting, or its worker was killed just now
                time.sleep(0.02)
                continue
            asked.append(str(len(asked)))
            if len(asked) % 40 == 0:
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
    finally:
        server.terminate()
        server.wait(60)
    assert rest_arrives(run, backend) == sorted(asked)


OUTAGE_S = float(os.environ.get("RLHF_OTEL_TEST_OUTAGE_S", "3"))
RATE = int(os.environ.get("RLHF_OTEL_TEST_OUTAGE_RATE", "200"))


@on_disk
@pytest.mark.timeout(180 + 3 * OUTAGE_S)
def test_an_outage(durability, run, backend):
    """The backend is away for as long as calls are made; all of them arrive in the end, and memory stays small."""
    code = f"""
import resource, sys, time
import rlhf_otel as rlhf
rlhf.instrument(batch_size=64)
rlhf.capture(prompt="first", response="b", model="first")
rlhf.flush(1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before, number, began = peak(), 0, time.monotonic()
while time.monotonic() < began + {OUTAGE_S}:
    while number < (time.monotonic() - began) * {RATE}:
        rlhf.capture(prompt="x" * 2000, response="b", model=str(number))
        number += 1
    time.sleep(0.005)
print(number, rlhf.stats()["spooled"], (peak() - before) // 1024, flush=True)
input()
until = time.monotonic() + 60 + {OUTAGE_S}
while not rlhf.flush(10) and time.monotonic() < until:
    time.sleep(0.05)
print(rlhf.stats()["waiting"], flush=True)
"""
    backend.fail(503)
    (run.folder / "app.py").write_text(code)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    environ |= {"RLHF_OTEL_DURABILITY": durability, "OTEL_EXPORTER_OTLP_TIMEOUT": "1", **backend.environment()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "app.py"], env=environ, cwd=run.folder, **pipes) as app:
        made, spooled, grown = map(int, app.stdout.readline().split())
        backend.recover()
        app.stdin.write("\n")
        app.stdin.flush()
        left = app.stdout.readline()
    print(f"{made} calls, {spooled} on the disk alone, {grown} MB more memory, {left.strip()} left")
    assert left == "0\n"
    assert sorted(models(backend)) == sorted(["first", *map(str, range(made))])
    assert made >= OUTAGE_S * RATE / 4
    assert spooled > 0


def test_memory_opens_nothing_for_writing(run, backend):
    """In a process of its own, from the first import to its end: Python's audit hook sees no write."""
    code = f"""
import os, sys
def watch(event, args):
    if event == "open" and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR) and "/dev/" not in str(args[0]):
        sys.stderr.write(f"wrote {{args}}")
    if event in ("os.mkdir", "os.rename", "os.truncate", "sqlite3.connect"):
        sys.stderr.write(f"{{event}} {{args}}")
sys.dont_write_bytecode = True
sys.addaudithook(watch)
{CALLS}"""
    ended = run(code, RLHF_OTEL_DURABILITY="memory", **backend.environment())
    assert (ended.stderr, ended.stdout) == ("", "")
    assert sorted(models(backend)) == EXPECTED
    assert sorted(path.name for path in run.folder.iterdir()) == ["app.py"]


def test_a_store_that_is_locked_when_the_process_ends(run):
    """What the embedded store did not take in time is in the spool, and in the store after the next run."""
    run(FLUSH)
    held = sqlite3.connect(".rlhf-otel/store.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    ended = run(CALLS)
    assert "51 items wait in" in ended.stderr
    held.execute("ROLLBACK")
    held.close()
    run(FLUSH)
    with sqlite3.connect(".rlhf-otel/store.db") as store:
        ((calls,),) = store.execute("SELECT count(*) FROM interaction")
    store.close()
    assert calls == 52
    assert waiting() == 0
