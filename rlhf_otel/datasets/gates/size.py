"""Whether there are enough rows to learn or to conclude anything from; few rows warn and never stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rlhf_otel.datasets.gates.finding import PASSED, WARNED, Finding, rows
from rlhf_otel.datasets.recipe import Recipe

ENOUGH: Final[Mapping[str, int]] = {"sft": 50, "openai-chat": 10, "openai-dpo": 10}
USUALLY_ENOUGH: Final = 200


def size_finding(recipe: Recipe, sizes: Mapping[str, int]) -> Finding:
    """Compares the number of rows with what training needs at least."""
    count, enough = sizes.get("train", 0), ENOUGH.get(recipe.format, USUALLY_ENOUGH)
    facts = {"rows": count, "enough": enough}
    if count >= enough:
        return Finding("size", PASSED, f"{rows(count)} to train on", facts)
    return Finding(
        "size", WARNED, f"{rows(count)} to train on; from about {enough} on there is something to learn", facts
    )
