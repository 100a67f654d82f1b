"""`arecord`: the event loop goes on, whatever the disk does."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export.spool.segments import Segment

SPAN = "00f067aa0ba902b7"


@pytest.fixture
def disk(monkeypatch):
    """A disk that writes when `may_write` is set, with the threads that have written; the backend is dead."""
    may_write, threads, append = threading.Event(), [], Segment.append

    def slow(self, data):
        if not may_write.wait(10):
            raise OSError("nobody has let it write")
        threads.append(threading.current_thread())
        return append(self, data)

    monkeypatch.setattr(Segment, "append", slow)
    rlhf.instrument(endpoint="http://127.0.0.1:9", exit_timeout=0.1)
    return may_write, threads


def test_the_loop_goes_on_while_the_disk_does_not(disk):
    """What else runs on the loop is what lets the disk write at last; no write is on the loop's thread."""
    may_write, threads = disk

    async def main():
        votes = [asyncio.create_task(feedback.arecord(span_id=SPAN, value=True, id=f"v{n}")) for n in range(50)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert not any(vote.done() for vote in votes)
        may_write.set()
        return await asyncio.gather(*votes)

    refs = asyncio.run(main())
    assert [(ref.id, ref.status) for ref in refs] == [(f"v{n}", "spooled") for n in range(50)]
    assert threading.main_thread() not in threads
    assert len(threads) >= 50


def test_whoever_no_longer_waits_has_voted(disk):
    """A request that is cancelled, as by a page that is closed, leaves the vote."""
    may_write, _ = disk
    kept = threading.Event()
    rlhf.on("feedback", lambda given: kept.set())

    async def main():
        vote = asyncio.create_task(feedback.arecord(span_id=SPAN, value=True))
        await asyncio.sleep(0)
        vote.cancel()
        with pytest.raises(asyncio.CancelledError):
            await vote
        may_write.set()

    asyncio.run(main())
    assert kept.wait(10)


def test_it_is_as_record(call, given, strict):
    """The same arguments, result and errors, in the context of the caller."""

    async def main():
        ref = await feedback.arecord(call, 4, scale=(1, 5), comment="good", rater="u1", id="v1")
        with pytest.raises(feedback.FeedbackError, match="the value of a binary"):
            await feedback.arecord(call, "x", kind="binary")
        return ref

    ref = asyncio.run(main())
    assert (ref.id, ref.status, ref.target["span_id"]) == ("v1", "joined", call.span_id)
    assert [(f.value, f.scale, f.comment, f.rater) for f in given()] == [(4, (1, 5), "good", "u1")]


def test_on_a_loop_that_is_not_asyncios(call, given):
    """It is recorded in place, as there is nobody to wait for a thread."""
    with pytest.raises(StopIteration) as ended:
        feedback.arecord(call, True, id="v1").send(None)
    assert ended.value.value.status == "joined"
    assert [f.id for f in given()] == ["v1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_in_the_child_of_a_fork(call):
    """The thread of the parent is not waited for."""
    assert asyncio.run(feedback.arecord(call, True)).status == "joined"
    child = os.fork()
    if not child:
        os._exit(7 if asyncio.run(feedback.arecord(call, True)) is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
