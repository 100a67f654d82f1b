"""Several answers to one prompt were rated: the one with the better score is the better one.

Only scores of the same name are compared. A person who rated both has a vote; where nobody did, the means of all who
rated one or the other make a single vote.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final

from rlhf_otel.datasets.rules.pairing import Numbered, rater_of, vote
from rlhf_otel.datasets.votes import Vote
from rlhf_otel.records import Feedback

RATED: Final = ("binary", "rating", "score")
DIFFERENT: Final = 1e-9
"""Scores that are nearer than this are the same."""
Scores = Mapping[str, Mapping[str, Feedback]]  # by name, then by rater
_Judged = tuple[Numbered, list[Feedback]]


def scores_of(opinions: Sequence[Feedback], rule: str) -> Scores:
    """What was said of one answer that the rule compares."""
    scores: dict[str, dict[str, Feedback]] = defaultdict(dict)
    for feedback in opinions:
        fits = feedback.kind == "signal" and feedback.signal != "regenerate"
        if feedback.score is None or feedback.step is not None or feedback.correction:
            continue
        if fits if rule == "signals" else feedback.kind in RATED:
            scores[feedback.name if rule == "ratings" else "signals"][rater_of(feedback)] = feedback
    return scores


def votes(group: Sequence[Numbered], rule: str = "ratings") -> Iterator[Vote]:
    """What the ratings of the answers to one prompt say of each two of them."""
    rated = [(numbered, scores) for numbered in group if (scores := scores_of(numbered[1].opinions, rule))]
    for (one, ones), (other, others) in combinations(rated, 2):
        for name in sorted(ones.keys() & others.keys()):
            yield from _compared(one, other, ones[name], others[name], rule)


def _compared(
    one: Numbered, other: Numbered, ones: Mapping[str, Feedback], others: Mapping[str, Feedback], rule: str
) -> Iterator[Vote]:
    both = sorted(ones.keys() & others.keys())
    for rater in both:
        yield _by_scores((one, [ones[rater]]), (other, [others[rater]]), rule, rater)
    if not both:
        rater = "+".join(sorted({*ones, *others}))
        yield _by_scores((one, list(ones.values())), (other, list(others.values())), rule, rater)


def _by_scores(one: _Judged, other: _Judged, rule: str, rater: str) -> Vote:
    difference = _mean(one[1]) - _mean(other[1])
    better, worse = (one[0], other[0]) if difference >= 0 else (other[0], one[0])
    tie = abs(difference) < DIFFERENT
    margin = None if tie else abs(difference)
    return vote(better, worse, rule, [*one[1], *other[1]], margin=margin, tie=tie, rater=rater)


def _mean(given: Sequence[Feedback]) -> float:
    return sum(feedback.score or 0.0 for feedback in given) / len(given)
