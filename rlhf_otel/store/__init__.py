"""Where interactions and feedback are kept when no backend is configured: an embedded store, in one file.

`Store.open(path)` is all there is to it. Feedback is joined with what it is about when it is read, never before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.store.errors import StoreError
    from rlhf_otel.store.sqlite import Store

__all__ = ["Store", "StoreError"]


def __getattr__(name: str) -> Any:
    """Loads the store when it is first asked for: applications whose calls go elsewhere never do."""
    if name == "Store":
        from rlhf_otel.store.sqlite import Store

        return Store
    if name == "StoreError":
        from rlhf_otel.store.errors import StoreError

        return StoreError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
