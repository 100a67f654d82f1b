"""What redaction costs: microseconds of CPU time for each 4 KB of text, clean and with secrets, and on hostile input.

python benchmarks/redact.py
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rlhf_otel.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = 4096
PROSE = (
    "The task-based approach works well with scikit-learn: a risk-averse planner asks for the disk-backed index first. "
    "Use the @property decorator, then call user@host over ssh. Bearers of bad news are rarely thanked, he said.\n"
)
SECRETS = PROSE + "My key is sk-proj-" + "aB3" * 16 + " and you reach me at jane.doe@example.com, thanks.\n"
HOSTILE = {
    "one long word": "a" * SIZE,
    "many at signs": "a@" * (SIZE // 2),
    "dots before an at": "a." * (SIZE // 2) + "@",
    "many key heads": "-----BEGIN PRIVATE KEY-----" * (SIZE // 27),
    "many sk-": "sk-" * (SIZE // 3),
    "many eyJ": "eyJ" * (SIZE // 3),
    "many bearers": "Bearer " * (SIZE // 7),
}


def filled(text: str) -> str:
    """`text`, repeated to 4 KB."""
    return (text * (SIZE // len(text) + 1))[:SIZE]


def microseconds(work: Callable[[], object]) -> float:
    """The best of five rounds."""
    rounds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(200):
            work()
        rounds.append((time.process_time() - began) / 200 * 1e6)
    return min(rounds)


def main() -> None:
    """Measures and prints the table."""
    redactor = Redactor()
    texts = {
        "plain prose, no sign of a secret": filled("It was a bright cold day, and the clocks were striking. "),
        "prose with near misses": filled(PROSE),
        "a key and an address in every 300 characters": filled(SECRETS),
        **{f"hostile: {name}": text for name, text in HOSTILE.items()},
    }
    for name, text in texts.items():
        print(f"{name:48} {microseconds(lambda text=text: redactor.text(text)):8.1f} us / 4 KB")


if __name__ == "__main__":
    main()
