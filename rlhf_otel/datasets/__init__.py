"""Training data from calls and what people thought of the answers.

from rlhf_otel.datasets import Recipe, make_dataset, read_store

with Store.open(".rlhf-otel/store.db", read_only=True) as store:
    outcome = make_dataset(rated(store), Recipe(format="dpo"), Path("my-pairs"))
"""

from __future__ import annotations

from rlhf_otel.datasets.gates.finding import Finding
from rlhf_otel.datasets.making import GateError, Outcome, make_dataset
from rlhf_otel.datasets.recipe import Recipe, RecipeError
from rlhf_otel.datasets.writing import WriteError

__all__ = ["Finding", "GateError", "Outcome", "Recipe", "RecipeError", "WriteError", "make_dataset"]
