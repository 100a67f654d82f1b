"""What is erased is not sent any more, whoever has it on the disk, and leaves no byte there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export.spool import erasing
from rlhf_otel.export.spool.erasing import Cover, Erased, erase
from rlhf_otel.export.spool.erasing import ask as ask_owners
from rlhf_otel.export.spool.folder import listed
from rlhf_otel.export.spool.looking import requests, seen
from rlhf_otel.store.tombstones import Subject

from .conftest import SPOOL, flushed, models, until, written

ANN = Subject("user", "ann-4711")
pytestmark = pytest.mark.usefixtures("quick")


def cover(**how) -> Cover:
    """What tells the items of the person."""
    return Cover(lambda kind, name: (kind, name) == ANN, time.time_ns(), **how)


def left_by_a_process(collector, ask, people=("ann-4711", "bob")) -> None:
    """Calls of people, and what they thought, by a process that has ended while the backend was down."""
    collector.fail(400)
    rlhf.instrument(endpoint=collector.http_url)
    for user in people:
        with rlhf.context(user=user, session=f"of-{user}"):
            ask(model=f"model-of-{user}")
        feedback.record(rlhf.last(), True, comment=f"by {user}")
    until(lambda: sum(each.items for each in seen(SPOOL)) == 2 * len(people))
    assert not rlhf.shutdown(5)


def test_what_a_dead_process_has_left_is_erased(collector, ask) -> None:
    """Its calls and feedback on them, which names nobody, go; those of others are delivered."""
    left_by_a_process(collector, ask)
    assert ANN.id.encode() in written()
    assert erase(SPOOL, cover(), b"") == Erased(items=2, left=0)
    assert b"ann-4711" not in written()
    assert len(list(requests(SPOOL))) == 2
    collector.recover()
    rlhf.instrument(endpoint=collector.http_url)
    ask(model="another")
    assert flushed()
    assert sorted(models(collector)) == ["another", "model-of-bob"]


def test_a_segment_with_nothing_else_is_deleted(collector, ask) -> None:
    """Rather than kept with zeros in it."""
    left_by_a_process(collector, ask, people=[ANN.id])
    assert erase(SPOOL, cover(), b"").items == 2
    assert listed(SPOOL) == []


def test_feedback_alone(collector, ask) -> None:
    """The calls stay."""
    left_by_a_process(collector, ask)
    assert erase(SPOOL, cover(feedback_only=True), b"").items == 1
    assert b"by ann-4711" not in written()
    assert b"model-of-ann" in written()


def test_what_is_damaged_is_erased_where_it_has_the_id(collector, ask) -> None:
    """Nobody can tell what it was."""
    left_by_a_process(collector, ask)
    for found in listed(SPOOL):
        data = bytearray(found.path.read_bytes())
        data[data.find(b"ann-4711") - 1] ^= 1
        found.path.write_bytes(data)
    assert erase(SPOOL, cover(), ANN.id.encode()).items == 2
    assert b"ann-4711" not in written()


def test_a_process_that_lives_erases_before_it_sends(collector, ask) -> None:
    """On the disk and in memory; nothing of it reaches the backend, and the rest does."""
    collector.fail(400)
    rlhf.instrument(endpoint=collector.http_url)
    for user in (ANN.id, "bob"):
        with rlhf.context(user=user):
            ask(model=f"model-of-{user}")
        feedback.record(rlhf.last(), True)
    until(lambda: sum(each.items for each in seen(SPOOL)) == 4)
    assert erase(SPOOL, cover(), b"") == Erased(items=0, left=2)
    ask_owners(SPOOL, ANN, time.time_ns())
    assert ANN.id.encode() not in b"".join(path.read_bytes() for path in SPOOL.glob("erase-*"))
    rlhf.flush(0.5)
    until(lambda: b"ann-4711" not in written())
    collector.recover()
    assert flushed()
    assert models(collector) == ["model-of-bob"]
    assert len(collector.logs) == 1


def test_what_was_under_way_is_not_sent(collector, ask) -> None:
    """A call that began before the request, and ends after it, is dropped."""
    rlhf.instrument(endpoint=collector.http_url)
    ask(model="before")
    assert flushed()
    SPOOL.mkdir(parents=True, exist_ok=True)
    with rlhf.context(user=ANN.id):
        stream = ask(model="of ann", stream=True)
    ask_owners(SPOOL, ANN, time.time_ns())
    list(stream)
    with rlhf.context(user="bob"):
        ask(model="after")
    assert flushed()
    assert models(collector) == ["before", "after"]


def test_old_requests_are_forgotten(tmp_path: Path, monkeypatch) -> None:
    """After a day nothing can be under way any more."""
    ask_owners(tmp_path, ANN, 1)
    monkeypatch.setattr(erasing, "_KEPT_NS", -1)
    ask_owners(tmp_path, ANN, 2)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_broken_request_stops_nothing(collector, ask) -> None:
    """What is no request is passed by."""
    SPOOL.mkdir(parents=True)
    (SPOOL / "erase-1.json").write_text("{")
    rlhf.instrument(endpoint=collector.http_url)
    ask(model="m")
    assert flushed()
    assert models(collector) == ["m"]
