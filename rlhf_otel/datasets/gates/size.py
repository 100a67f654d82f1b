"""Whether there are enough rows to learn or to conclude anything from; few rows warn and never stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rlhf_otel.datasets.gates.finding import PASSED, WARNED, Finding, rows
from rlhf_otel.datasets.recipe import Recipe

ENOUGH: Final[Mapping[str, int]] = {"sft": 50, "openai-chat": 10, "openai-dpo": 10}
USUALLY_ENOUGH: Final = 200


def size_finding(recipe: Recipe, sizes: Mapping[str, int], worth: float | None = None) -> Finding:
    """Compares the number of rows with what training needs at least.

    Args:
        recipe: the format.
        sizes: how many rows each file has.
        worth: how many rows that weigh the same tell as much, where rows have weights.
    """
    count, enough = sizes.get("train", 0), ENOUGH.get(recipe.format, USUALLY_ENOUGH)
    facts = {"rows": count, "enough": enough}
    says = f"{rows(count)} to train on"
    if worth is not None and worth < count - 0.5:
        facts["worth"] = round(worth)
        says += f", weighted, worth {round(worth):,} that weigh the same"
    if count >= enough:
        return Finding("size", PASSED, says, facts)
    return Finding("size", WARNED, f"{says}; from about {enough} on there is something to learn", facts)
