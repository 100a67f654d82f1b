"""What went wrong with a store, in words that name the file and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class StoreError(Exception):
    """The store cannot do what was asked. The message names the file and the remedy."""


class OutdatedError(StoreError):
    """An older version wrote it, and nobody has brought it up to date."""


class DamagedError(ValueError):
    """Something that was stored cannot be made sense of any more."""


# What SQLite says -> what it means here and what helps. The text is asked because error codes came with Python 3.11.
_MEANINGS: tuple[tuple[str, str], ...] = (
    ("locked", "another process held the store locked for longer than {timeout:g} s; stop it or try again later"),
    ("busy", "another process held the store locked for longer than {timeout:g} s; stop it or try again later"),
    ("readonly", "the store cannot be written; check the owner and the permissions of the file and its folder"),
    ("read-only", "the store cannot be written; check the owner and the permissions of the file and its folder"),
    ("not a database", "the file is no SQLite database, or a damaged one; move it away or name another store"),
    ("damaged body", "the store is damaged; move it away or restore a copy of it"),
    ("malformed", "the store is damaged; move it away (sqlite3's .recover may save what is in it) or restore a copy"),
    ("is full", "the disk is full; free some space, nothing of the refused batch was written"),
    ("disk i/o", "the disk refused to read or write; it is full, over a quota or failing; free some space"),
    ("unable to open", "the file cannot be opened; check that its folder exists and that you may read and write there"),
    ("no such table", "the store lacks a table; open it for writing once, so that it is brought up to date"),
)


def explain(error: sqlite3.Error | DamagedError, path: str, timeout_s: float) -> StoreError:
    """The `StoreError` that says what `error` means for the store at `path`; raise it from `error`."""
    said = str(error)
    for sign, meaning in _MEANINGS:
        if sign in said.lower():
            return StoreError(f"{path}: {meaning.format(timeout=timeout_s)} ({said})")
    return StoreError(f"{path}: {said}")
