"""Records with made-up ids, and an open store."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

Make = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a store may be."""
    return tmp_path / "store.db"


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, path: Path) -> Iterator[Store]:
    """An open store, on disk and in memory."""
    with Store.open(":memory:" if request.param == "memory" else path) as opened:
        yield opened


@pytest.fixture
def call() -> Make:
    """Makes the interaction number `n`; it begins at `n` seconds."""
    plain = Interaction(
        trace_id="", span_id="", start_ns=0, end_ns=0, name="chat m-1", operation="chat", provider="openai",
        request_model="m-1", response_model="m-1-2026",
        input=[{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        output=[{"role": "assistant", "parts": [{"type": "text", "content": "hello"}], "finish_reason": "stop"}],
        finish_reasons=("stop",), resource={"service.name": "shop"},
    )  # fmt: skip

    def make(n: int, **fields: Any) -> Interaction:
        start = n * 10**9
        ids = {"trace_id": f"{n + 1:032x}", "span_id": f"{n + 1:016x}", "start_ns": start, "end_ns": start + 5 * 10**8}
        return dataclasses.replace(plain, **{**ids, **fields})

    return make


@pytest.fixture
def vote() -> Make:
    """Makes a thumb with a new id, a second after the one before."""
    made: list[Feedback] = []

    def make(target: Interaction | None = None, value: Any = True, **fields: Any) -> Feedback:
        n = len(made) + 1
        ids = {"trace_id": target.trace_id, "span_id": target.span_id} if target else {}
        plain = {"id": f"f{n}", "name": "user_feedback", "kind": "binary", "time_ns": 10**12 + n * 10**9}
        made.append(Feedback(**{**plain, "value": value, **ids, **fields}))
        return made[-1]

    return make
