"""Local first: without a backend everything is in the embedded store."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export import setup
from rlhf_otel.export.items import EndedSpan
from rlhf_otel.export.local import StoreSink
from rlhf_otel.export.otlp import SpanSink
from rlhf_otel.export.outbox import Limits, Outbox
from rlhf_otel.records import Interaction
from rlhf_otel.store import StoreError

STORE = Path(".rlhf-otel/store.db")


def test_a_call_and_its_feedback_are_in_the_default_store(ask):
    """No endpoint at all: prompt, answer and rating are in `.rlhf-otel/store.db` of the working directory."""
    rlhf.instrument()
    feedback.record(ask(), True, comment="fine")
    ((interaction, (thumb,)),) = rlhf.interactions()
    assert STORE.exists()
    assert interaction.input[0]["parts"][0]["content"] == "Hi"
    assert (thumb.value, thumb.comment, thumb.span_id) == (True, "fine", interaction.span_id)


def test_interactions_can_be_chosen():
    """By feedback, session, time and number, newest first."""
    rlhf.instrument()
    for place in range(4):
        with rlhf.context(session=f"s{place % 2}"):
            made = rlhf.capture(prompt=str(place), response="x", start_ns=1_700_000_000_000_000_000 + place * 10**9)
    feedback.record(made, True)

    def prompts(**chosen):
        return [i.input[0]["parts"][0]["content"] for i, _ in rlhf.interactions(**chosen)]

    assert prompts() == ["3", "2", "1", "0"]
    assert prompts(has_feedback=True) == ["3"]
    assert prompts(has_feedback=False) == ["2", "1", "0"]
    assert prompts(session="s0") == ["2", "0"]
    assert prompts(since=1_700_000_002) == ["3", "2"]
    assert prompts(limit=2) == ["3", "2"]


def test_memory_writes_nothing_to_the_disk():
    """`:memory:` keeps everything readable in the process, and no file appears."""
    rlhf.instrument(store=":memory:")
    feedback.record(rlhf.capture(prompt="a", response="b"), True)
    ((_, given),) = rlhf.interactions()
    assert len(given) == 1
    assert list(Path().iterdir()) == []


def unwritable(folder: Path) -> None:
    (folder / ".rlhf-otel").write_text("a file where the folder should be")


def corrupt(folder: Path) -> None:
    (folder / ".rlhf-otel").mkdir()
    (folder / STORE).write_bytes(b"no database at all " * 100)


def newer(folder: Path) -> None:
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    rlhf.shutdown()
    with sqlite3.connect(folder / STORE) as connection:
        connection.execute("INSERT INTO migration (name) VALUES ('9999_future')")
    connection.close()


ONLY, AND_DISK = "in memory only and end with the process", "in memory until the process ends, and on the disk"


@pytest.mark.parametrize("spoil, kept", [(unwritable, ONLY), (corrupt, AND_DISK), (newer, AND_DISK)])
def test_a_store_that_cannot_be_used_means_memory_and_one_line(spoil, kept, ask, lines, tmp_path):
    """The application runs on, its calls are readable while it lives, and one line says what is wrong."""
    spoil(tmp_path)
    before = (tmp_path / STORE).read_bytes() if (tmp_path / STORE).exists() else None
    rlhf.instrument()
    feedback.record(ask(), True)
    ask()
    assert [len(given) for _, given in rlhf.interactions()] == [0, 1]
    (line,) = lines()
    assert f"interactions are kept {kept}" in line
    assert ".rlhf-otel" in line
    if before is not None:
        assert (tmp_path / STORE).read_bytes() == before


def test_a_locked_store_is_tried_again(monkeypatch, lines):
    """While another process holds the store nothing is lost, and all is written once it lets go."""
    monkeypatch.setattr("rlhf_otel.store.connection.BUSY_TIMEOUT_S", 0.05)
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(5)
    rlhf.shutdown()
    held = sqlite3.connect(STORE, isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    rlhf.instrument()
    made = rlhf.capture(prompt="c", response="d")
    assert feedback.record(made, True).status == "joined"
    assert not rlhf.flush(5)
    assert "locked" in lines()[0]
    held.execute("ROLLBACK")
    held.close()
    assert rlhf.flush(10)
    assert [len(given) for _, given in rlhf.interactions()] == [1, 0]


def test_there_is_nothing_to_read_before_anything_was_recorded():
    """Without a store, reading says so; no file is made by looking."""
    with pytest.raises(StoreError, match="there is no store here"):
        list(rlhf.interactions())
    assert list(Path().iterdir()) == []


def test_a_burst_is_kept_whole():
    """20,000 calls as fast as they can be made, with the defaults: each is in the store."""
    rlhf.instrument()
    for number in range(20_000):
        rlhf.capture(prompt=str(number), response="ok", model="m")
    assert rlhf.flush(60)
    with sqlite3.connect(STORE) as connection:
        ((stored,),) = connection.execute("SELECT count(*) FROM interaction")
    connection.close()
    assert (stored, rlhf.stats()["dropped_queue_full"], rlhf.stats()["waiting"]) == (20_000, 0, 0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_means_memory(lines, tmp_path):
    """A working directory that may not be written to is no reason to fail."""
    tmp_path.chmod(0o500)
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    assert len(list(rlhf.interactions())) == 1
    assert len(lines()) == 1


def test_memory_that_stands_in_for_a_file_does_not_grow_without_end(lines, tmp_path):
    """Where the file cannot be written, so many interactions are kept; later ones are dropped and counted."""
    (tmp_path / "no-folder").write_text("")
    rlhf.instrument(store="no-folder/store.db", queue_size=10)
    for number in range(25):
        rlhf.capture(prompt=str(number), response="b")
        assert rlhf.flush(5)
    assert len(list(rlhf.interactions())) == 10
    assert rlhf.stats()["dropped_undelivered"] == 15
    assert len(lines()) == 2


def test_what_waits_for_a_sink_is_only_what_it_needs():
    """The store needs no span, and a backend no interaction: an outage does not hold everything twice."""
    span, interaction = object(), Interaction(trace_id="", span_id="", start_ns=0, end_ns=0)
    store, backend = (Outbox(sink, Limits(10, 10, 0)) for sink in (StoreSink(":memory:"), SpanSink(object())))
    for outbox in (store, backend):
        outbox.take(EndedSpan(span, interaction))
        outbox.take(EndedSpan(span, None))
    assert store.waiting == [EndedSpan(None, interaction), EndedSpan(span, None)]
    assert backend.waiting == [EndedSpan(span, None)] * 2


def test_a_stored_call_is_found_by_whichever_id_fits():
    """Feedback that names a response and a message is joined where either is known."""
    rlhf.instrument(store=":memory:")
    with rlhf.context(message="m-1"):
        made = rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(5)
    found = setup.current().find(response_id="unknown", message_id="m-1", session=None)
    assert found.span_id == made.span_id
