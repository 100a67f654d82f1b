"""A person compared two answers: the one that they chose over the other. A margin of 0, or the word tie, is a tie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rlhf_otel.datasets.rules.pairing import Numbered, vote
from rlhf_otel.datasets.selection import is_tie
from rlhf_otel.datasets.votes import Vote
from rlhf_otel.records import Feedback

RULE = "preference"


def sides(feedback: Feedback) -> list[tuple[str, str]]:
    """The pairs of span ids that a comparison is about, the better one first."""
    return [(feedback.chosen, feedback.rejected)] if feedback.chosen and feedback.rejected else []


def votes(feedback: Feedback, better: Numbered, worse: Numbered) -> Iterator[Vote]:
    """What one preference says."""
    first = None if feedback.position is None else feedback.position == "chosen"
    tie = is_tie(feedback)
    margin = None if tie else feedback.margin
    yield vote(better, worse, RULE, [feedback], margin=margin, tie=tie, shown_first=first)


def ties(
    feedback: Feedback, on: Numbered, compared: Sequence[tuple[int, int]], find: Callable[[int], Numbered]
) -> Iterator[Vote]:
    """The word tie, said of one answer, is about the answer that others compared it with, where that is one alone."""
    others = {other for pair in compared for other in pair} - {on[0]}
    if len(others) == 1:
        yield vote(on, find(others.pop()), RULE, [feedback], tie=True)
