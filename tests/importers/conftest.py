"""The command that imports, in front of an empty store, and exports of the five products that say the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from rlhf_otel.store import Store

EXPORTS = Path(__file__).parent / "exports"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No setting of the machine, and nothing written outside."""
    for name in tuple(os.environ):
        if name.startswith(("OTEL_", "RLHF_OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run():
    """Runs `rlhf-otel` with words, in this process."""
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


@pytest.fixture
def taken(run, tmp_path):
    """Imports rows (each a dictionary, or raw text for a whole file) and returns what the store has then."""

    def imported(rows, *options, name="export.jsonl", code=0):
        text = rows if isinstance(rows, str) else "".join(f"{json.dumps(row)}\n" for row in rows)
        (tmp_path / name).write_text(text, encoding="utf-8")
        result = run("import", tmp_path / name, "--store", tmp_path / "calls.db", *options)
        assert result.exit_code == code, result.output
        with Store.open(tmp_path / "calls.db") as store:
            return list(store.interactions(newest_first=False)), list(store.all_feedback())

    return imported
