"""What waits to be approved is erased, and shown to the person whom it is about."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

import rlhf_otel as rlhf
from rlhf_otel.cli.main import cli


def test_what_waits_is_erased(reviewing, say, written) -> None:
    """A call and the feedback on it, which names nobody; without a store, and without a byte left."""
    reviewing()
    say("annCanary asks", comment="annCanary thinks", user="ann-4711")
    say("bob asks", comment="bob thinks", user="bob-4711")
    assert rlhf.flush(5)
    assert written("annCanary")
    ended = CliRunner().invoke(cli, ["purge", "--user", "ann-4711", "--yes", "--json"])
    assert (ended.exit_code, json.loads(ended.stdout)["review"]) == (0, 2)
    assert (written("annCanary"), written("ann-4711")) == ([], [])
    assert written("bob asks") == written("bob thinks") != []


def test_what_waits_is_shown(reviewing, say) -> None:
    """Beside what is stored, in a file of its own."""
    rlhf.instrument()
    say("ann has asked", user="ann-4711")
    assert rlhf.flush(5)
    rlhf.shutdown(5)
    reviewing()
    say("ann asks", user="ann-4711")
    assert rlhf.flush(5)
    ended = CliRunner().invoke(cli, ["subject", "--user", "ann-4711", "--out", "mine", "--json"])
    assert json.loads(ended.stdout)["counts"] == {"calls": 1, "waiting": 1}
    assert json.loads(Path("mine/waiting.jsonl").read_text())["prompt_text"] == "ann asks"
