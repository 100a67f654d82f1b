"""What the suite is pointed at: `rlhf-otel serve`, started here, or any other receiver of OTLP.

To point it elsewhere, set
    RLHF_OTEL_CONFORMANCE_HTTP       http://127.0.0.1:4318
    RLHF_OTEL_CONFORMANCE_GRPC       127.0.0.1:4317
    RLHF_OTEL_CONFORMANCE_MAX_BYTES  its limit for a body
    RLHF_OTEL_CONFORMANCE_DEVIATIONS the name of a list in `deviations.py`, where it is known to differ
A test that stands in the list and passes all the same fails: the list says what is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.deviations import DEVIATIONS
from tests.conformance.endpoint import ENDPOINTS, Endpoint, Target
from tests.server.process import Serve

MAX_BYTES = 1 << 20
"""A small limit, so that what is over it is quickly sent."""
_ENV = "RLHF_OTEL_CONFORMANCE_"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects the failures that are known of the target."""
    known = DEVIATIONS[os.environ.get(f"{_ENV}DEVIATIONS", "ours")]
    for item in items:
        for name, reason in known.items():
            if "/conformance/" in str(item.path) and (item.name == name or item.name.startswith(f"{name}[")):
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The receiver under test."""
    if url := os.environ.get(f"{_ENV}HTTP"):
        limit = int(os.environ.get(f"{_ENV}MAX_BYTES", "67108864"))
        yield Target(url, os.environ[f"{_ENV}GRPC"], limit)
        return
    store = tmp_path_factory.mktemp("conformance") / "store.db"
    with Serve(store, environ={"RLHF_OTEL_SERVER_MAX_BYTES": str(MAX_BYTES)}) as server:
        yield Target(server.url, server.grpc, MAX_BYTES, lambda wanted: stored(store, wanted))


def stored(path: Path, wanted: set[str]) -> list[str]:
    """Which of the wanted span ids are in the store, once for each time."""
    from rlhf_otel.store import Store
    from rlhf_otel.store.inbox import read_in_at

    assert read_in_at(str(path), 20) == 0
    with Store.open(path, read_only=True) as store:
        return sorted(each.span_id for each in store.interactions() if each.span_id in wanted)


@pytest.fixture(params=list(ENDPOINTS))
def endpoint(request: pytest.FixtureRequest, target: Target) -> Endpoint:
    """Each of the three ways to speak to it."""
    return ENDPOINTS[request.param](target)


@pytest.fixture(params=[name for name in ENDPOINTS if name != "grpc"])
def over_http(request: pytest.FixtureRequest, target: Target) -> Endpoint:
    """The two ways over HTTP."""
    return ENDPOINTS[request.param](target)
