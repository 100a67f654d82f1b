"""The SQL in files, the migrations, and the parts of the format that must never change."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import re
import sqlite3
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.encoding import deflate, encode, inflate, text_hash
from rlhf_otel.store.messages import MAX_CHAIN
from rlhf_otel.store.migrate import APPLICATION_ID
from rlhf_otel.store.sql import migrations, query, statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM = resources.files("rlhf_otel.store")
QUERIES = {file.name.removesuffix(".sql") for file in (ROOM / "queries").iterdir() if file.name.endswith(".sql")}
SOURCES = [file for file in ROOM.iterdir() if file.name.endswith(".py")]


def names_in_code() -> Iterator[str]:
    """What is handed to `query` anywhere in the room, as a pattern: a part that is filled in may be any word."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "query":
                name = node.args[0]
                if not isinstance(name, ast.Name):
                    yield pattern_of(name.values if isinstance(name, ast.JoinedStr) else [name])


def pattern_of(parts: list[ast.expr]) -> str:
    """The pattern of a name that is put together of these."""
    any_word = r"[a-z_]+"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else any_word for part in parts)


def words_in_code() -> set[str]:
    """Every text in the code of the room: a name may be handed on before it comes to `query`."""
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in SOURCES]
    return {
        str(node.value) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value
    }


def test_every_query_in_code_has_its_file_and_every_file_its_use() -> None:
    """A name misspelled and a query forgotten both show here."""
    patterns = set(names_in_code())
    used = {name for name in QUERIES if any(re.fullmatch(pattern, name) for pattern in patterns)}
    assert used | (QUERIES & words_in_code()) == QUERIES
    assert all(any(re.fullmatch(pattern, name) for name in QUERIES) for pattern in patterns)


def test_there_is_no_sql_outside_the_files() -> None:
    """What the store asks is read in one place; only pragmas and transactions are in code."""
    words = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE)\b")
    assert [source.name for source in SOURCES if words.search(source.read_text(encoding="utf-8"))] == []


def test_a_condition_that_was_not_given_is_not_in_the_statement() -> None:
    """The lines marked with other conditions go; unmarked ones stay."""
    text = query("interaction_match", "span_id")
    assert ":span_id" in text
    assert ":session" not in text
    assert "LIMIT 1" in text


@pytest.mark.parametrize(
    ("name", "given", "index"),
    [
        ("interaction_match", ("span_id",), "interaction_span"),
        ("interaction_match", ("response_id",), "interaction_response"),
        ("interaction_match", ("message_id",), "interaction_message"),
        ("interaction_match", ("session",), "interaction_session"),
        ("interactions_present", (), "interaction_span"),
        ("interaction_of_key", ("response",), "interaction_response"),
        ("interaction_of_key", ("session",), "interaction_session"),
        ("interaction_page", ("from_all", "any_setting", "newest_first", "before_last"), "interaction_start"),
        ("interaction_page", ("from_all", "any_setting", "newest_first", "trace_id"), "interaction_trace"),
        ("interaction_page", ("from_all", "any_setting", "oldest_first", "session"), "interaction_session"),
        ("interaction_page", ("from_all", "newest_first", "before_last", "by_setting", "model"), "interaction_start"),
        ("interaction_page", ("from_rated", "any_setting", "newest_first", "before_last"), "PRIMARY KEY (rowid=?)"),
        ("interaction_page", ("from_rated", "any_setting", "newest_first"), "interaction_span"),
        ("interaction_page", ("from_rated", "any_setting", "newest_first"), "interaction_response"),
        ("interaction_page", ("from_rated", "any_setting", "newest_first"), "interaction_message"),
        ("interaction_page", ("from_rated", "any_setting", "newest_first"), "interaction_session"),
        ("feedback_retracting", (), "feedback_retracts"),
        ("messages_present", (), "message_hash"),
        ("span_of_trace", (), "span_identity"),
    ],
)
def test_look_ups_use_their_index(path: Path, name: str, given: tuple[str, ...], index: str) -> None:
    """No look-up walks a table: SQLite says which index it searches."""
    Store.open(path).close()
    text = query(name, *given)
    values: Any = dict.fromkeys(re.findall(r":(\w+)", text), "x") or ("x",) * text.count("?")
    connection = sqlite3.connect(path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    connection.close()
    assert any(step.startswith("SEARCH") and index in step for step in plan), plan


@pytest.mark.parametrize("index", ["span", "response", "message", "session"])
def test_what_is_pending_is_looked_up_by_index(path: Path, index: str) -> None:
    """By whichever id a feedback names its interaction."""
    Store.open(path).close()
    connection = sqlite3.connect(path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query('feedback_pending')}", {"limit": 1})]
    connection.close()
    assert any(step.startswith("SEARCH i ") and f"interaction_{index} " in step for step in plan), plan


def test_the_file_is_marked_as_ours_and_as_write_ahead(path: Path) -> None:
    """Other programs can tell what it is, and a commit is on the disk when it returns."""
    with Store.open(path) as store, store._writing() as connection:
        pragmas = (
            "application_id",
            "journal_mode",
            "synchronous",
            "secure_delete",
            "wal_autocheckpoint",
            "busy_timeout",
        )
        held = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas}
    assert held == {
        "application_id": APPLICATION_ID, "journal_mode": "wal", "synchronous": 2, "secure_delete": 1,
        "wal_autocheckpoint": 4000, "busy_timeout": 5000,
    }  # fmt: skip


def test_each_migration_is_applied_once_and_its_name_kept(path: Path) -> None:
    """Opening again changes nothing."""
    for _ in range(2):
        with Store.open(path) as store, store._reading() as connection:
            applied = [row["name"] for row in connection.execute(query("migration_names"))]
            assert applied == list(migrations())


def test_every_migration_has_a_number_of_its_own() -> None:
    """Forward only, in one order."""
    numbers = [name[:5] for name in migrations()]
    assert all(re.fullmatch(r"\d{4}_", number) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, call: Any
) -> None:
    """All of it or nothing, and the next version can try again."""
    with Store.open(path) as store:
        store.add([call(1)])
    steps = {**migrations(), "0099_bad": "CREATE TABLE more (id INTEGER);\nCREATE TABLE more (id INTEGER);\n"}
    monkeypatch.setattr("rlhf_otel.store.migrate.migrations", lambda: steps)
    with pytest.raises(StoreError, match="already exists"):
        Store.open(path)
    monkeypatch.undo()
    with Store.open(path) as store:
        assert store.interaction(call(1).span_id) == call(1)


def test_to_open_a_store_writes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So it waits for nobody, not even for whoever is in the middle of writing."""
    monkeypatch.setattr("rlhf_otel.store.connection.BUSY_TIMEOUT_S", 0.05)
    Store.open(path).close()
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with Store.open(path) as store:
        assert store.counts()["interactions"] == 0
    writer.close()


def written_by_the_first_version(path: Path) -> None:
    """A store as the first migration alone leaves it."""
    first = next(iter(migrations()))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for statement in statements(migrations()[first]):
            connection.execute(statement)
        connection.execute("INSERT INTO migration (name) VALUES (?)", (first,))
        connection.commit()


def test_a_store_of_an_older_version_can_be_read(path: Path) -> None:
    """It is brought up to date on the way, by whoever comes first."""
    written_by_the_first_version(path)
    with Store.open(path, read_only=True) as store:
        assert list(store.interactions()) == []
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM migration")}
    assert names == set(migrations())


def test_a_store_of_a_newer_version_is_left_alone(path: Path) -> None:
    """An older program says that it is older, and does not touch the file."""
    Store.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migration (name) VALUES ('9999_from_the_future')")
    connection.commit()
    connection.close()
    for read_only in (False, True):
        with pytest.raises(StoreError, match=r"newer version.*upgrade") as raised:
            Store.open(path, read_only=read_only)
        assert str(path) in str(raised.value)


def test_a_semicolon_in_a_comment_or_trigger_does_not_split_a_statement() -> None:
    """Migrations may hold what SQL allows."""
    table = "CREATE TABLE a (b TEXT DEFAULT ';');\n-- one; two\n"
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\nEND;\n"
    assert len(list(statements(table + trigger))) == 2


def test_the_dictionary_never_changes() -> None:
    """Every message of every store was deflated with it; a better one needs a form of its own."""
    raw = (ROOM / "dictionary_1.txt").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == "7aa40c257abc084be5b8fb5c3b12a067c911696e56b9952ff4370e672469ada0"


def test_the_hash_of_an_id_never_changes() -> None:
    """Every store finds its sessions and responses by it."""
    held = [text_hash(text) for text in ("", "s-1", "19:meeting@thread.v2", "é")]
    assert held == [309448485, -317251984, 237675037, -1790622526]


def test_a_damaged_body_is_said_to_be_damaged() -> None:
    """Neither garbage nor a silent loss."""
    body = deflate(encode({"text": "something that can be deflated, deflated, deflated"}))
    with pytest.raises(ValueError, match="unknown form"):
        inflate(b"\x09" + body[1:])
    with pytest.raises(ValueError, match="damaged"):
        inflate(body[:1] + b"\xff\xff" + body[3:])


def test_no_message_needs_a_long_chain_to_be_read(store: Store, call: Any) -> None:
    """In a chat of a thousand messages each one is still read with a few others."""
    chat = [{"role": "user", "parts": [{"type": "text", "content": f"message number {n} " * 5}]} for n in range(1000)]
    store.add([call(1, input=chat)])
    assert store.interaction(call(1).span_id) == call(1, input=chat)
    with store._reading() as connection:
        bases = dict(tuple(row) for row in connection.execute("SELECT id, base FROM message"))
    lengths: dict[int | None, int] = {None: 0}
    for message in sorted(bases):
        lengths[message] = lengths[bases[message]] + 1
    assert max(lengths.values()) == MAX_CHAIN
