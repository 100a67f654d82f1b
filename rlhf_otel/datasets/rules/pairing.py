"""What the rules share: who the rater is, and when two answers may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence

from rlhf_otel.datasets.answers import Answer
from rlhf_otel.datasets.votes import Vote, propensity_weight
from rlhf_otel.records import Feedback

Numbered = tuple[int, Answer]


def rater_of(feedback: Feedback) -> str:
    """Who gave it; where nobody is named, somebody of their own."""
    return feedback.rater or f"anonymous:{feedback.id}"


def obstacle(one: Answer, other: Answer) -> str | None:
    """Why a comparison of these two teaches nothing: they answer different questions, or are the same."""
    if one.prompt != other.prompt:
        return "the answers are to different prompts"
    if one.about.get("session") != other.about.get("session"):
        return "the answers are in different conversations"
    return "the answers are the same" if one.message == other.message else None


def vote(
    better: Numbered,
    worse: Numbered,
    rule: str,
    given: Sequence[Feedback],
    *,
    margin: float | None = None,
    tie: bool = False,
    shown_first: bool | None = None,
    rater: str | None = None,
) -> Vote:
    """The vote of the rater of `given`, in the order of the shelf.

    Args:
        better: the better answer; of a tie either.
        worse: the other.
        rule: which rule read it.
        given: what it was read from, all of it by one rater.
        margin: how much better, where that is known.
        tie: whether neither is better.
        shown_first: whether the better answer was shown first, where that is known.
        rater: who, where it is not who gave the feedback.
    """
    return Vote(
        first=min(better[0], worse[0]),
        second=max(better[0], worse[0]),
        better=0 if tie else 1 if better[0] < worse[0] else -1,
        rule=rule,
        rater=rater or rater_of(given[0]),
        margin=margin,
        feedback=tuple(sorted(each.id for each in given)),
        weight=propensity_weight(each.metadata.get("propensity") for each in given),
        shown_first=shown_first,
    )
