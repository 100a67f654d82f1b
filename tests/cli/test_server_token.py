"""`rlhf-otel token create | login | list | revoke`, and that `rlhf-otel token` is what it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rlhf_otel.cli.main import cli
from rlhf_otel.store import Store


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `rlhf-otel token` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["token", *words])

    return run


def test_a_token_is_told_once(run, tmp_path: Path) -> None:
    """And is nowhere afterwards: its name, role and hash are."""
    made = run("create", "--role", "reader", "--name", "ada").stdout.strip()
    assert re.fullmatch(r"rls_[\w-]{43}", made)
    assert made not in run("list").stdout + run("list", "--json").stdout
    assert made.encode() not in (tmp_path / ".rlhf-otel" / "store.db").read_bytes()
    (shown,) = json.loads(run("list", "--json").stdout)
    assert (shown["name"], shown["kind"], shown["role"], shown["expires"], shown["holds"]) == (
        "ada", "token", "reader", None, True)  # fmt: skip


def test_without_a_name_it_gets_one(run) -> None:
    """The role and a number that is free."""
    names = [json.loads(run("create", "--role", "ingest", "--json").stdout)["name"] for _ in range(2)]
    assert names == ["ingest-1", "ingest-2"]


def test_what_cannot_be_is_refused(run) -> None:
    """A role that there is not, a time that is none, a name that is taken, a name that is not there."""
    assert run("create", "--role", "owner").exit_code == 2
    assert run("create").exit_code == 2
    assert run("create", "--role", "reader", "--ttl", "soon").exit_code == 2
    assert run("create", "--role", "reader", "--name", "ada").exit_code == 0
    taken = run("create", "--role", "admin", "--name", "ada")
    assert (taken.exit_code, "a token named ada already; revoke it first" in taken.output) == (1, True)
    assert run("revoke", "bob").exit_code == 1
    assert run("login", "--role", "ingest").exit_code == 2


def test_the_first_token_of_ingest_says_what_it_closes(run) -> None:
    """Applications that send without a token are refused from then on; the second one changes nothing."""
    first, second = (run("create", "--role", "ingest") for _ in range(2))
    assert "from now on `rlhf-otel serve` takes calls of nobody without a token" in first.stderr
    assert re.fullmatch(r"rls_[\w-]{43}\n", first.stdout)
    assert second.stderr == run("create", "--role", "reader").stderr == ""


def test_what_was_not_revoked_is_not_noted(run, tmp_path: Path) -> None:
    """The audit log has what was done, not what somebody mistyped."""
    run("create", "--role", "reader", "--name", "ada")
    run("revoke", "adda")
    run("revoke", "ada")
    with Store.open(tmp_path / ".rlhf-otel" / "store.db", read_only=True) as store:
        assert [entry.what["revoked"] for entry in store.audited() if "revoked" in entry.what] == ["ada"]


def test_a_token_that_is_over_is_listed_as_such(run) -> None:
    """So that somebody sees why it does not work."""
    run("create", "--role", "reader", "--name", "ada", "--ttl", "0.001s")
    assert "(over)" in run("list").stdout
    assert run("revoke", "ada").stdout == "ada: revoked\n"
    assert "no tokens" in run("list").stderr


def test_looking_for_tokens_makes_no_store(run, tmp_path: Path) -> None:
    """In the wrong folder the list says that there is no store, and leaves none there."""
    listed = run("list")
    assert (listed.exit_code, "there is no store at .rlhf-otel/store.db" in listed.stderr) == (1, True)
    assert not (tmp_path / ".rlhf-otel").exists()


def test_a_login_leads_to_the_server(run, tmp_path: Path) -> None:
    """At the address that is told, with the role that is told."""
    made = run("login", "--role", "annotator", "--name", "ada", "--url", "https://calls.example/").stdout.strip()
    assert re.fullmatch(r"https://calls\.example/login\?code=[\w-]{43}", made)
    with Store.open(tmp_path / ".rlhf-otel" / "store.db", read_only=True) as store:
        assert [(one.kind, one.name, one.role) for one in store.credentials()] == [("login", "ada", "annotator")]


def test_the_short_form_is_still_there(run) -> None:
    """A span id, and every option of before, with no word of the group in front."""
    made = run("00f067aa0ba902b7", "--rater", "u1").stdout.strip()
    assert made.startswith("rlt_")
    assert run("--verify", made).exit_code == 0
    assert run("--ttl", "1h", "00f067aa0ba902b7").exit_code == 0
    assert run("feedback", "00f067aa0ba902b7").stdout.startswith("rlt_")
    assert run("--new-key").exit_code == 0
    assert run().exit_code == 2
    assert "create" in run("--help").output
