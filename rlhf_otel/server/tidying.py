"""Lets go of what is old, every now and then, on a thread and a connection of its own: nobody waits for it."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from rlhf_otel.store import Store, StoreError

EVERY_S = 300.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store may keep.

    Attributes:
        age_s: for how many seconds; None for ever.
        max_bytes: how much; None for anything.
    """

    age_s: float | None = None
    max_bytes: int | None = None

    def __bool__(self) -> bool:
        return self.age_s is not None or self.max_bytes is not None


def begin(path: str, retention: Retention) -> threading.Event:
    """Tidies the store at `path` up now and every few minutes, until the result is set."""
    stop = threading.Event()

    def run() -> None:
        while retention and not stop.is_set():
            _tidy(path, retention)
            stop.wait(EVERY_S)

    threading.Thread(target=run, name="rlhf-otel-tidying", daemon=True).start()
    return stop


def _tidy(path: str, retention: Retention) -> None:
    try:
        with Store.open(path) as store:
            removed = store.retain(max_age_s=retention.age_s, max_bytes=retention.max_bytes)
    except StoreError as error:
        _log.warning("what is old could not be removed: %s", error)
        return
    if any(removed):
        told = ", ".join(f"{count} {kind}" for kind, count in removed._asdict().items() if count)
        _log.info("removed what was old: %s", told)
