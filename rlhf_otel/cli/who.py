"""Who runs a command, for the audit log."""

from __future__ import annotations

import getpass


def operator() -> str:
    """`cli:` and the system's name for the user."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        return "cli:unknown"
