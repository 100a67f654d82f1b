"""Brings a store to the present schema: forward only, each step once, whoever of several processes comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlhf_otel.store.errors import StoreError
from rlhf_otel.store.sql import migrations, query, statements

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 1919709044
"""Marks the file as ours ("rlot"); written by the first migration."""


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Applies what is missing, in one transaction.

    Raises:
        StoreError: the file is not ours, or was written by a newer version.
    """
    if not missing(connection, path):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for name in missing(connection, path):  # asked again: another process may have been faster
            for statement in statements(migrations()[name]):
                connection.execute(statement)
            connection.execute(query("migration_add"), (name,))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def missing(connection: sqlite3.Connection, path: str) -> list[str]:
    """The names of the migrations that the store still lacks, oldest first.

    Raises:
        StoreError: the file is not ours, or was written by a newer version.
    """
    applied = _applied(connection, path)
    if unknown := sorted(applied - set(migrations())):
        raise StoreError(
            f"{path}: written by a newer version of rlhf-otel ({unknown[-1]}); upgrade rlhf-otel to read it"
        )
    return [name for name in migrations() if name not in applied]


def _applied(connection: sqlite3.Connection, path: str) -> set[str]:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id == APPLICATION_ID:
        return {name for (name,) in connection.execute(query("migration_names"))}
    (tables,) = connection.execute(query("table_count")).fetchone()
    if application_id or tables:
        raise StoreError(f"{path}: a database of another program; name another file for the store")
    return set()
