"""One server for all tests of a file that only ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server.access.visiting import filled
from tests.server.process import Serve


class Place(NamedTuple):
    """A running server, its store, and a token of each role."""

    server: Serve
    path: Path
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        """Where it is."""
        return self.server.url


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with a call in its store."""
    path = tmp_path_factory.mktemp("access") / "store.db"
    tokens = filled(path)
    with Serve(path) as running:
        yield Place(running, path, tokens)
