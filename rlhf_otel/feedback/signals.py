"""Implicit signals: what a person's behaviour says of an answer, and how good that is.

The scores are a starting point; the raw signal is always kept, so that better ones can be fitted later.
"""

from __future__ import annotations

from collections.abc import Mapping

from rlhf_otel import hooks
from rlhf_otel.setting_values import SIGNALS

SCORES: dict[str, float | None] = dict(
    zip(SIGNALS, (0.2, 0.3, 0.8, 0.7, 0.9, 0.1, 0.3, None), strict=True)  # in the order of the names
)
"""What holds where the setting `signal_scores` says nothing."""


def score_of(signal: str) -> float | None:
    """How good `signal` is, from 0 to 1; None where it has no score."""
    chosen: Mapping[str, float | None] = (hooks.settings.signal_scores if hooks.settings is not None else None) or {}
    return chosen.get(signal, SCORES[signal])


def are_taken() -> bool:
    """Whether signals are recorded at all."""
    return hooks.settings is None or bool(hooks.settings.signals)
