"""What there is to say on stderr, never on stdout, which is the application's."""

from __future__ import annotations

import logging
import sys

from rlhf_otel.hooks import logger


def say(message: str) -> None:
    """One line on stderr, where there is one (a windowed Python has none)."""
    if sys.stderr is not None:
        sys.stderr.write(f"rlhf-otel: {message}\n")
        sys.stderr.flush()


def show_log(level: str | None) -> None:
    """Prints our own log from `level` on; without one, warnings come out as those of any library do.

    A library's log is silent until the application asks for it. Under the launcher nobody could ask, so a warning
    reaches the application's own handlers, or stderr where it has none.
    """
    for handler in tuple(logger.handlers):
        if isinstance(handler, logging.NullHandler):
            logger.removeHandler(handler)
    if level is not None and not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("rlhf-otel: %(levelname)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(level.upper())
        logger.propagate = False
