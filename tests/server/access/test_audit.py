"""Who has seen what is noted before they see it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from rlhf_otel.cli.main import cli
from tests.server.access.visiting import CALL, READ, ask, audited, bearer, filled, logged_in
from tests.server.process import Serve

QUIET = ("/api/stats", "/api/openapi.json")
"""What has nothing in it of a call."""


@pytest.mark.parametrize("path", [path for path in READ if path not in QUIET])
def test_every_read_of_calls_is_noted(tmp_path: Path, path: str) -> None:
    """By whom, where, and which calls or feedback; never what is in them."""
    store = tmp_path / "store.db"
    tokens = filled(store)
    with Serve(store) as server:
        assert ask(server.url, path, headers=bearer(tokens["reader"])).status == 200
    (found,) = audited(store, "read")
    place = f"/{path.split('/')[1]}" if "api" not in path else "/".join(path.split("/")[:3])
    ids = {"feedback": ["f-1"]} if path == "/api/feedback" else {"calls": [CALL.span_id]}
    assert found == ("the reader", "read", {"page": place, **ids})
    assert "canary-7141" not in json.dumps(audited(store))


def test_what_cannot_be_noted_is_not_shown(tmp_path: Path) -> None:
    """503 while another process holds the store; what needs no note is shown."""
    store = tmp_path / "store.db"
    tokens = filled(store)
    with Serve(store) as server:
        holder = sqlite3.connect(store, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        refused = ask(server.url, "/", headers=bearer(tokens["reader"]))
        shown = ask(server.url, "/api/stats", headers=bearer(tokens["reader"]))
        holder.execute("COMMIT")
        holder.close()
        assert (refused.status, refused.headers["retry-after"], b"canary-7141" in refused.body) == (503, "1", False)
        assert shown.status == 200
        assert ask(server.url, "/", headers=bearer(tokens["reader"])).status == 200


def test_the_commands_tell_what_was_noted(tmp_path: Path) -> None:
    """Logins, tokens made and taken back, and reads; as a table and as JSON, some of it or all."""
    store = tmp_path / "store.db"
    where = ["--store", str(store)]
    run = CliRunner().invoke
    made = run(cli, ["token", "create", "--role", "reader", "--name", "[red]ada[/]", "--ttl", "1d", *where])
    with Serve(store) as server:
        session = logged_in(server.url, made.stdout.strip())
        ask(server.url, "/", headers=session)
    assert run(cli, ["token", "revoke", "[red]ada[/]", *where]).exit_code == 0
    entries = json.loads(run(cli, ["store", "audit", "--json", *where]).stdout)
    assert [(entry["action"], entry["who"].partition(":")[0]) for entry in entries] == [
        ("token", "cli"), ("read", "[red]ada[/]"), ("login", "[red]ada[/]"), ("token", "cli"),
    ]  # fmt: skip
    assert entries[-1]["what"] == {"created": "[red]ada[/]", "role": "reader", "ttl_s": 86400.0}
    table = run(cli, ["store", "audit", "--action", "login", "--since", "1h", *where]).stdout
    assert "[red]ada[/]" in table and "revoked" not in table
    assert run(cli, ["store", "audit", "--since", "yesterday", *where]).exit_code == 2
