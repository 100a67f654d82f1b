"""What feedback costs: the token, and the verbs on the application's thread, beside the end of one SDK span.

python benchmarks/feedback.py
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rlhf_otel.records import Handle
from rlhf_otel.token import mint, verify

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a secret for this benchmark"
CALL = Handle("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", None, time.time_ns())
TOKEN = mint(CALL, rater="u1", names=["user_feedback"], key=KEY)


def microseconds(work: Callable[[], object], times: int = 2000) -> float:
    """CPU time of one, in the best of seven rounds."""
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - began) / times * 1e6)
    return min(rounds)


def main() -> None:
    """Measures and prints the table."""
    rows: dict[str, Callable[[], object]] = {
        "token: mint": lambda: mint(CALL, rater="u1", names=["user_feedback"], key=KEY),
        "token: verify": lambda: verify(TOKEN, KEY),
    }
    for name, work in rows.items():
        print(f"{name:48} {microseconds(work):8.1f} us")


if __name__ == "__main__":
    main()
