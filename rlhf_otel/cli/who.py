"""Who runs a command, and the audit log that is to know it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any


def operator() -> str:
    """`cli:` and the system's name for the user."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError, ImportError):  # a container whose user has no name
        return "cli:unknown"


def note_export(path: str, what: Mapping[str, Any]) -> None:
    """Has the store at `path` remember who took what out of it, also where it was opened for reading alone.

    Raises:
        StoreError: it was not noted.
    """
    from rlhf_otel.store import Store

    with Store.open(path) as opened:
        opened.audit("export", what, who=operator())
