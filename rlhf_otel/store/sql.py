"""The SQL of the store, which lives in files: one statement each in `queries/`, numbered steps in `migrations/`."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONDITION = re.compile(r"-- if (\w+)\s*$")


@lru_cache(maxsize=512)
def query(name: str, *given: str) -> str:
    """The text of `queries/<name>.sql`, without the lines that end in `-- if X` for an X that is not `given`.

    So a filter that was not asked for is not in the statement, and SQLite can choose its index.
    """
    text = (resources.files("rlhf_otel.store") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
    lines = text.splitlines()
    return "\n".join(line for line in lines if not (found := _CONDITION.search(line)) or found[1] in given)


def migrations() -> dict[str, str]:
    """Name -> text of every migration that this version knows, in the order in which they apply."""
    folder = resources.files("rlhf_otel.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in files}


def statements(text: str) -> Iterator[str]:
    """The single statements of `text`; `executescript` would commit the transaction that a migration runs in."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def at_most(limit: int | None) -> int:
    """`limit` as SQLite takes it."""
    return -1 if limit is None else limit


CHUNK = 64
"""How many values a query whose name ends in `_present` takes."""


def in_chunks(connection: sqlite3.Connection, text: str, values: list[Any]) -> Iterator[Any]:
    """The rows that the query `text` finds for `values`, however many these are."""
    for at in range(0, len(values), CHUNK):
        chunk = values[at : at + CHUNK]
        yield from connection.execute(text, chunk + [None] * (CHUNK - len(chunk)))
