"""The second half: what lies on the shelf is judged by the rules, and becomes drafts of pairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from rlhf_otel.datasets import drafts
from rlhf_otel.datasets.answers import Answer
from rlhf_otel.datasets.drafts import Draft
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.gather import continuation
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.datasets.rules import preference, ranking, ratings, regenerate
from rlhf_otel.datasets.rules.pairing import Numbered, obstacle
from rlhf_otel.datasets.selection import is_tie
from rlhf_otel.datasets.shelf import Shelf
from rlhf_otel.datasets.votes import Verdict, Vote, by_pair, reliability, verdict
from rlhf_otel.records import Feedback

PAIRS: Final = "pairs"


class Judge:
    """Turns what is on the shelf into pairs.

    Args:
        shelf: what was gathered.
        recipe: what is asked for.
        funnel: counts.
    """

    def __init__(self, shelf: Shelf, recipe: Recipe, funnel: Funnel) -> None:
        self._shelf = shelf
        self._recipe = recipe
        self._funnel = funnel

    def hear(self) -> None:
        """Reads every vote that there is, and keeps them by their pair."""
        compared: dict[int, set[tuple[int, int]]] = defaultdict(set)
        for feedback in self._shelf.comparisons():
            votes = list(self._comparison(feedback))
            for vote in votes:
                for side in (vote.first, vote.second):
                    compared[side].add((vote.first, vote.second))
            self._shelf.add_votes(votes)
        self._hear_ties(compared)
        self._hear_groups()

    def pairs(self) -> Iterator[Draft]:
        """The pairs that have a winner."""
        weigh = self._weights()
        for votes in by_pair(self._shelf.votes()):
            decided = verdict(votes, weigh, self._recipe.min_agreement)
            if not decided.better:
                self._funnel.dropped(PAIRS, decided.reason)
            elif decided.margin < self._recipe.min_margin:
                self._funnel.dropped(PAIRS, f"a margin below {self._recipe.min_margin:g}")
            else:
                self._funnel.passed(PAIRS)
                yield self._pair(votes[0], decided)

    def corrections(self) -> Iterator[Draft]:
        """What somebody wrote over what the model had said."""
        for answer in self._shelf.answers():
            yield from corrected(answer, self._shelf, self._funnel, PAIRS)

    def _comparison(self, feedback: Feedback) -> Iterator[Vote]:
        """The votes of one preference or ranking, as far as its answers may be compared."""
        rule = ranking if feedback.ranking else preference
        for better, worse in rule.sides(feedback):
            found = [self._one(span_id) for span_id in (better, worse)]
            if found[0] is None or found[1] is None:
                self._funnel.dropped(PAIRS, self._why_missing(better if found[0] is None else worse))
            elif reason := obstacle(found[0][1], found[1][1]):
                self._funnel.dropped(PAIRS, reason)
            else:
                yield from rule.votes(feedback, found[0], found[1])

    def _one(self, span_id: str) -> Numbered | None:
        """The answer of a call, where it has one alone."""
        found = self._shelf.by_span(span_id)
        return found[-1] if len({answer.choice for _, answer in found}) == 1 else None

    def _why_missing(self, span_id: str) -> str:
        reason = self._shelf.refusal(span_id)
        if reason is None:
            many = self._shelf.by_span(span_id)
            reason = "does not say which of several choices" if many else "the call is not in the store"
        return f"one of the answers: {reason}"

    def _hear_ties(self, compared: dict[int, set[tuple[int, int]]]) -> None:
        """The word tie counts in the one comparison that its answer is part of."""
        if not compared or "preferences" not in self._recipe.uses:
            return
        for number, answer in self._shelf.with_words():
            if number not in compared:
                continue
            said = [each for each in answer.opinions if each.kind == "categorical" and is_tie(each)]
            for feedback in said:
                pairs = sorted(compared[number])
                self._shelf.add_votes(preference.ties(feedback, (number, answer), pairs, self._numbered))

    def _numbered(self, number: int) -> Numbered:
        return number, self._shelf.answer(number)

    def _hear_groups(self) -> None:
        """Answers to one prompt that were judged one by one."""
        for group in self._shelf.groups():
            found = [vote for vote in self._group_votes(group) if self._may(group, vote)]
            kept = found[: self._recipe.max_pairs]
            reason = f"more than {self._recipe.max_pairs} pairs of one prompt"
            self._funnel.dropped(PAIRS, reason, len(found) - len(kept))
            self._shelf.add_votes(kept)

    def _group_votes(self, group: list[Numbered]) -> Iterator[Vote]:
        uses = self._recipe.uses
        if "thumbs" in uses or "ratings" in uses:
            yield from ratings.votes(group)
        if "signals" in uses and "signal" in self._recipe.sources:
            yield from regenerate.votes(group, self._went_on)
            yield from ratings.votes(group, "signals")

    def _may(self, group: list[Numbered], vote: Vote) -> bool:
        answers = dict(group)
        return obstacle(answers[vote.first], answers[vote.second]) is None

    def _went_on(self, answer: Answer) -> bool:
        asked = self._shelf.prompt(answer.prompt).messages
        return self._shelf.has_gone_on_from(continuation([*asked, answer.message]))

    def _weights(self) -> Callable[[str], float]:
        if self._recipe.votes == "majority":
            return lambda rater: 1.0
        known = reliability(by_pair(self._shelf.votes()))
        return lambda rater: known.get(rater, 1.0)

    def _pair(self, vote: Vote, decided: Verdict) -> Draft:
        numbers = (vote.first, vote.second) if decided.better > 0 else (vote.second, vote.first)
        better, worse = (self._shelf.answer(number) for number in numbers)
        names = {"chosen": better.about.get("model"), "rejected": worse.about.get("model")}
        return drafts.of_answer(
            better,
            self._shelf.prompt(better.prompt),
            worse=worse.message,
            margin=decided.margin,
            rule=decided.rule,
            spans=[better.name, worse.name],
            feedback=decided.feedback,
            raters=decided.raters,
            facts={
                "margin": decided.margin,
                "margin_of": decided.margin_of,
                "agreement": round(decided.agreement, 6),
                "weight": decided.weight * together(better, worse),
                "models": names,
            },
        )


def together(one: Answer, other: Answer) -> float:
    """How many such pairs a pair stands for: whether the calls of one trace are kept is decided once."""
    if one.trace_id == other.trace_id:
        return max(one.stands_for, other.stands_for)
    return one.stands_for * other.stands_for


def corrected(answer: Answer, shelf: Shelf, funnel: Funnel, stage: str) -> Iterator[Draft]:
    """A pair for each correction of `answer`: what was written over what it said. Counted at `stage`."""
    for feedback in answer.opinions:
        if not feedback.correction:
            continue
        if feedback.correction == answer.message["content"]:
            funnel.dropped(stage, "a correction that changes nothing")
            continue
        funnel.passed(stage)
        yield drafts.of_answer(
            answer,
            shelf.prompt(answer.prompt),
            message={"role": "assistant", "content": feedback.correction},
            worse=answer.message,
            margin=1.0 if feedback.margin is None else feedback.margin,
            rule="correction" if feedback.kind != "signal" else "edit",
            feedback=[feedback.id],
            raters=[feedback.rater or f"anonymous:{feedback.id}"],
            facts={"margin": 1.0, "margin_of": "correction", "agreement": 1.0, "weight": answer.stands_for},
        )
