"""The inbox: requests as they came, safe on the disk, and what is in them, once they are read in."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rlhf_otel.store import Store
from rlhf_otel.store.inbox import ROW_BYTES, STEP, Inbox, read_in_at
from rlhf_otel.store.refusals import look_through
from tests.conformance.messages import SIGNALS, full, logs, metrics, span, traces


@pytest.fixture
def store(path: Path):
    """A store of its own."""
    with Store.open(path) as opened:
        yield opened


def body(count: int = 1, text: str = "") -> bytes:
    """A request with so many calls."""
    return traces(*(span(text=text) for _ in range(count))).SerializeToString()


def test_what_is_put_there_is_read_in_as_if_it_had_just_come(store: Store) -> None:
    """Calls, feedback and points, by the readers of OTLP; then the inbox is empty."""
    inbox = Inbox(store)
    requests = [("traces", body(3)), ("logs", logs(2).SerializeToString()), ("metrics", metrics(4).SerializeToString())]
    inbox.put(requests)
    assert inbox.size() == sum(len(each) for _, each in requests)
    assert store.counts()["interactions"] == 0
    assert sum(inbox.read_in()) == sum(len(each) for _, each in requests)
    counts = store.counts()
    assert (counts["interactions"], counts["feedback"], len(store.points()), inbox.size()) == (3, 2, 4, 0)


def test_small_requests_share_a_row(store: Store, path: Path) -> None:
    """One after the other they are one request; large ones stay alone."""
    inbox = Inbox(store)
    inbox.put([("traces", body()) for _ in range(50)] + [("traces", body(1, "x" * ROW_BYTES)), ("traces", body())])
    assert len([size for size in inbox.read_in() if size]) == 2
    assert store.counts()["interactions"] == 52


def test_others_may_write_between_two_steps(store: Store, path: Path) -> None:
    """A large request does not lock the store for as long as it takes."""
    Inbox(store).put([("traces", body(3 * STEP))])
    reading = Inbox(store).read_in()
    next(reading)
    with Store.open(path) as other:
        other.add_decoded()
        assert other.counts()["interactions"] == STEP
    assert [size for size in reading if size]
    assert store.counts()["interactions"] == 3 * STEP


def test_a_crash_in_the_middle_costs_nothing_and_doubles_nothing(path: Path) -> None:
    """What was added is there already when the row is read in once more."""
    with Store.open(path) as store:
        Inbox(store).put([("traces", body(3 * STEP))])
        next(Inbox(store).read_in())
    assert read_in_at(str(path), 20) == 0
    with Store.open(path, read_only=True) as store:
        assert store.counts()["interactions"] == 3 * STEP


def test_several_may_read_in_at_the_same_time(path: Path) -> None:
    """Each row is added once, whoever comes first."""
    with Store.open(path) as store:
        for _ in range(20):
            Inbox(store).put([("traces", body(5)), ("logs", logs().SerializeToString())])
    readers = [threading.Thread(target=read_in_at, args=(str(path), 20)) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    with Store.open(path, read_only=True) as store:
        assert (store.counts()["interactions"], store.counts()["feedback"]) == (100, 20)


def test_what_cannot_be_added_is_set_aside(store: Store, path: Path, caplog) -> None:
    """It stands in nobody's way, is told of once, and is still in the file for a version that can."""
    inbox = Inbox(store)
    inbox.put([("traces", b"no request at all")])
    inbox.put([("traces", body())])
    assert len([size for size in inbox.read_in() if size]) == 2
    assert (store.counts()["interactions"], inbox.size()) == (1, 0)
    assert caplog.messages == ["17 bytes of traces could not be read in (DecodeError); they are kept in the store"]
    assert b"no request at all" in b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert inbox.aside() == 1
    inbox.try_again()
    assert (inbox.aside(), inbox.size()) == (0, 17)


def test_reading_in_ends_when_the_patience_does(path: Path) -> None:
    """A command does not keep its user waiting for hundreds of megabytes; how much is left is said."""
    with Store.open(path) as store:
        Inbox(store).put([("traces", body(STEP)), ("logs", logs().SerializeToString())])
        waiting = Inbox(store).size()
    assert 0 < read_in_at(str(path), -1) <= waiting
    assert read_in_at(str(path), 20) == 0


@pytest.mark.parametrize("signal", SIGNALS)
def test_looking_through_refuses_nothing_that_is_right(signal) -> None:
    """Every item of a usual request can be kept."""
    request = full(signal)
    assert look_through(signal, request)[1:] == (0, "")


def test_looking_through_says_what_decoding_would() -> None:
    """The same count in the same words, for every way in which an id can be wrong."""
    from rlhf_otel.store.otlp import decode_logs, decode_traces

    bad = [span(span_id=bytes(8)), span(trace_id=b"\x01"), span(span_id=b""), span(trace_id=bytes(16)), span(), span()]
    request, events = traces(*bad), logs(5)
    records = events.resource_logs[0].scope_logs[0].log_records
    records[0].trace_id, records[1].span_id, records[2].trace_id, records[2].span_id = b"\x01", b"\x02" * 9, b"", b""
    for signal, each, decode in (("traces", request, decode_traces), ("logs", events, decode_logs)):
        decoded = decode(each)
        count, rejected, message = look_through(signal, each)
        assert (rejected, message) == (decoded.rejected, decoded.message)
        assert count == {"traces": 6, "logs": 5}[signal]
    assert look_through("logs", events)[1] == 2
