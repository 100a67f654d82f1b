"""A call is the same interaction, whichever way it went into a store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import os
from dataclasses import fields
from rlhf_otel.testing import FakeLLM
from tests.store.recorded.record import SCRIPT, KeepingCollector, anthropic_calls, openai_calls
import rlhf_otel as rlhf
from rlhf_otel.store import Store
from rlhf_otel.store.inbox import decoded_bytes

with FakeLLM() as llm, KeepingCollector() as collector:
    os.environ |= collector.environment() | {"RLHF_OTEL_STORE": "store.db"}
    rlhf.instrument()
    llm.script(*SCRIPT)
    with rlhf.context(session="c", user="u", message="m", variant="B", consent="train", page=1, tags=["a"]):
        openai_calls(llm)
        anthropic_calls(llm)
    assert rlhf.flush(20)
    with Store.open("store.db") as local, Store.open(":memory:") as remote:
        remote.add_decoded(*(decoded_bytes(signal, raw) for signal, raw in collector.requests if signal == "traces"))
        ours, theirs = list(local.interactions()), list(remote.interactions())
    for one, other in zip(ours, theirs, strict=True):
        for field in fields(one):
            if field.name != "resource":
                told = repr(getattr(one, field.name)), repr(getattr(other, field.name))
                assert told[0] == told[1], (one.name, field.name, told)
        assert {key: tuple(v) if isinstance(v, list) else v for key, v in other.resource.items()} == one.resource
    print(len(ours))
"""


def test_what_goes_over_the_wire_is_what_stays_at_home(tmp_path: Path) -> None:
    """Every field of calls to two providers: with a stream, tools, an error and embeddings among them."""
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert (ended.stdout, ended.returncode) == ("8\n", 0), ended.stderr
