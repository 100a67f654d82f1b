"""Requests that are on the disk as they came, and are taken apart when there is time.

To write bytes down takes a thirtieth of the time that it takes to find the calls in them, look up each message and pack
what is new. So a receiver in a rush writes bytes, says yes, and reads them in later, in the same store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from rlhf_otel.store.adding import Decoded
from rlhf_otel.store.errors import StoreError
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    from rlhf_otel.store.sqlite import Store

SignalName = Literal["traces", "logs", "metrics"]

_log = logging.getLogger(__name__)

ROW_BYTES = 1 << 18
"""How much small requests make a row together: what is added in one transaction, while which nobody else can write."""


STEP = 64
"""How many records are added before others may write."""


class Inbox:
    """The inbox of a store.

    Args:
        store: opened for writing, unless only `size` is asked for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, requests: Iterable[tuple[SignalName, bytes]]) -> None:
        """Keeps serialised requests, all or none; on the disk when it returns.

        Raises:
            StoreError: none was kept; the message says why and what helps.
        """
        with self._store._writing() as connection:
            for signal, body in _rows(requests):
                connection.execute(query("inbox_add"), (signal, len(body), body))

    def size(self) -> int:
        """How many bytes wait to be read in."""
        with self._store._reading() as connection:
            (size,) = connection.execute(query("inbox_size")).fetchone()
            return int(size)

    def aside(self) -> int:
        """How many rows could not be added, and are kept for a version that can."""
        with self._store._reading() as connection:
            (count,) = connection.execute(query("inbox_count_aside")).fetchone()
            return int(count)

    def try_again(self) -> None:
        """What was set aside is read in like the rest, once more.

        Raises:
            StoreError: the store cannot be written.
        """
        if self.aside():
            with self._store._writing() as connection:
                connection.execute(query("inbox_try_again"))

    def read_in(self) -> Iterator[int]:
        """Adds what the inbox holds to the store, as if it had just come, the oldest first and until there is nothing.

        Each step takes some ten milliseconds, and others may write between two of them; it yields the bytes of the row
        that was finished with it, 0 where a row is not finished yet. Several processes may do this at the same time.
        What cannot be added is set aside, and stays in the inbox.

        Raises:
            StoreError: the step has changed nothing; the message says why and what helps.
        """
        while (row := self._oldest()) is not None:
            refused_before = self._refused()
            try:
                yield from self._add(decoded_bytes(row["signal"], row["body"]))
                self._finish(query("inbox_remove"), row["seq"])
                if self._refused() > refused_before:
                    self._empty_log()
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not stand in the way of all that came later
                self._finish(query("inbox_set_aside"), row["seq"])
                _log.warning("%d bytes of %s could not be read in (%s); they are kept in the store",
                             len(row["body"]), row["signal"], type(error).__name__)  # fmt: skip
            yield len(row["body"])

    def _refused(self) -> int:
        """How often something has come back that was erased for good."""
        with self._store._reading() as connection:
            (count,) = connection.execute(query("tombstone_refused")).fetchone()
            return int(count)

    def _empty_log(self) -> None:
        """What was refused has lain here as it came, and its bytes are still in the log; nobody is waited for."""
        if self._store._writer is None:
            return
        with self._store._writer.alone() as connection:
            (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {patience}")

    def _oldest(self) -> Any:
        with self._store._reading() as connection:
            return connection.execute(query("inbox_oldest")).fetchone()

    def _add(self, decoded: Decoded) -> Iterator[int]:
        """A few records a step. What was added before a crash is there already, and stays as it is."""
        for part in _parts(decoded):
            self._store.add_decoded(part)
            yield 0

    def _finish(self, statement: str, seq: int) -> None:
        with self._store._writing() as connection:
            connection.execute(statement, (seq,))


def read_in_at(path: str, patience_s: float) -> int:
    """Reads in what lies in the inbox of the store at `path`, as long as there is patience; how many bytes are left.

    Raises:
        StoreError: the store cannot be opened, or not be written.
    """
    from rlhf_otel.store.sqlite import Store

    with Store.open(path, read_only=True) as store:
        if not Inbox(store).size():
            return 0
    give_up = time.monotonic() + patience_s
    with Store.open(path) as store:
        inbox = Inbox(store)
        for _ in inbox.read_in():
            if time.monotonic() > give_up:
                break
        return inbox.size()


def decoded_bytes(signal: SignalName, body: bytes) -> Decoded:
    """What a serialised request holds, in records.

    Raises:
        google.protobuf.message.DecodeError: it is no such request.
    """
    from rlhf_otel.store import otlp

    decode: Any = {"traces": otlp.decode_traces, "logs": otlp.decode_logs, "metrics": otlp.decode_metrics}[signal]
    decoded: Decoded = decode(request_type(signal).FromString(body))
    return decoded


def request_type(signal: SignalName) -> Any:
    """The protobuf class of a request."""
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    types: dict[SignalName, Any] = {
        "traces": ExportTraceServiceRequest,
        "logs": ExportLogsServiceRequest,
        "metrics": ExportMetricsServiceRequest,
    }
    return types[signal]


def _parts(decoded: Decoded) -> Iterator[Decoded]:
    for name in ("interactions", "spans", "feedback", "logs", "points"):
        records = getattr(decoded, name)
        for at in range(0, len(records), STEP):
            yield Decoded(**{name: records[at : at + STEP]})


def _signal_of(request: tuple[SignalName, bytes]) -> SignalName:
    return request[0]


def _rows(requests: Iterable[tuple[SignalName, bytes]]) -> Iterator[tuple[SignalName, bytes]]:
    """Requests one after the other are again a request: small ones share a row."""
    for signal, group in groupby(sorted(requests, key=_signal_of), key=_signal_of):
        pieces: list[bytes] = []
        size = 0
        for _, body in group:
            pieces.append(body)
            size += len(body)
            if size >= ROW_BYTES:
                yield signal, b"".join(pieces)
                pieces, size = [], 0
        if pieces:
            yield signal, b"".join(pieces)
