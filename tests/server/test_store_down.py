"""The store is locked, full, gone or replaced: nothing is confirmed that is not on the disk, and clients come again."""

from __future__ import annotations

import resource
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.endpoint import Reply
from tests.conformance.messages import span, traces
from tests.server.conftest import endpoint_of
from tests.server.process import Serve
from tests.server.test_command import get

WAYS = ("http-protobuf", "http-json", "grpc")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="locks and limits as POSIX has them")


def is_to_come_again(reply: Reply) -> bool:
    """Whether a client would send the same once more, in a second."""
    return not reply.ok and reply.may_retry and reply.retry_after_s == 1.0 and reply.code in ("503", "UNAVAILABLE")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process of somebody's has the store for itself."""
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


def test_a_store_that_stays_locked_is_said_to_be_down(server: Serve) -> None:
    """Refused while somebody holds the lock, with when to come again; taken, once, when they are gone."""
    sent = {way: span() for way in WAYS}

    def export(way: str) -> Reply:
        return endpoint_of(server, way).export("traces", traces(sent[way]))

    with ThreadPoolExecutor() as pool:
        with locked(server.store):
            assert [is_to_come_again(reply) for reply in pool.map(export, WAYS)] == [True] * 3
            assert get(server, "/healthz")[0] == 503
        assert [reply.ok for reply in pool.map(export, WAYS)] == [True] * 3
    stored = sorted(each.span_id for each in server.interactions())
    assert stored == sorted(each.span_id.hex() for each in sent.values())
    assert get(server, "/healthz")[0] == 200


def test_a_short_lock_is_waited_for(server: Serve) -> None:
    """Another process that writes now and then is no outage."""
    code = f"import sqlite3, time; c = sqlite3.connect({str(server.store)!r}, isolation_level=None)\n"
    code += "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(0.5); c.execute('COMMIT')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert endpoint_of(server).export("traces", traces(span())).ok


def test_a_full_disk_is_said_and_costs_nothing_that_was_confirmed(path: Path, way: str) -> None:
    """What does not fit is refused, to come again; what was confirmed before is there, and goes on being."""
    with Serve(path) as server:
        endpoint, first = endpoint_of(server, way), span()
        assert endpoint.export("traces", traces(first)).ok
        room = path.with_name("store.db-wal").stat().st_size + 100_000
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        noise = "".join(chr(0x4E00 + i * 7 % 20_000) for i in range(200_000))
        refused = span(text=noise)
        assert is_to_come_again(endpoint.export("traces", traces(refused)))
        assert [each.span_id for each in server.interactions()] == [first.span_id.hex()]
        infinity = resource.RLIM_INFINITY
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (infinity, infinity))
        assert endpoint.export("traces", traces(refused)).ok
        assert len(server.interactions()) == 2


def test_a_store_that_was_moved_away_is_begun_anew(server: Serve) -> None:
    """What was written into the file that nobody can find any more would be lost."""
    endpoint, sent = endpoint_of(server), span()
    assert endpoint.export("traces", traces(span())).ok
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        server.store.with_name(name).rename(server.store.with_name(f"old-{name}"))
    assert endpoint.export("traces", traces(sent)).ok
    assert [each.span_id for each in server.interactions()] == [sent.span_id.hex()]


def test_too_much_at_once_is_told_to_come_again(path: Path) -> None:
    """While the store does not take anything, the room fills up; then new requests are refused before they are read."""
    with Serve(path, environ={"RLHF_OTEL_SERVER_WAITING_BYTES": "100000"}) as server:
        large = endpoint_of(server).encode(traces(span(text="x" * 90_000)))
        with locked(path), socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n")
            waiting.sendall(b"Content-Length: %d\r\n\r\n" % len(large) + large)
            time.sleep(0.3)
            for way in WAYS:
                reply = endpoint_of(server, way).export("traces", traces(span(text="y" * 20_000)))
                assert (is_to_come_again(reply), reply.message) == (
                    True,
                    "too much is waiting to be written; come again",
                )
            assert waiting.recv(12) == b"HTTP/1.1 503"
        for way in WAYS:
            assert endpoint_of(server, way).export("traces", traces(span(text="z" * 200_000))).ok, "alone it may"
