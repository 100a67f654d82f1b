"""Cells of tables that spreadsheets open: text in them stays text, and comes back as it was."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"


def guarded(text: str) -> str:
    """`text` as a spreadsheet is shown it: what it would run as a formula has a mark in front, as has what has one."""
    return _MARK + text if text.startswith((*_FORMULA, _MARK)) else text


def unguarded(cell: str) -> str:
    """The text that `guarded` was given."""
    return cell[1:] if cell.startswith(_MARK) else cell
