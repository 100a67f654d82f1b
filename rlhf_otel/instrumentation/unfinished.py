"""Streams that have not ended yet, so that the end of the process can end them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from rlhf_otel import hooks
from rlhf_otel.instrumentation import collected

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call

open_streams: weakref.WeakSet[Call] = weakref.WeakSet()


def end_open_streams() -> None:
    """Ends what is still open, at the end of the process."""
    collected.end_all()
    for call in _all():
        call.finish("abandoned")


def _all() -> list[Call]:
    """What is open now, while other threads may still begin streams."""
    while True:
        try:
            return list(open_streams)
        except RuntimeError:  # the set has grown meanwhile
            continue


def _leave_to_the_parent() -> None:
    open_streams.clear()


hooks.after_fork(_leave_to_the_parent)
