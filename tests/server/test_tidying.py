"""What is old is let go of while the server runs."""

from __future__ import annotations

import time
from pathlib import Path

from rlhf_otel.records import Interaction
from rlhf_otel.store import Store
from tests.conformance.messages import span, traces
from tests.server.conftest import endpoint_of
from tests.server.process import Serve


def old(number: int) -> Interaction:
    """A call of a year ago."""
    start = time.time_ns() - 365 * 86_400 * 10**9
    return Interaction(trace_id="ab" * 16, span_id=f"{number:016x}", start_ns=start, end_ns=start, operation="chat")


def until(server: Serve, count: int) -> None:
    """Waits until the store holds so many calls."""
    give_up = time.monotonic() + 20
    while len(server.interactions()) != count:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_what_is_older_than_the_setting_says_goes(path: Path) -> None:
    """And what has just come stays, and goes on coming."""
    with Store.open(path) as store:
        store.add([old(1), old(2)])
    with Serve(path, environ={"RLHF_OTEL_RETENTION_AGE": "30d", "RLHF_OTEL_LOG_LEVEL": "info"}) as server:
        assert endpoint_of(server).export("traces", traces(span())).ok
        until(server, 1)
        assert "removed what was old: 2 interactions" in server.stop()[1]


def test_without_a_setting_nothing_goes(path: Path) -> None:
    """For ever is the default."""
    with Store.open(path) as store:
        store.add([old(1)])
    with Serve(path) as server:
        assert endpoint_of(server).export("traces", traces(span())).ok
        assert server.stop() == (0, "")
        assert len(server.interactions()) == 2
