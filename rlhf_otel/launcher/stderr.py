"""What there is to say on stderr, never on stdout, which is the application's."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    """One line on stderr, where there is one (a windowed Python has none)."""
    if sys.stderr is not None:
        sys.stderr.write(f"rlhf-otel: {message}\n")
        sys.stderr.flush()
