"""Real conversations with real answers, votes and ratings go through, and come back as they were."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_data.convert import FOLDER, conversations

EACH = int(os.environ.get("RLHF_OTEL_TEST_CONVERSATIONS", "60"))
pytestmark = pytest.mark.real_data


def test_real_conversations_are_found_again_byte_for_byte(tmp_path: Path) -> None:
    """The demo replays conversations of three data sets through both SDKs and finds every word of them in the store."""
    made = conversations(FOLDER, EACH)
    assert len(made) == 3 * EACH
    file = tmp_path / "conversations.jsonl"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")
    command = [sys.executable, "-m", "rlhf_otel.cli.main", "demo", "--data", str(file)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = re.findall(r"^  (\w+) +(\d+) of (\d+) found again exactly$", ended.stdout, flags=re.MULTILINE)
    found = {what: (int(right), int(total)) for what, right, total in lines}
    answers = sum(len(row.get("responses") or [row["response"]]) for row in made)
    assert found == {
        "prompts": (answers, answers),
        "answers": (answers, answers),
        "feedback": (total := sum(len(row["feedback"]) for row in made), total),
        "preferences": (pairs := sum(len(row.get("preferences", ())) for row in made), pairs),
    }
