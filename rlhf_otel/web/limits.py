"""How often somebody may write: fixed windows of a minute, in bounded memory."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from rlhf_otel import hooks

WINDOW_S = 60.0
REMEMBERED = 20_000
"""How many writers are remembered; the one that has been quiet for longest is forgotten first."""


class Rates:
    """Counts writes by whoever writes. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()
        self._renew_lock()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def wait(self, who: Hashable, most: int, writes: int = 1) -> int:
        """Counts `writes` by `who`; seconds to wait before the next try where that is too many, 0 where it is not.

        What is refused is not counted: whoever waits as told gets in.
        """
        now = self._clock()
        with self._lock:
            began, count = self._windows.get(who, (now, 0))
            if now - began >= WINDOW_S:
                began, count = now, 0
            if count + writes > most:
                return max(1, math.ceil(began + WINDOW_S - now))
            self._windows[who] = began, count + writes
            self._windows.move_to_end(who)
            if len(self._windows) > REMEMBERED:
                self._windows.popitem(last=False)
        return 0
