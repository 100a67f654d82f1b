"""A server for each test that wants one, and what clients send it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.endpoint import ENDPOINTS, Endpoint, Target
from tests.server.process import Serve


def endpoint_of(server: Serve, name: str = "http-protobuf") -> Endpoint:
    """A way to speak to a server."""
    return ENDPOINTS[name](Target(server.url, server.grpc, 64 << 20))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store will be."""
    return tmp_path / "store.db"


@pytest.fixture
def server(path: Path) -> Iterator[Serve]:
    """A server with nothing in its store."""
    with Serve(path) as running:
        yield running


@pytest.fixture(params=["http-protobuf", "http-json", "grpc"])
def way(request: pytest.FixtureRequest) -> str:
    """Each way to speak OTLP."""
    return str(request.param)
