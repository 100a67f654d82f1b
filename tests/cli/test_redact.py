"""`rlhf-otel redact`: what would be taken out of a file."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli


@pytest.fixture
def redact(tmp_path, monkeypatch):
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RLHF_OTEL_REDACT_FILE", raising=False)

    def run(*words, given=None):
        return CliRunner().invoke(cli, ["redact", *words], input=given)

    return run


def test_finds_are_shown_with_what_stands_around_them(redact, tmp_path):
    """By line, as the placeholder unless asked to show them; the exit code tells a job that there is something."""
    (tmp_path / "x.jsonl").write_text('{"prompt": "nothing"}\n{"prompt": "mail a@b.org", "password": "hunter2"}\n')
    result = redact("--check", "x.jsonl")
    assert result.exit_code == 1
    assert 'line 2: {"prompt": "mail [REDACTED:email]", "password": ' in result.stdout
    assert "hunter2" not in result.output
    assert "1 email" in result.stderr
    assert "line 2, password: " in redact("x.jsonl", "--show").stdout
    assert "hunter2" in redact("x.jsonl", "--show").stdout


def test_what_was_cut_off_around_a_find_is_marked(redact):
    """So that nobody takes a text that is only not shown for one that would be taken out."""
    shown = redact("-", given="b" * 30 + "c a@b.org " + "d" * 40).stdout
    assert shown == "line 1: …" + "b" * 28 + "c [REDACTED:email] " + "d" * 29 + "…\n"
    (found,) = json.loads(redact("-", "--json", given="b" * 30 + "c a@b.org").stdout)["found"]
    assert (found["before"], found["behind"]) == ("b" * 28 + "c ", "")


def test_a_clean_text_is_said_to_be_clean(redact):
    """From stdin, with 0."""
    result = redact("-", given="a bright cold day in April")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing would be taken out" in result.stderr


def test_programs_get_json(redact):
    """Counts by rule, and each find by line."""
    result = redact("-", "--json", given="x\nmail a@b.org")
    told = json.loads(result.stdout)
    assert told["counts"] == {"email": 1}
    assert told["found"] == [{"rule": "email", "line": 2, "before": "mail ", "behind": ""}]


def test_rules_of_ones_own_are_tried(redact, tmp_path):
    """Those of the named file, and a broken one is refused with its line."""
    (tmp_path / "rules.toml").write_text("[rules]\nticket = 'T-\\d+'\n")
    assert "[REDACTED:ticket]" in redact("-", "--rules", "rules.toml", given="see T-17").stdout
    (tmp_path / "rules.toml").write_text("[rules]\nticket = 'T-(\\d+'\n")
    result = redact("-", "--rules", "rules.toml", given="see T-17")
    assert result.exit_code == 2
    assert "rules.toml, line 2: 'ticket' is no regular expression" in result.stderr


def test_every_rule_is_listed(redact, tmp_path):
    """By group; those that are switched off are not."""
    assert {"openai-key", "iban"} <= set(redact("--list").stdout.split())
    (tmp_path / "rules.toml").write_text("disable = ['iban']\n[rules]\nticket = 'T-\\d+'\n")
    listed = redact("--list", "--json", "--rules", "rules.toml").stdout
    assert {"name": "ticket", "group": "own"} in json.loads(listed)
    assert "iban" not in listed


def test_a_file_that_is_not_there_is_2(redact):
    """With click's own words."""
    assert redact("none.txt").exit_code == 2
