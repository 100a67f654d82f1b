"""What holds for all tests."""

from __future__ import annotations

import os

import pytest

SLOW = "RLHF_OTEL_TEST_SLOW"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves the slow tests out, unless they are asked for."""
    if os.environ.get(SLOW):
        return
    for item in items:
        if item.get_closest_marker("slow") is not None:
            item.add_marker(pytest.mark.skip(reason=f"slow; {SLOW}=1 or `make test-all` runs it"))
