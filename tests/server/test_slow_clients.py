"""Clients that are slow, rude or broken: they cost a connection for a while, and nobody else anything."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from tests.conformance.endpoint import HttpProtobuf, Target
from tests.conformance.messages import span, traces
from tests.server.conftest import endpoint_of
from tests.server.process import Serve

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """A server that waits for less than a second."""
    path = tmp_path_factory.mktemp("slow") / "store.db"
    with Serve(path, environ={"RLHF_OTEL_SERVER_PATIENCE": "0.6"}) as running:
        yield running


def answer(server: Serve, *pieces: bytes) -> bytes:
    """All that comes back for these bytes until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.settimeout(10)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def test_a_client_that_says_nothing_is_hung_up_on(impatient: Serve) -> None:
    """It gets no answer, as it asked for none."""
    assert answer(impatient) == b""


def test_a_head_that_does_not_end_is_hung_up_on(impatient: Serve) -> None:
    """However much of it has come."""
    assert answer(impatient, HEAD) == b""


def test_a_body_that_does_not_come_is_hung_up_on(impatient: Serve) -> None:
    """408, so that a client that can still read knows why; nothing is stored."""
    body = traces(span()).SerializeToString()
    start = HEAD + b"Content-Length: %d\r\n\r\n" % (len(body) + 1)
    assert answer(impatient, start + body).startswith(b"HTTP/1.1 408 ")
    assert impatient.interactions() == []


def test_a_head_without_an_end_fills_no_memory(impatient: Serve) -> None:
    """431, whether it is one long line or many."""
    assert answer(impatient, HEAD, b"X-Long: " + b"x" * 70_000).startswith(b"HTTP/1.1 431 ")
    assert answer(impatient, HEAD, b"X-Many: x\r\n" * 7_000).startswith(b"HTTP/1.1 431 ")


def test_slow_clients_hold_up_nobody(server: Serve) -> None:
    """With two hundred of them half through their bodies, others are served at once."""
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    for each in slow:
        each.sendall(HEAD + b"Content-Length: 1000\r\n\r\n...")
    for way in ("http-protobuf", "grpc"):
        assert endpoint_of(server, way).export("traces", traces(span())).ok
    for each in slow:
        each.close()


def test_a_bomb_costs_no_more_memory_than_the_limit(path: Path) -> None:
    """Far more than the limit in a small body is given up at the limit, by every compression and way."""
    bomb = bytes(128 << 20)
    packed = {"gzip": gzip.compress(bomb, 1), "deflate": zlib.compress(bomb, 1), "zstd": zstandard.compress(bomb)}
    with Serve(path, environ={"RLHF_OTEL_SERVER_MAX_BYTES": str(4 << 20)}) as server:
        endpoint = endpoint_of(server)
        assert endpoint.export("traces", traces(span()), "zstd").ok
        before = server.most_bytes()
        for compression, body in packed.items():
            headers = {"content-type": "application/x-protobuf", "content-encoding": compression}
            assert endpoint.request("POST", "/v1/traces", body, headers).code == "413"
        assert endpoint_of(server, "grpc").send("traces", bomb, "gzip").code == "RESOURCE_EXHAUSTED"
        assert server.most_bytes() - before < 32 << 20


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: Serve) -> None:
    """By its length alone; a client that waits for a word to go on saves the way."""
    start = HEAD + b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 70000000\r\n\r\n"
    assert answer(server, start).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_reads_no_answers_is_served_until_its_buffers_are_full(server: Serve) -> None:
    """And then waits by itself: others do not."""
    connection = socket.create_connection(("127.0.0.1", server.port))
    body = traces().SerializeToString()
    connection.settimeout(0.2)
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    try:
        for _ in range(200):
            connection.sendall(request * 10)
    except TimeoutError:
        pass
    assert HttpProtobuf(Target(server.url, server.grpc, 1)).export("traces", traces(span())).ok
    connection.close()
