"""Implicit signals: what a person's behaviour says of an answer, and how good that is by default.

The scores are a starting point; the raw signal is always kept, so that better ones can be fitted later.
"""

from __future__ import annotations

SCORES: dict[str, float | None] = {
    "regenerate": 0.2,
    "edit": 0.3,
    "copy": 0.8,
    "continue": 0.7,
    "accept": 0.9,
    "reject": 0.1,
    "abandon": 0.3,
    "dwell": None,
}
