"""Training data from calls and what people thought of the answers.

`make_dataset(records, Recipe(format="dpo"), Path("pairs"))` is the whole way; `records` are calls in the order of their
start, each with the feedback that counts on it.
"""

from __future__ import annotations

from rlhf_otel.datasets.gates.finding import Finding
from rlhf_otel.datasets.making import EmptyError, GateError, Outcome, make_dataset
from rlhf_otel.datasets.recipe import Recipe, RecipeError
from rlhf_otel.datasets.weights import weight
from rlhf_otel.datasets.writing import WriteError

__all__ = ["EmptyError", "Finding", "GateError", "Outcome", "Recipe", "RecipeError", "WriteError", "make_dataset",
           "weight"]  # fmt: skip
