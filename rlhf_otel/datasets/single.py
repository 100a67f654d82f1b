"""Rows about one answer: good or bad (KTO), worth imitating (SFT), right step by step (PRM)."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from rlhf_otel.datasets import drafts, selection
from rlhf_otel.datasets.answers import Answer
from rlhf_otel.datasets.decide import corrected
from rlhf_otel.datasets.drafts import Draft
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.datasets.rules.pairing import rater_of
from rlhf_otel.datasets.shelf import Shelf
from rlhf_otel.datasets.votes import propensity_weight
from rlhf_otel.records import Feedback

ANSWERS: Final = "answers"
_SCORED: Final = ("thumbs", "ratings", "signals")


def labelled(shelf: Shelf, recipe: Recipe, funnel: Funnel) -> Iterator[Draft]:
    """Answers that most of their raters find good, or bad; where a correction was written, both sides of it."""
    for answer in shelf.answers():
        written = list(corrected(answer, shelf, funnel, ANSWERS))
        for draft in written:
            yield dataclasses.replace(draft, worse=None, label=True)
        if written:
            yield dataclasses.replace(written[0], answer=answer.message, worse=None, label=False)
        elif _scored(answer):
            yield from _labelled(answer, shelf, recipe, funnel)


def imitated(shelf: Shelf, recipe: Recipe, funnel: Funnel) -> Iterator[Draft]:
    """Corrections, and answers without one whose mean rating is high enough."""
    for answer in shelf.answers():
        written = list(corrected(answer, shelf, funnel, ANSWERS))
        yield from (dataclasses.replace(draft, worse=None) for draft in written)
        scored = _scored(answer)
        if written or not scored:
            continue
        score = sum(each.score or 0.0 for each in scored) / len(scored)
        if score + 1e-9 < recipe.min_score:
            funnel.dropped(ANSWERS, f"a mean rating below {recipe.min_score:g}")
            continue
        funnel.passed(ANSWERS)
        yield _of(answer, shelf, scored, "high rating", {"score": round(score, 6)})


def stepwise(shelf: Shelf, recipe: Recipe, funnel: Funnel) -> Iterator[Draft]:
    """Answers of which the steps were judged, up to the last one from the first that is."""
    for answer in shelf.answers():
        by_step: dict[int, list[Feedback]] = defaultdict(list)
        for each in answer.opinions:
            if each.step is not None and each.score is not None:
                by_step[each.step].append(each)
        verdicts = {step: _majority(given, recipe) for step, given in by_step.items()}
        judged = _judged_steps(answer, verdicts, recipe)
        if isinstance(judged, str):
            funnel.dropped(ANSWERS, judged)
            continue
        funnel.passed(ANSWERS)
        used = [each for step in range(len(judged)) for each in by_step.get(step, ())]
        yield dataclasses.replace(_of(answer, shelf, used, "steps", {}), steps=judged)


def _judged_steps(answer: Answer, verdicts: dict[int, bool | None], recipe: Recipe) -> list[tuple[str, bool]] | str:
    """Each step with its verdict, or why there are none."""
    if not verdicts:
        return "no step of it has a verdict"
    if max(verdicts) >= len(answer.steps):
        return "a verdict on a step that it does not have"
    judged: list[tuple[str, bool]] = []
    for step in range(max(verdicts) + 1):
        right = verdicts.get(step, True if recipe.unrated_steps == "right" else None)
        if right is None:
            break
        judged.append((answer.steps[step], right))
    return judged or "its first step has no clear verdict"


def _labelled(answer: Answer, shelf: Shelf, recipe: Recipe, funnel: Funnel) -> Iterator[Draft]:
    scored = _scored(answer)
    label = _majority(scored, recipe)
    if label is None:
        funnel.dropped(ANSWERS, "raters disagree, or the score is neither high nor low")
        return
    funnel.passed(ANSWERS)
    rule = "signals" if all(each.kind == "signal" for each in scored) else "ratings"
    yield dataclasses.replace(_of(answer, shelf, scored, rule, {}), label=label)


def _majority(given: Iterable[Feedback], recipe: Recipe) -> bool | None:
    """What more than `min_agreement` of the raters say, each by the mean of their scores; None where it is unclear."""
    by_rater: dict[str, list[float]] = defaultdict(list)
    for each in given:
        by_rater[rater_of(each)].append(each.score or 0.0)
    means = [sum(scores) / len(scores) for scores in by_rater.values()]
    good = sum(mean + 1e-9 >= recipe.min_score for mean in means)
    bad = sum(mean - 1e-9 <= recipe.max_score for mean in means)
    if max(good, bad) <= recipe.min_agreement * len(means):
        return None
    return good > bad


def _scored(answer: Answer) -> list[Feedback]:
    """What was said of the answer as a whole, in numbers."""
    return [each for each in answer.opinions if each.score is not None and selection.use_of(each) in _SCORED]


def _of(answer: Answer, shelf: Shelf, given: list[Feedback], rule: str, facts: dict[str, object]) -> Draft:
    weight = propensity_weight(each.metadata.get("propensity") for each in given) * answer.stands_for
    return drafts.of_answer(
        answer,
        shelf.prompt(answer.prompt),
        rule=rule,
        feedback=[each.id for each in given],
        raters={rater_of(each) for each in given},
        facts={**facts, "weight": weight},
    )
