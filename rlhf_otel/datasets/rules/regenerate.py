"""A person asked for another answer: what they kept is better than what they had thrown away.

Kept is the answer with which the conversation went on; where it did not go on, the last one, unless that was thrown
away as well. Where it went on with the very answer that another was asked for, that one was not thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rlhf_otel.datasets.answers import Answer
from rlhf_otel.datasets.rules.pairing import Numbered, vote
from rlhf_otel.datasets.votes import Vote
from rlhf_otel.records import Feedback

RULE = "regenerate"


def votes(group: Sequence[Numbered], went_on: Callable[[Answer], bool]) -> Iterator[Vote]:
    """What asking again says of the answers to one prompt, which come in the order of their calls."""
    if not any(_thrown_away(answer) for _, answer in group):
        return
    last = None if _thrown_away(group[-1][1]) else group[-1]
    kept = next((numbered for numbered in reversed(group) if went_on(numbered[1])), last)
    for place, numbered in enumerate(group):
        given = _thrown_away(numbered[1])
        if kept and given and place < group.index(kept) and numbered[1].message != kept[1].message:
            yield vote(kept, numbered, RULE, given)


def _thrown_away(answer: Answer) -> list[Feedback]:
    return [feedback for feedback in answer.opinions if feedback.signal == "regenerate"]
