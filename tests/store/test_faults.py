"""What the store says when it cannot work: the file, what is wrong with it, and what helps."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.errors import explain

if TYPE_CHECKING:
    from pathlib import Path


def refusal(path: Path, *, read_only: bool = False) -> str:
    """What `Store.open` says about `path`; it must name it."""
    with pytest.raises(StoreError) as raised:
        Store.open(path, read_only=read_only)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_folder_is_no_store(tmp_path: Path, read_only: bool) -> None:
    """It suggests a file in it."""
    assert "store.db" in refusal(tmp_path, read_only=read_only)


def test_a_file_on_the_way_is_no_folder(tmp_path: Path) -> None:
    """A path below a regular file cannot be made."""
    (tmp_path / "file").write_text("")
    assert "not a folder" in refusal(tmp_path / "file" / "deep" / "store.db")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that not even root can write to")  # noqa: PTH112
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """It asks for a folder that may be written to."""
    (tmp_path / "kernel").symlink_to("/proc/self")
    assert "folder that you may write to" in refusal(tmp_path / "kernel" / "store.db")


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize("content", [b"this is a text, not a database" * 50, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_not_touched(path: Path, content: bytes, read_only: bool) -> None:
    """Whatever it is, it stays as it was."""
    path.write_bytes(content)
    assert "move it away" in refusal(path, read_only=read_only)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_not_touched(path: Path) -> None:
    """A path that was mistyped must not add our tables to somebody's data."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE theirs (id)")
    other.close()
    assert "another program" in refusal(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    other.close()


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    """Not the file and not the folders on the way to it."""
    assert "no store here" in refusal(tmp_path / "a" / "store.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_becomes_a_store_but_is_none_to_read(path: Path) -> None:
    """Read-only never writes, not even a schema."""
    path.touch()
    assert "open it for writing" in refusal(path, read_only=True)
    assert path.read_bytes() == b""
    Store.open(path).close()
    Store.open(path, read_only=True).close()


def test_a_damaged_page_is_reported(path: Path, call: Any) -> None:
    """The damage is named when it is met, and so is the way out."""
    with Store.open(path) as store:
        store.add([call(n) for n in range(200)])
    raw = bytearray(path.read_bytes())
    raw[4096:] = os.urandom(len(raw) - 4096)
    path.write_bytes(raw)
    with pytest.raises(StoreError, match=r"store\.db.*damaged"), Store.open(path) as store:
        list(store.interactions())


@pytest.mark.parametrize("harm", ["DELETE FROM message", "DELETE FROM shape", "UPDATE message SET body = x'01ff'"])
def test_content_that_was_taken_away_is_reported(path: Path, call: Any, harm: str) -> None:
    """Somebody who edits the file by hand is told what is wrong with it."""
    with Store.open(path) as store:
        store.add([call(1)])
        other = sqlite3.connect(path)
        other.execute(harm)
        other.commit()
        other.close()
        with pytest.raises(StoreError, match=r"store\.db.*damaged"):
            store.interaction(call(1).span_id)


def test_a_lock_held_too_long_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch, call: Any) -> None:
    """The store waits for others, but not for ever, and works once they are done. Reading needs no waiting."""
    monkeypatch.setattr("rlhf_otel.store.connection.BUSY_TIMEOUT_S", 0.05)
    with Store.open(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"store\.db.*locked for longer than 0.05 s"):
            store.add([call(1)])
        assert store.counts()["interactions"] == 0
        other.execute("ROLLBACK")
        other.close()
        store.add([call(1)])
        assert store.counts()["interactions"] == 1


FULL_DISK = """
import resource, sys
from rlhf_otel.records import Interaction
from rlhf_otel.store import Store, StoreError

def call(n, text):
    message = {"role": "user", "parts": [{"type": "text", "content": text}]}
    return Interaction(trace_id=f"{n:032x}", span_id=f"{n:016x}", start_ns=n, end_ns=n, input=[message])

import random
store = Store.open(sys.argv[1])
store.add([call(1, "small")])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    store.add([call(n, random.randbytes(20_000).hex()) for n in range(2, 100)])
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.add([call(200, "after")])
print([i.start_ns for i in store.interactions()])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of a process")
def test_a_full_disk_refuses_the_batch_and_keeps_the_rest(path: Path) -> None:
    """Nothing of the refused batch is there, everything before it is, and the store goes on when there is room."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    said, left = done.stdout.splitlines()
    assert str(path) in said
    assert "free some space" in said
    assert left == "[200, 1]"


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "permissions"),
        ("unable to open database file", "check that its folder exists"),
        ("database is locked", "try again later"),
        ("something new", "something new"),
    ],
)
def test_every_known_refusal_of_sqlite_has_a_remedy(said: str, remedy: str) -> None:
    """What SQLite says is kept beside what it means."""
    message = str(explain(sqlite3.OperationalError(said), "/a/store.db", 5.0))
    assert message.startswith("/a/store.db: ")
    assert remedy in message
    assert said in message
