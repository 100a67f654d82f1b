"""The writer: who waits together is written together, and nobody is told before it is on the disk."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlhf_otel.server.answers import LATER, OUR_FAULT, Refusal
from rlhf_otel.server.writer import AT_ONCE_BYTES, Writer
from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.inbox import Inbox
from tests.conformance.messages import span, traces


class Watched(Store):
    """A store that waits before each transaction until it may go on, and fails when it is told to."""

    may_go_on: threading.Event
    began: threading.Semaphore
    begun: int
    failures: list[Exception]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        self.begun += 1
        self.began.release()
        assert self.may_go_on.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        with super()._writing() as connection:
            yield connection


@pytest.fixture
def store(path: Path) -> Watched:
    """It begins with a transaction and waits."""
    opened = Watched.open(path)
    assert isinstance(opened, Watched)
    opened.may_go_on, opened.began = threading.Event(), threading.Semaphore(0)
    opened.begun, opened.failures = 0, []
    return opened


@pytest.fixture
def writer(store: Watched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """A writer into it, which does not touch the inbox while somebody is in the middle of a request."""
    monkeypatch.setattr("rlhf_otel.server.writer.REST_S", 1000.0)
    made = Writer(store, inbox_bytes=1_000_000)
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


def one(text: str = "") -> bytes:
    """A request with one call."""
    return traces(span(text=text)).SerializeToString()


def put(writer: Writer, count: int, size: int = 1) -> list[Outcome]:
    """So many requests, of about so many bytes each."""
    outcomes = [Outcome() for _ in range(count)]
    for outcome in outcomes:
        writer.put("traces", one("x" * size), outcome)
    return outcomes


def at_rest(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has nothing taken apart as long as requests are expected, which they are."""
    monkeypatch.setattr("rlhf_otel.server.writer.REST_S", 3.0)
    writer._stepped = time.monotonic()
    writer.expected = 1


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
    assert store.begun == 2


def test_a_transaction_does_not_grow_without_end(
    writer: Writer, store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond so many bytes, the rest waits for the next."""
    monkeypatch.setattr("rlhf_otel.server.writer.MOST_BYTES", 20_000)
    at_rest(writer, monkeypatch)
    outcomes = put(writer, 1)
    assert store.began.acquire(timeout=10)
    outcomes += put(writer, 5, 10_000)
    store.may_go_on.set()
    assert [outcome.wait() for outcome in outcomes] == [None] * 6
    assert store.begun == 4


def test_nobody_is_told_before_the_commit(writer: Writer, store: Watched, path: Path) -> None:
    """And once they are, another process sees it."""
    (outcome,) = put(writer, 1)
    assert store.began.acquire(timeout=10)
    assert (outcome.times, spans_in(path)) == (0, 0)
    store.may_go_on.set()
    assert (outcome.wait(), spans_in(path)) == (None, 1)


def test_a_few_spans_are_taken_apart_before_they_are_confirmed(writer: Writer, store: Watched, path: Path) -> None:
    """Whoever has the answer finds them, whatever else goes on."""
    store.may_go_on.set()
    writer.expected = 1
    assert [outcome.wait() for outcome in put(writer, 1)] == [None]
    assert (spans_in(path), Inbox(store).size()) == (1, 0)


def test_what_is_more_is_written_as_it_came_and_taken_apart_after_the_rush(
    writer: Writer, store: Watched, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is on the disk when it is confirmed, and in its tables when no request is under way."""
    store.may_go_on.set()
    at_rest(writer, monkeypatch)
    assert [outcome.wait() for outcome in put(writer, 1, AT_ONCE_BYTES)] == [None]
    assert (spans_in(path), Inbox(store).size() > AT_ONCE_BYTES, writer.backlog) == (0, True, Inbox(store).size())
    writer.expected = 0
    until(lambda: not writer.backlog)
    assert (spans_in(path), Inbox(store).size()) == (1, 0)


def test_a_rush_that_does_not_end_keeps_nothing_from_being_taken_apart(
    writer: Writer, store: Watched, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on between the requests, a step at a time."""
    monkeypatch.setattr("rlhf_otel.server.writer.REST_S", 0.01)
    store.may_go_on.set()
    writer.expected = 1
    for _ in range(5):
        assert [outcome.wait() for outcome in put(writer, 1, AT_ONCE_BYTES)] == [None]
    until(lambda: not writer.backlog)
    assert spans_in(path) == 5


def test_the_inbox_is_bounded(writer: Writer, store: Watched, path: Path) -> None:
    """Beyond so many bytes, each transaction waits until one row has been taken apart."""
    store.may_go_on.set()
    writer.expected = 1
    for _ in range(12):
        assert [outcome.wait() for outcome in put(writer, 1, 300_000)] == [None]
    assert Inbox(store).size() < 1_600_000
    assert spans_in(path) >= 7


def test_what_was_left_in_the_inbox_is_read_in_at_the_next_start(path: Path) -> None:
    """A stop does not wait for it, and a crash does not lose it."""
    with Store.open(path) as store:
        Inbox(store).put([("traces", one()), ("traces", one())])
    writer = Writer(Store.open(path), inbox_bytes=1)
    until(lambda: not writer.backlog)
    writer.close()
    assert spans_in(path) == 2


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
    """One over which we fall is refused for good; those that were written with it are written without it."""
    put(writer, 1)
    assert store.began.acquire(timeout=10)
    good, broken = Outcome(), Outcome()
    writer.put("traces", b"no protobuf", broken)
    writer.put("traces", one(), good)
    store.may_go_on.set()
    refusal = broken.wait()
    assert (good.wait(), refusal is not None and refusal.kind) == (None, OUR_FAULT)
    assert spans_in(path) == 2


def test_closing_writes_what_waits(writer: Writer, store: Watched, path: Path) -> None:
    """And closes the store."""
    outcomes = put(writer, 3)
    store.may_go_on.set()
    writer.close()
    assert ([outcome.refusal for outcome in outcomes], [outcome.times for outcome in outcomes]) == ([None] * 3, [1] * 3)
    assert spans_in(path) == 3


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    give_up = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.005)
