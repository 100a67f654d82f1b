"""Votes on pairs of answers, and what they come to: the stated rules for ties, conflicts and several raters.

One rater has one vote on a pair. Where the same person compared two answers and rated both, the comparison counts. The
winner needs more than `min_agreement` of all votes, ties included, each weighing as much as its rater is reliable.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PRECEDENCE: Final = ("preference", "ranking", "ratings", "regenerate", "signals")
"""Of one rater's votes on a pair those by the first of these rules count."""
LARGEST_WEIGHT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Vote:
    """What one rater thinks of two answers.

    Attributes:
        first: the answer with the smaller number on the shelf.
        second: the other.
        better: 1 where the first is better, -1 where the second is, 0 for a tie.
        rule: which rule read it.
        rater: who; a feedback without a rater stands for somebody of its own.
        margin: how much better, where that was said or follows from ratings.
        feedback: the ids of what it was read from.
        weight: what the vote stands for, beside its rater: the inverse of how likely it was to be asked for.
        shown_first: whether the better answer was shown first; None where unknown.
    """

    first: int
    second: int
    better: int
    rule: str
    rater: str
    margin: float | None
    feedback: tuple[str, ...]
    weight: float = 1.0
    shown_first: bool | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the votes on a pair come to.

    Attributes:
        better: 1, -1, or 0 where no side wins.
        reason: why neither side wins: a tie or a conflict; empty otherwise.
        rule: what was decided by, the strongest of the rules.
        margin: the mean margin of the winning votes, else by how much the winner leads.
        margin_of: stated, scores or agreement.
        agreement: the winner's share of the votes.
        raters: who voted.
        feedback: the ids of all feedback that was counted.
        weight: of the row.
    """

    better: int
    reason: str
    rule: str
    margin: float
    margin_of: str
    agreement: float
    raters: tuple[str, ...]
    feedback: tuple[str, ...]
    weight: float


def one_per_rater(votes: Iterable[Vote]) -> list[tuple[Vote, int]]:
    """For each rater the vote that counts, and what it says once votes by the same rule are taken together."""
    by_rater: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_rater[vote.rater].append(vote)
    made = []
    for cast in by_rater.values():
        strongest = min(PRECEDENCE.index(vote.rule) for vote in cast)
        counted = [vote for vote in cast if PRECEDENCE.index(vote.rule) == strongest]
        total = sum(vote.better for vote in counted)
        better = (total > 0) - (total < 0)
        agreeing = next((vote for vote in counted if vote.better == better), counted[0])
        made.append((agreeing, better))
    return made


def verdict(votes: Sequence[Vote], weights: Callable[[str], float], min_agreement: float) -> Verdict:
    """What `votes`, all on one pair, come to."""
    cast = one_per_rater(votes)
    weighed = [(vote, better, weights(vote.rater)) for vote, better in cast]
    total = sum(weight for *_, weight in weighed)
    first = sum(weight for _, better, weight in weighed if better > 0)
    second = sum(weight for _, better, weight in weighed if better < 0)
    better = (first > second) - (first < second)
    agreement = max(first, second) / total if total else 0.0
    reason = ""
    if not better or agreement <= min_agreement:
        reason = "raters disagree" if first and second else "a tie"
        better = 0
    winning = [vote for vote, said, _ in weighed if said == better]
    margin, margin_of = _margin(winning, abs(first - second) / total if total else 0.0)
    return Verdict(
        better=better,
        reason=reason,
        rule=min((vote.rule for vote, *_ in weighed), key=PRECEDENCE.index),
        margin=margin,
        margin_of=margin_of,
        agreement=agreement,
        raters=tuple(sorted(vote.rater for vote, _ in cast)),
        feedback=tuple(sorted({each for vote in votes for each in vote.feedback})),
        weight=sum(vote.weight for vote, _ in cast) / len(cast),
    )


def _margin(winning: Sequence[Vote], lead: float) -> tuple[float, str]:
    """Margins as stated, else the differences of scores, else the lead; kinds of margins are never mixed."""
    for rules, name in ((("preference", "ranking"), "stated"), (("ratings", "signals"), "scores")):
        known = [vote.margin for vote in winning if vote.rule in rules and vote.margin is not None]
        if known:
            return math.fsum(known) / len(known), name
    return lead, "agreement"


def reliability(pairs: Iterable[Sequence[Vote]]) -> Mapping[str, float]:
    """The weight of each rater: the log-odds of agreeing with the majority of the others.

    Counted over the pairs where the others are of one mind; two of three agreements are taken for granted to begin
    with, so that who has voted little weighs little more or less than others.
    """
    tallies = agreements(pairs)
    weights = {}
    for rater, (agreed, of) in tallies.items():
        share = (agreed + 2) / (of + 3)
        weights[rater] = max(0.05, math.log(share / (1 - share)))
    return weights


def agreements(pairs: Iterable[Sequence[Vote]]) -> dict[str, tuple[int, int]]:
    """For each rater how often they agreed with the majority of the others, and of how many pairs."""
    tallies: dict[str, tuple[int, int]] = {}
    for votes in pairs:
        cast = [(vote.rater, better) for vote, better in one_per_rater(votes)]
        total = sum(better for _, better in cast)
        for rater, better in cast:
            agreed, of = tallies.get(rater, (0, 0))
            others = total - better
            counts = bool(others and better)
            tallies[rater] = agreed + int(counts and (others > 0) == (better > 0)), of + counts
    return tallies


def by_pair(votes: Iterable[Vote]) -> Iterator[list[Vote]]:
    """Votes in the order of their pairs, pair by pair."""
    gathered: list[Vote] = []
    for vote in votes:
        if gathered and (vote.first, vote.second) != (gathered[0].first, gathered[0].second):
            yield gathered
            gathered = []
        gathered.append(vote)
    if gathered:
        yield gathered


def propensity_weight(shares: Iterable[object]) -> float:
    """The weight of feedback that was asked for with a known chance: the inverse of that, within bounds; else 1."""
    known = [float(share) for share in shares if isinstance(share, int | float) and 0 < share <= 1]
    return min(LARGEST_WEIGHT, len(known) / math.fsum(known)) if known else 1.0
