"""Segments: who owns them, who adopts them, when they go, and what happens where they cannot be written."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import time

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ScopeLogs

import rlhf_otel as rlhf
from rlhf_otel import hooks
from rlhf_otel.export import wire
from rlhf_otel.export.spool import frames
from rlhf_otel.export.spool.backlog import Backlog
from rlhf_otel.export.spool.spool import Spool

from .conftest import names, read, segments, span, write

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def feedback(size: int = 10) -> tuple[int, bytes]:
    """What is written of a feedback."""
    scoped = ScopeLogs(log_records=[LogRecord(event_name="x" * size)])
    return frames.FEEDBACK, wire.request([wire.Packed(b"", b"", scoped.SerializeToString())])


def test_nothing_is_made_before_the_first_item(make_spool):
    """A spool that is never written to leaves no folder."""
    assert not make_spool().folder.exists()


@posix
def test_only_the_owner_may_read_it(make_spool):
    """The folder and what is above it are 0700, the files 0600."""
    spool = make_spool(folder="deep/spool")
    write(spool, span(1))
    (file,) = spool.folder.iterdir()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (spool.folder.parent, spool.folder, file)]
    assert modes == [0o700, 0o700, 0o600]


def test_items_come_back_after_their_process_has_ended(make_spool):
    """What was not acknowledged is read by whoever comes next, in order; nobody else finds it again meanwhile."""
    before, after, third = make_spool(), make_spool(), make_spool()
    write(before, span(1), span(2))
    assert read(after) == []  # its owner lives
    before.let_go()
    assert read(after) == ["1", "2"]
    assert read(third) == []


def test_what_is_acknowledged_is_gone(make_spool):
    """The live segment is emptied once nothing in it is needed; a closed one is deleted, and so is all at the end."""
    spool = make_spool(most_bytes=8000)
    places = write(spool, span(1), span(2))
    segment = places[0].segment
    for place in places:
        assert segment.size > segment.begin
        place.segment.release()
    assert segment.size == segment.path.stat().st_size == segment.begin
    (first,) = write(spool, span(3))
    (second,) = write(spool, span(4, 900))
    assert len(segments(spool)) == 2
    first.segment.release()
    assert len(segments(spool)) == 1
    second.segment.release()
    spool.let_go()
    assert segments(spool) == []


def test_the_segments_of_others_that_go_elsewhere_are_left_alone(make_spool):
    """One application's calls are never sent to another's backend."""
    other, spool = make_spool(to=["traces http://other"]), make_spool(to=["traces http://ours"])
    write(other, span(1))
    other.let_go()
    assert read(spool) == []
    assert segments(spool) == ["spans"]
    assert read(make_spool(to=["traces http://other"])) == ["1"]


def test_two_applications_on_one_folder(make_spool):
    """Each writes its own segments, and neither takes or deletes the other's."""
    one, two = make_spool(), make_spool()
    mine, theirs = write(one, span(1))[0], write(two, span(2))[0]
    assert read(one) == read(two) == []
    mine.segment.release()
    assert theirs.segment.path.exists()
    two.let_go()
    assert read(one) == ["2"]


def test_a_damaged_byte_costs_one_item_and_a_line(make_spool, lines):
    """The rest is read, and what was skipped is counted."""
    before, after = make_spool(), make_spool()
    places = write(before, *(span(number) for number in range(5)))
    before.let_go()
    data = bytearray(places[0].segment.path.read_bytes())
    data[places[2].end - 1] ^= 1
    places[0].segment.path.write_bytes(data)
    assert read(after) == ["0", "1", "3", "4"]
    assert hooks.counters["spool_skipped"] == 1
    assert len(lines()) == 1


def test_a_torn_tail_is_no_reason_to_lose_the_rest(make_spool):
    """A process may have been killed in the middle of a write."""
    before, after = make_spool(), make_spool()
    *_, last = write(before, span(1), span(2), span(3))
    before.let_go()
    os.truncate(last.segment.path, last.end - 7)
    assert read(after) == ["1", "2"]


@pytest.mark.parametrize("content", [b"", b"no segment at all", frames.header(["store x"]), b"\0" * 5000])
def test_files_with_nothing_in_them(make_spool, content):
    """What was left without an item is deleted; what is no segment is left alone, and nothing of it raises."""
    spool = make_spool()
    spool.folder.mkdir()
    file = spool.folder / "spans-1-1-1.seg"
    file.write_bytes(content)
    assert read(spool) == []
    assert file.exists() == (content not in (b"", frames.header(["store x"])))


@posix
def test_the_lock_of_a_parent_does_not_outlive_it_in_its_children(make_spool):
    """A forked child closes what it inherits and writes segments of its own."""
    spool, after = make_spool(), make_spool()
    write(spool, span(1))
    ready, go = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        write(spool, span(2))
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    assert len(segments(spool)) == 2
    spool.let_go()
    assert read(after) == ["1"]
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    assert read(make_spool()) == ["2"]


def test_the_clock_may_jump(make_spool, monkeypatch):
    """Names are made from the time of day; a clock that stands still or goes back loses nothing."""
    now = time.time_ns()
    spool, after = make_spool(most_bytes=8000), make_spool(most_bytes=1 << 20)
    for number, jump in enumerate((0, 0, -(10**18), 10**18, -1)):
        monkeypatch.setattr(time, "time_ns", lambda jump=jump: now + jump)
        write(spool, span(number, 900))
    spool.let_go()
    assert sorted(read(after)) == ["0", "1", "2", "3", "4"]


def test_a_segment_is_read_in_pieces(make_spool):
    """More than a megabyte comes back in several goes, an item that is larger than that by itself, and all of it."""
    before, after = make_spool(most_bytes=64 << 20), make_spool(most_bytes=64 << 20)
    write(before, *(span(number, 300_000) for number in range(8)), span(8, 2_500_000), span(9))
    before.let_go()
    assert read(after) == [str(number) for number in range(10)]


# --- Bounds -----------------------------------------------------------------------------------------------------------


def test_the_oldest_spans_go_first_and_feedback_last(make_spool):
    """Beyond its bytes whole segments go, announced before with what is in them, each item counted."""
    heard = []
    hooks.on("buffer_full", lambda items: heard.append(("full", items)))
    hooks.on("drop", lambda count: heard.append(("drop", count)))
    spool, reader = make_spool(most_bytes=8000), make_spool(most_bytes=8000)
    spool.records = names
    backlog = Backlog(spool, of_shared=False)
    for item in (feedback(), *(span(number, 900) for number in range(8))):
        (place,) = write(spool, item)
        backlog.mark(place.segment, place.start)  # nobody holds it in memory
        place.segment.release()
    assert sum(path.stat().st_size for path in spool.folder.iterdir()) <= 8000
    kept = 9 - len(heard) // 2
    gone = [str(number) for number in range(9 - kept)]
    assert heard == [each for name in gone for each in (("full", [name]), ("drop", 1))]
    assert hooks.counters["dropped_spool_full"] == len(gone) > 0
    assert "events" in segments(spool)
    spool.let_go()
    assert read(reader)[-1] == "7"


def test_feedback_goes_when_nothing_else_is_left(make_spool):
    """It is dropped last, and it is dropped."""
    spool = make_spool(most_bytes=3000)
    spool.records = list
    backlog = Backlog(spool, of_shared=False)
    for _ in range(60):
        (place,) = write(spool, feedback(120))
        backlog.mark(place.segment, place.start)
        place.segment.release()
    assert hooks.counters["dropped_spool_full"] > 0
    assert sum(path.stat().st_size for path in spool.folder.iterdir()) <= 3000


def test_what_memory_has_is_not_lost_with_its_segment(make_spool):
    """A segment that goes for want of room takes nothing with it that is still held in memory."""
    spool = make_spool(most_bytes=8000)
    for number in range(20):
        write(spool, span(number, 900))
    assert hooks.counters["dropped_spool_full"] == 0


def test_an_item_that_is_larger_than_the_spool_stays_in_memory(make_spool, lines):
    """It has no place, and one line says so; later ones are written again."""
    spool = make_spool(to=["traces http://a"], most_bytes=4000)
    assert write(spool, span(1, 9000)) == [None]
    assert len(lines()) == 1
    spool._unusable_until = 0.0
    assert write(spool, span(2)) != [None]


# --- Where nothing can be written -------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made(make_spool, lines, tmp_path):
    """Items have no place, one line says why, nothing raises, and it is tried again later."""
    (tmp_path / "file").write_text("")
    spool = make_spool(to=["traces http://a"], folder="file/spool")
    assert [write(spool, span(number)) for number in range(3)] == [[None]] * 3
    assert not spool.is_usable
    (line,) = lines()
    assert "takes nothing" in line and str(spool.folder) in line
    (tmp_path / "file").unlink()
    spool._unusable_until = 0.0
    assert write(spool, span(4)) != [None]


@posix
def test_a_write_that_fails_halfway_leaves_no_half(make_spool, lines):
    """With a limit on the size of files: what fits is kept, what does not has no place, and the rest is readable."""
    before, after = make_spool(to=["traces http://a"]), make_spool(to=["traces http://a"])
    write(before, span(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        assert write(before, span(2, 5000)) == [None]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(lines()) == 1
    before._unusable_until = 0.0
    write(before, span(3))
    before.let_go()
    assert read(after) == ["1", "3"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk(small_disk, collector, lines):
    """With no room left the application runs on in memory, all that was said arrives, and there is one line."""
    collector.fail(503)
    rlhf.instrument(endpoint=collector.http_url, spool=str(small_disk / "spool"), batch_delay_ms=10)
    for number in range(40):
        rlhf.capture(prompt=f"{number}" + "x" * 5000, response="b", model=str(number))
    assert not rlhf.flush(5)
    assert any("No space left" in line for line in lines())
    collector.recover()
    assert rlhf.flush(20)
    assert sorted(int(span.attributes["gen_ai.request.model"]) for span in collector.spans) == list(range(40))
    assert rlhf.stats()["faults"] == 0


def test_a_read_only_disk(small_disk, collector, lines):
    """The same where nothing at all can be written."""
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    rlhf.instrument(endpoint=collector.http_url, spool=str(small_disk / "spool"))
    rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(10)
    assert len(collector.spans) == 1
    assert "Read-only" in lines()[0]


def test_an_interrupt_leaves_no_half(make_spool, monkeypatch):
    """Ctrl-C right after a write takes it back: what is written next stands where it is looked for."""
    spool = make_spool()
    write(spool, span(1))
    real = os.write

    def interrupted(descriptor, data):
        real(descriptor, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "write", interrupted)
        write(spool, span(2))
    (place,) = write(spool, span(3))
    backlog = Backlog(spool, of_shared=False)
    backlog.mark(place.segment, place.start)
    assert names(item for item, _ in backlog.read()) == ["3"]
    assert place.segment.path.stat().st_size == place.end


def test_a_write_within_a_write(make_spool, monkeypatch):
    """A signal handler may end a span while the thread that it interrupts writes: it has no place, and spoils none."""
    spool, inner = make_spool(), []
    write(spool, span(1))
    real = os.write

    def interrupted(descriptor, data):
        if not inner:
            inner.append(None)
            inner[:] = write(spool, span(2))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", interrupted)
    (place,) = write(spool, span(3, 50))
    assert inner == [None]
    assert place.segment.path.stat().st_size == place.end
    assert place.segment.read(place.start, place.end)[:4] == frames.MAGIC


def test_a_file_system_without_locks(make_spool, monkeypatch, lines):
    """Without a lock nobody could tell whose a segment is, so nothing is written."""

    def no_locks(_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("rlhf_otel.export.spool.locks.take", no_locks)
    spool = make_spool(to=["traces http://a"])
    assert write(spool, span(1)) == [None]
    assert segments(spool) == []
    assert len(lines()) == 1


def test_somebody_clears_the_folder(make_spool):
    """What is written after the next look around is in a file that exists."""
    spool = make_spool()
    (place,) = write(spool, span(1))
    place.segment.path.unlink()
    spool._look_at = 0.0
    spool.look_around(Backlog(spool, of_shared=False))
    write(spool, span(2))
    spool.let_go()
    assert read(Spool(spool.folder, spool.to, 1 << 20)) == ["2"]
