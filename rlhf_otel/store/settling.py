"""Deflates later what was stored in a hurry, so that nobody has to wait for what takes most of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlhf_otel.store.encoding import deflate, inflate
from rlhf_otel.store.messages import Chains
from rlhf_otel.store.sql import query

if TYPE_CHECKING:
    import sqlite3

Bodies = list[tuple[int, bytes]]
"""Deflated messages by their ids."""


def deflated(connection: sqlite3.Connection, limit: int) -> Bodies:
    """The next `limit` messages that wait to be deflated, within a read transaction."""
    chains = Chains(connection)
    rows = connection.execute(query("fresh_message_first"), (limit,)).fetchall()
    return [(number, deflate(inflate(body), b"" if base is None else chains.text(base))) for number, base, body in rows]


def put(connection: sqlite3.Connection, bodies: Bodies) -> None:
    """Puts the messages in their place, within a write transaction; what has gone meanwhile stays away."""
    connection.executemany(query("fresh_message_move"), bodies)
    connection.executemany(query("fresh_message_drop"), bodies)
