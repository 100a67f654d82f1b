"""Where interactions and feedback are kept when no backend is configured: an embedded store, in one file.

`Store.open(path)` is all there is to it. Feedback is joined with what it is about when it is read, never before.
"""

from __future__ import annotations

from rlhf_otel.store.errors import StoreError
from rlhf_otel.store.sqlite import Store

__all__ = ["Store", "StoreError"]
