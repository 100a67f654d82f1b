"""What this process has recorded so far, in sums: what `rlhf.stats()` works its rates and averages out from."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from rlhf_otel import hooks
from rlhf_otel.records import Feedback

SESSIONS = 1000
"""How many sessions are told apart, the newest."""
_RATED = 20_000
_NO_VOTE = ("signal", "retraction")


class Totals:
    """Sums over the interactions and the feedback of this process. Safe to share between threads."""

    def __init__(self) -> None:
        self._renew_lock()
        self.forget()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()  # a finalizer may end a call inside it, on the same thread

    def forget(self) -> None:
        """Everything as at the start."""
        with self._lock:
            self._interactions = self._errors = self._votes_here = 0
            self._seconds = 0.0
            self._sessions: OrderedDict[str, dict[str, int]] = OrderedDict()
            self._calls: OrderedDict[str, str | None] = OrderedDict()  # the newest calls not rated yet, with session

    def call(self, span_id: str, session: str | None, seconds: float, *, failed: bool) -> None:
        """Takes notice of a finished call, whether it was sampled or not."""
        with self._lock:
            self._interactions += 1
            self._errors += failed
            self._seconds += seconds
            self._calls[span_id] = session
            if len(self._calls) > _RATED:
                self._calls.popitem(last=False)
            if session is not None:
                figures = self._session(session)
                figures["interactions"] += 1
                figures["errors"] += failed

    def feedback(self, feedback: Feedback) -> None:
        """Takes notice of what somebody has said; a call that is rated twice is one rated call."""
        if feedback.kind in _NO_VOTE or feedback.span_id not in self._calls:
            return
        with self._lock:
            session = self._calls.pop(feedback.span_id, None)
            self._votes_here += 1
            if session is not None:
                self._session(session)["rated"] += 1

    def shown(self) -> dict[str, Any]:
        """Rates and averages; None where there is nothing to divide by."""
        with self._lock:
            n = self._interactions
            return {
                "feedback_rate": self._votes_here / n if n else None,
                "error_rate": self._errors / n if n else None,
                "average_duration_s": self._seconds / n if n else None,
                "sessions": {name: dict(figures) for name, figures in self._sessions.items()},
            }

    def _session(self, name: str) -> dict[str, int]:
        figures = self._sessions.setdefault(name, {"interactions": 0, "errors": 0, "rated": 0})
        self._sessions.move_to_end(name)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return figures


process = Totals()
