"""The server is killed again and again while clients write; a journal that the clients keep is the judge.

RLHF_OTEL_TEST_KILLS says how often; 20 by default.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from http.client import HTTPException
from pathlib import Path

import pytest

from rlhf_otel.store.inbox import read_in_at
from tests.conformance.endpoint import ENDPOINTS, Reply, Target
from tests.conformance.messages import logs, span, traces
from tests.server.process import Serve

KILLS = int(os.environ.get("RLHF_OTEL_TEST_KILLS", "20"))
CLIENTS = (("http-protobuf", 1), ("http-protobuf", 60), ("http-json", 5), ("grpc", 1), ("grpc", 40))
"""Each client's way, and how many spans it sends at once."""


class Journal:
    """What was acknowledged, on the disk before anybody else learns of it.

    Args:
        path: its file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        self._lock = threading.Lock()

    def write(self, ids: list[str]) -> None:
        """Appends ids, and waits for the disk."""
        with self._lock:
            os.write(self._file, "".join(f"{each}\n" for each in ids).encode())
            os.fsync(self._file)

    def ids(self) -> list[str]:
        """All that was written."""
        os.close(self._file)
        return self._path.read_text().split()


class Client(threading.Thread):
    """Sends spans, each with a vote on it, and sends them again until they are acknowledged.

    Args:
        target: whom to.
        way: how.
        size: spans at once.
        journal: learns what was acknowledged.
        over: ends it, once what is on the way has arrived.
    """

    def __init__(self, target: Target, way: str, size: int, journal: Journal, over: threading.Event) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.retries = 0
        self._endpoint = ENDPOINTS[way](target)
        self._size = size
        self._journal = journal
        self._over = over

    def run(self) -> None:
        """Batch after batch."""
        while not self._over.is_set():
            spans = [span(text="x" * 500) for _ in range(self._size)]
            votes = logs(1, spans[0].trace_id, spans[0].span_id)
            vote = votes.resource_logs[0].scope_logs[0].log_records[0].attributes[-1].value.string_value
            self._deliver("traces", traces(*spans), [each.span_id.hex() for each in spans])
            self._deliver("logs", votes, [vote])

    def _deliver(self, signal_name, request, ids: list[str]) -> None:
        self.sent += ids
        while not (reply := self._tried(signal_name, request)) or not reply.ok:
            assert reply is None or reply.may_retry, reply
            self.retries += 1
            time.sleep(0.02)
        assert reply.rejected == 0
        self._journal.write(ids)

    def _tried(self, signal_name, request) -> Reply | None:
        """The answer; None where the connection broke."""
        try:
            return self._endpoint.export(signal_name, request)
        except (OSError, HTTPException):
            return None


@pytest.mark.timeout(3600)
def test_nothing_that_was_acknowledged_is_lost_and_nothing_is_stored_twice(tmp_path: Path, capsys) -> None:
    """Killed at random moments under load: all that was sent is there exactly once after the clients' retries."""
    chance = random.Random()
    store, journal, over = tmp_path / "store.db", Journal(tmp_path / "journal"), threading.Event()
    server = Serve(store)
    target = Target(server.url, server.grpc, 64 << 20)
    ports = server.port, server.grpc_port
    clients = [Client(target, way, size, journal, over) for way, size in CLIENTS]
    for client in clients:
        client.start()
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.0, 0.4))
            server.stop(signal.SIGKILL)
            server = Serve(store, port=ports[0], grpc_port=ports[1])
    finally:
        over.set()
        for client in clients:
            client.join()
    assert server.stop()[0] == 0
    assert read_in_at(str(store), 3000) == 0
    acknowledged, sent = journal.ids(), [each for client in clients for each in client.sent]
    stored = Counter(ids_in(store))
    with capsys.disabled():
        retries = sum(client.retries for client in clients)
        print(f"\n{KILLS} kills, {len(acknowledged)} acknowledged, {retries} retries")
    assert sorted(sent) == sorted(acknowledged)
    assert [each for each in acknowledged if not stored[each]] == []
    assert [each for each, times in stored.items() if times > 1] == []
    assert len(stored) == len(sent)


def ids_in(path: Path) -> list[str]:
    """The span ids and feedback ids in the file, once for each row, past all code that may hide a double."""
    with sqlite3.connect(path) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        spans = [row[0].hex() for row in reader.execute("SELECT span_id FROM interaction")]
        return spans + [row[0] for row in reader.execute("SELECT id FROM feedback")]
