"""The chat in the terminal, as a person would use it: typed at, and rated now and then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rlhf_otel.store import Store
from rlhf_otel.testing import FakeLLM

EXAMPLE = Path(__file__).parents[2] / "examples" / "terminal_chat.py"
BIN = Path(sys.executable).parent


def test_a_chat_in_which_every_second_answer_is_asked_about(tmp_path):
    """The rating joins the answer that was asked about, in the session of the chat; Enter skips the next one."""
    typed = ["one", "two", "4", "clear", "three", "four", "", ""]
    with FakeLLM() as provider:
        run = subprocess.run(
            [BIN / "rlhf-otel-instrument", sys.executable, str(EXAMPLE)],
            check=False, input="\n".join(typed) + "\n", capture_output=True, text=True, cwd=tmp_path,
            timeout=60,
            env={**os.environ, "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{provider.url}/v1",
                 "RLHF_OTEL_ASK_EVERY": "2", "RLHF_OTEL_STORE": "calls.db", "RLHF_OTEL_DETECT_SIGNALS": "false"},
        )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("model: ") == 4
    assert run.stdout.count("Thank you.") == 1
    assert run.stderr.count("How good was that") == 2
    with Store.open(tmp_path / "calls.db", read_only=True) as store:
        calls = list(store.interactions())[::-1]
        votes = store.feedback_on(calls)
    assert len({call.session for call in calls}) == 1
    assert calls[0].session
    assert [call.input[-1]["parts"][0]["content"] for call in calls] == ["one", "two", "three", "four"]
    assert {span: [(v.value, v.comment) for v in found] for span, found in votes.items() if found} == {
        calls[1].span_id: [(4, "clear")]
    }
