"""The writer: who waits together is written together, and nobody is told before it is on the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rlhf_otel.records import Interaction
from rlhf_otel.server.answers import LATER, OUR_FAULT, Refusal
from rlhf_otel.server.writer import MOST_BYTES, Writer
from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.otlp import Decoded


class Watched(Store):
    """A store that waits before each transaction until it may go on, and fails when it is told to."""

    may_go_on: threading.Event
    began: threading.Semaphore
    groups: list[int]
    failures: list[Exception]

    def add_decoded(self, *decoded: Decoded) -> None:
        """Stores, after a while."""
        self.groups.append(len(decoded))
        self.began.release()
        assert self.may_go_on.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        super().add_decoded(*decoded)


@pytest.fixture
def store(path: Path) -> Watched:
    """It begins with a transaction and waits."""
    opened = Watched.open(path)
    assert isinstance(opened, Watched)
    opened.may_go_on, opened.began = threading.Event(), threading.Semaphore(0)
    opened.groups, opened.failures = [], []
    return opened


@pytest.fixture
def writer(store: Watched) -> Iterator[Writer]:
    """A writer into it."""
    made = Writer(store)
    yield made
    store.may_go_on.set()
    made.close()


class Outcome:
    """What the writer tells."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.times = 0
        self._told = threading.Event()

    def __call__(self, refusal: Refusal | None) -> None:
        self.refusal, self.times = refusal, self.times + 1
        self._told.set()

    def wait(self) -> Refusal | None:
        """The outcome, once there is one."""
        assert self._told.wait(10)
        return self.refusal


def one(number: int) -> Decoded:
    """A request with one call."""
    call = Interaction(trace_id="ab" * 16, span_id=f"{number:016x}", start_ns=1, end_ns=2, operation="chat")
    return Decoded([call], [], [], [], [])


def put(writer: Writer, count: int, size: int = 1) -> list[Outcome]:
    """So many requests."""
    outcomes = [Outcome() for _ in range(count)]
    for number, outcome in enumerate(outcomes, 1):
        writer.put(one(number), size, outcome)
    return outcomes


def spans_in(path: Path) -> int:
    """What another process sees."""
    with Store.open(path, read_only=True) as reader:
        return reader.counts()["interactions"]


def test_what_waits_during_a_commit_is_one_transaction(writer: Writer, store: Watched) -> None:
    """The first goes alone; the nine that come meanwhile share the second."""
    first = put(writer, 1)
    assert store.began.acquire(timeout=10)
    later = put(writer, 9)
    store.may_go_on.set()
    assert [outcome.wait() for outcome in first + later] == [None] * 10
    assert store.groups == [1, 9]


def test_a_transaction_does_not_grow_without_end(writer: Writer, store: Watched) -> None:
    """Beyond so many bytes, the rest waits for the next."""
    outcomes = put(writer, 1)
    assert store.began.acquire(timeout=10)
    outcomes += put(writer, 5, MOST_BYTES // 2)
    store.may_go_on.set()
    assert [outcome.wait() for outcome in outcomes] == [None] * 6
    assert store.groups == [1, 2, 2, 1]


def test_nobody_is_told_before_the_commit(writer: Writer, store: Watched, path: Path) -> None:
    """And once they are, another process sees it."""
    (outcome,) = put(writer, 1)
    assert store.began.acquire(timeout=10)
    assert (outcome.times, spans_in(path)) == (0, 0)
    store.may_go_on.set()
    assert (outcome.wait(), spans_in(path)) == (None, 1)


def test_a_store_that_fails_refuses_all_who_wait(writer: Writer, store: Watched) -> None:
    """They would wait as long once more, and fail; the next who come are tried again."""
    store.failures = [StoreError("the disk is full")]
    outcomes = put(writer, 1)
    assert store.began.acquire(timeout=10)
    outcomes += put(writer, 3)
    store.may_go_on.set()
    refusals = [outcome.wait() for outcome in outcomes]
    assert [refusal.kind for refusal in refusals if refusal is not None] == [LATER] * 4
    assert writer.fault == "the disk is full"
    assert [outcome.wait() for outcome in put(writer, 1)] == [None]
    assert writer.fault == ""


def test_a_request_that_cannot_be_written_takes_no_other_with_it(writer: Writer, store: Watched, path: Path) -> None:
    """A record over which we fall is refused for good; those that were written with it are written without it."""
    store.may_go_on.set()
    bad = Decoded([object()], [], [], [], [])  # type: ignore[list-item]
    store.may_go_on.clear()
    put(writer, 1)
    assert store.began.acquire(timeout=10)
    good, broken = Outcome(), Outcome()
    writer.put(bad, 1, broken)
    writer.put(one(7), 1, good)
    store.may_go_on.set()
    refusal = broken.wait()
    assert (good.wait(), refusal is not None and refusal.kind) == (None, OUR_FAULT)
    assert spans_in(path) == 2


def test_chores_wait_for_their_turn(writer: Writer, store: Watched) -> None:
    """What tidies up is done on the writer's thread, when nothing waits; one that fails ends nothing."""
    done: list[str] = []
    finished = threading.Event()

    def fails(_store: Store) -> None:
        raise StoreError("no")

    put(writer, 1)
    assert store.began.acquire(timeout=10)
    writer.do(fails)
    writer.do(lambda _store: (done.append(threading.current_thread().name), finished.set()))
    second = put(writer, 1)
    store.may_go_on.set()
    assert second[0].wait() is None
    assert finished.wait(10)
    assert done == ["rlhf-otel-writer"]


def test_closing_writes_what_waits(writer: Writer, store: Watched, path: Path) -> None:
    """And closes the store."""
    outcomes = put(writer, 3)
    store.may_go_on.set()
    writer.close()
    assert ([outcome.refusal for outcome in outcomes], [outcome.times for outcome in outcomes]) == ([None] * 3, [1] * 3)
    assert spans_in(path) == 3
