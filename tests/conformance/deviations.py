"""Where a receiver is known to differ from the suite: test name -> what it does instead.

A name stands for all parameters of a test, or for one with them, as in `test_empty[grpc]`.
"""

from __future__ import annotations

from collections.abc import Mapping

DEVIATIONS: Mapping[str, Mapping[str, str]] = {
    "ours": {},
    "collector": {},
}
