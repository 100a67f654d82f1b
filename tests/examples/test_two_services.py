"""Two services that baggage joins, as two processes under the launcher."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from rlhf_otel.store import Store
from rlhf_otel.testing import FakeLLM

EXAMPLE = Path(__file__).parents[2] / "examples" / "two_services.py"
BIN = Path(sys.executable).parent


@pytest.fixture
def start(tmp_path):
    """Starts one of the two in the test's folder, and gives its URL."""
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(FakeLLM())

        def starting(*arguments):
            running = subprocess.Popen(
                [BIN / "rlhf-otel-instrument", sys.executable, str(EXAMPLE), *arguments],
                cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{provider.url}/v1"},
            )  # fmt: skip
            stack.callback(running.stdout.close)
            stack.callback(running.wait, 10)
            stack.callback(running.terminate)
            return running.stdout.readline().split(" at ")[1].strip()

        yield starting


def test_a_thumb_at_the_one_finds_the_call_of_the_other(start, tmp_path):
    """The call has the session and user that only the first service knew, and the thumb is on it."""
    front = start("front", "0", start("answers", "0"))
    asked = Request(f"{front}/ask", b"How do I keep basil fresh?", {"x-session": "conv-42", "x-user": "u1"})
    with urlopen(asked, timeout=30) as came:
        token = came.headers["x-rlhf-token"]
        assert came.read()
    voted = Request(f"{front}/v1/feedback", json.dumps({"token": token, "value": True}).encode())
    voted.add_header("content-type", "application/json")
    with urlopen(voted, timeout=30) as taken:
        assert taken.status == 202
    with Store.open(tmp_path / ".rlhf-otel" / "store.db") as store:
        call, votes = joined(store)
    assert (call.session, call.user, call.context) == ("conv-42", "u1", {"channel": "web"})
    assert [vote.value for vote in votes] == [True]


def joined(store):
    """The one call, once its thumb has come."""
    for _ in range(200):
        found = list(store.interactions(has_feedback=True))
        if found:
            return found[0], store.feedback_on(found)[found[0].span_id]
        time.sleep(0.05)
    raise AssertionError("no call has feedback")
