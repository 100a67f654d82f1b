"""Processes that an application makes by itself: forks, and children of multiprocessing by each start method."""

from __future__ import annotations

import os
import sys

import pytest

from rlhf_otel.testing import FakeCollector

from .conftest import NEVER, PATIENCE, arrived, pairs, stored

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
AT_EXIT = {"OTEL_BSP_SCHEDULE_DELAY": NEVER}
WAYS = [
    pytest.param("fork", False, id="fork by hand"),
    pytest.param("spawn", True, id="spawn launched"),
    pytest.param("forkserver", False, id="forkserver by hand"),
    pytest.param("fork", True, id="fork launched", marks=pytest.mark.slow),
    pytest.param("spawn", False, id="spawn by hand", marks=pytest.mark.slow),
    pytest.param("forkserver", True, id="forkserver launched", marks=pytest.mark.slow),
]
CHILDREN = ["process", "executor", "pool"]
CRASHES = sys.version_info[:3] == (3, 13, 0)


@posix
@pytest.mark.skipif(CRASHES, reason="3.13.0 itself crashes where a stream is open at its end, without us, too")
@pytest.mark.parametrize("to", ["http/protobuf", "grpc", "store"])
def test_a_fork_with_an_open_stream_and_a_queued_span(to, start, tmp_path):
    """What was open or queued is the parent's to finish, what the child asks is the child's; nothing twice."""
    with FakeCollector(grpc=True) as backend:
        variables = {} if to == "store" else backend.environment(to)
        program = start(sys.executable, "-m", "forked", **AT_EXIT, **variables)
        assert program.process.wait(PATIENCE) == 0, program.said
        seen = stored(tmp_path / ".rlhf-otel" / "store.db") if to == "store" else arrived(backend)
    assert seen == pairs("queued", "stream open at the fork", "child plain", "child stream", "parent"), program.said
    assert program.said.count("rlhf-otel: ") == 1, program.said


@pytest.mark.parametrize(("method", "launched"), WAYS)
def test_children_of_multiprocessing(method, launched, start, backend):
    """Each call of a child arrives when the child ends, though it switched recording on by itself and late."""
    if method != "spawn" and not hasattr(os, "fork"):
        pytest.skip("needs fork")
    program = start(sys.executable, "-m", "pool", method, launched=launched, **AT_EXIT, **backend.environment())
    assert program.process.wait(PATIENCE) == 0, program.said
    assert arrived(backend) == pairs(*CHILDREN), program.said
