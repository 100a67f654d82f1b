"""What redaction costs, what it finds, and what it takes for a secret that is none.

Microseconds of CPU time for each 4 KB of text, clean, with secrets and hostile; keys found of those that are made from
their makers' descriptions; finds in real conversations, of a folder beside the checkout where there is one.

python benchmarks/redact.py
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic_core  # noqa: F401 - what an SDK brings along

from rlhf_otel.redact import DEFAULT_RULES, Redactor
from rlhf_otel.redact.rule import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
SEEDS = 200
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
    "a word of every rule": " ".join(word for rule in DEFAULT_RULES for word in rule.keywords) * 3,
    "many api_key=": "api_key=" * (SIZE // 8),
    "many digits": "4111 " * (SIZE // 5),
    "many passwords": '{"password":"' * (SIZE // 13),
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


def recall() -> tuple[int, int]:
    """How many keys were found, of how many."""
    sys.path.insert(0, str(ROOT))
    from tests.redact.keys import KEYS, NAMED, Maker

    redactor = Redactor()
    texts = [("my key: {}, keep it", name, build) for name, build in KEYS]
    texts += [(around, name, build) for name, around, build in NAMED]
    found = [
        f"[REDACTED:{name}]" in clean and key[-len(key) // 2 :] not in clean
        for around, name, build in texts
        for seed in range(SEEDS)
        for key in [build(Maker(seed))]
        for clean in [redactor.text(around.format(key))]
    ]
    return sum(found), len(found)


def finds() -> tuple[Counter[str], int]:
    """What is found in real conversations, by rule, and in how many different texts."""
    redactor = Redactor()
    texts: set[str] = set()
    for file in sorted(DATA.glob("*.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts.update(text for line in lines for text in texts_in(json.loads(line)))
    found = (match[1] for text in texts for match in PLACEHOLDER.finditer(redactor.text(text)))
    return Counter(found), len(texts)


def texts_in(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from texts_in(item)


def main() -> None:
    """Measures and prints."""
    redactor = Redactor()
    texts = {
        "plain prose, no sign of a secret": filled("It was a bright cold day, and the clocks were striking. "),
        "prose with near misses": filled(PROSE),
        "a key and an address in every 300 characters": filled(SECRETS),
        **{f"hostile: {name}": filled(text) for name, text in HOSTILE.items()},
    }
    for name, text in texts.items():
        print(f"{name:48} {microseconds(lambda text=text: redactor.text(text)):8.1f} us / 4 KB")
    found, made = recall()
    print(f"keys found, by {len(DEFAULT_RULES)} rules: {found} of {made}")
    if DATA.is_dir():
        by_rule, texts = finds()
        print(
            f"found in {texts} texts of real conversations: {dict(by_rule)}; docs/redaction.md says what is true of it"
        )


if __name__ == "__main__":
    main()
