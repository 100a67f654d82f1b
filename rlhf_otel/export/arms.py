"""Model and variant of the newest calls, for the metrics of the feedback on them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from rlhf_otel import hooks

if TYPE_CHECKING:
    from rlhf_otel.records import Interaction

_MOST = 10_000
Arm = tuple[str | None, str | None]


class Arms:
    """What is remembered. Safe to share between threads."""

    def __init__(self) -> None:
        self._arms: OrderedDict[str, Arm] = OrderedDict()
        self._renew_lock()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()  # a finalizer may run inside it, on the same thread

    def remember(self, interaction: Interaction) -> None:
        """Takes notice of a finished call."""
        with self._lock:
            self._arms[interaction.span_id] = (interaction.request_model, interaction.variant)
            if len(self._arms) > _MOST:
                self._arms.popitem(last=False)  # a plain dictionary looks for its first key ever longer

    def of(self, span_id: str) -> Arm:
        """Model and variant of a call; None for each that is not known."""
        return self._arms.get(span_id, (None, None))
