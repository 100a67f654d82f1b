"""How feedback becomes votes on pairs of answers: one small file for each rule."""

from __future__ import annotations

from rlhf_otel.datasets.rules import preference, ranking, ratings, regenerate

__all__ = ["preference", "ranking", "ratings", "regenerate"]
