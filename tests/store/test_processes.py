"""Several threads and processes at one store, processes that fork, and processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from rlhf_otel.store import Store, connection

if TYPE_CHECKING:
    from pathlib import Path

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

WRITER = """
import sys
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

path, first, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
shared = {"role": "user", "parts": [{"type": "text", "content": "said by all of them"}]}
store = Store.open(path)
for n in range(first, first + count):
    call = Interaction(trace_id=f"{n:032x}", span_id=f"{n:016x}", start_ns=n, end_ns=n, input=[shared])
    store.add([call], [Feedback(id=str(n), name="x", kind="binary", time_ns=n, span_id=call.span_id, value=True)])
    print(n, flush=True)
"""


def writer(path: Path, first: int, count: int) -> subprocess.Popen[str]:
    """A process that adds `count` interactions, one by one, and prints the number of each when `add` has returned."""
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_write_and_read_at_once(path: Path) -> None:
    """Several first openers and writers, a reader meanwhile: all is there, once, and what they share is kept once."""
    writers = [writer(path, 1000 * n, 40) for n in (1, 2, 3)]
    with Store.open(path) as store:
        while any(each.poll() is None for each in writers):
            for interaction in store.interactions(limit=20):
                assert len(store.feedback_on([interaction])[interaction.span_id]) == 1
        assert [each.communicate()[0].count("\n") for each in writers] == [40, 40, 40]
        assert store.counts() == {"interactions": 120, "feedback": 120, "pending": 0, "spans": 0, "messages": 1}


def test_a_killed_writer_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """Everything whose `add` returned is there after SIGKILL, and the store opens at once."""
    for first in (1000, 2000, 3000):
        process = writer(path, first, 100_000)
        assert process.stdout is not None
        acknowledged = [int(process.stdout.readline()) for _ in range(15)]
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        acknowledged += [int(line) for line in rest.splitlines()]
        with Store.open(path) as store:
            assert all(store.interaction(f"{n:016x}") is not None for n in acknowledged)
            assert store.pending() == []


def test_a_store_left_by_a_killed_writer_can_be_read_only(path: Path) -> None:
    """Its log lies beside it; what was acknowledged is read from there."""
    process = writer(path, 1, 100_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(5)]
    process.kill()
    process.communicate()
    with Store.open(path, read_only=True) as store:
        assert all(store.interaction(f"{n:016x}") is not None for n in acknowledged)


def test_threads_share_a_store(store: Store, call: Any, vote: Any) -> None:
    """Writers and readers in many threads, on one object."""

    def work(thread: int) -> None:
        for n in range(10):
            one = call(100 * thread + n, session=str(thread))
            store.add([one])
            assert store.interaction(one.span_id) == one
            assert next(store.interactions(session=str(thread), limit=1)) == one

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.counts()["interactions"] == 80


def in_child(work: Any) -> int:
    """Forks, does `work` in the child, and returns its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


@forks
def test_parent_and_child_go_on_after_a_fork(path: Path, call: Any) -> None:
    """Both write and read; neither loses what the other wrote, also when the parent closes first."""
    with Store.open(path) as store:
        store.add([call(1)])
        closed, written = os.pipe(), os.pipe()

        def child() -> None:
            store.add([call(2)])
            os.write(written[1], b".")
            os.read(closed[0], 1)
            store.add([call(3)])
            assert store.counts()["interactions"] == 4

        thread = threading.Thread(target=lambda: statuses.append(in_child(child)))
        statuses: list[int] = []
        thread.start()
        os.read(written[0], 1)
        store.add([call(4)])
        store.close()
        os.write(closed[1], b".")
        thread.join()
        assert statuses == [0]
    with Store.open(path) as store:
        assert store.counts()["interactions"] == 4


@forks
def test_a_fork_amid_writing_threads_harms_neither_side(path: Path, call: Any) -> None:
    """The fork waits for the transaction under way; no child hangs on a lock that its parent held."""
    with Store.open(path) as store:
        stop = threading.Event()

        def write() -> None:
            n = 1000
            while not stop.is_set():
                store.add([call(n := n + 1)])

        threads = [threading.Thread(target=write) for _ in range(2)]
        for thread in threads:
            thread.start()
        statuses = [in_child(lambda n=n: store.add([call(n)])) for n in range(5)]
        stop.set()
        for thread in threads:
            thread.join()
        assert statuses == [0] * 5
        assert all(store.interaction(call(n).span_id) for n in range(5))


@forks
def test_two_threads_may_fork_at_once(path: Path, call: Any) -> None:
    """Each opens again what it closed itself: a lock that another thread took is not its to release."""
    with Store.open(path) as store:

        def fork(thread: int) -> list[int]:
            return [in_child(lambda n=n: store.add([call(100 * thread + n)])) for n in range(10)]

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(fork, range(4))) == [[0] * 10] * 4
        store.add([call(1000)])
        assert store.counts()["interactions"] == 41


def test_a_thread_ends_only_the_rest_that_it_began() -> None:
    """What another thread keeps closed for its own fork stays closed."""
    ended: list[str] = []
    connection._resting.ends.append(lambda: ended.append("mine"))
    other = threading.Thread(target=connection._after_fork)
    other.start()
    other.join()
    assert ended == []
    connection._after_fork()
    assert ended == ["mine"]


@forks
def test_a_child_has_an_empty_store_in_memory_of_its_own(call: Any) -> None:
    """What is in memory is the parent's, and stays there."""
    with Store.open(":memory:") as store:
        store.add([call(1)])

        def child() -> None:
            assert store.counts()["interactions"] == 0
            store.add([call(2)])
            assert store.counts()["interactions"] == 1

        assert in_child(child) == 0
        assert store.interaction(call(1).span_id) == call(1)
        assert store.counts()["interactions"] == 1
