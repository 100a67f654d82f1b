"""A person put several answers in an order: each is better than all that come after it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from rlhf_otel.datasets.rules.pairing import Numbered, vote
from rlhf_otel.datasets.votes import Vote
from rlhf_otel.records import Feedback

RULE = "ranking"


def sides(feedback: Feedback) -> list[tuple[str, str]]:
    """The pairs of span ids that a ranking is about, the better one first."""
    return list(combinations(feedback.ranking, 2))


def votes(feedback: Feedback, better: Numbered, worse: Numbered) -> Iterator[Vote]:
    """What a ranking says of two of its answers. How far apart they stand is no margin: nobody said so."""
    yield vote(better, worse, RULE, [feedback], margin=feedback.margin)
