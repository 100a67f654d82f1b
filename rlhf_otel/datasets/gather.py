"""The first half: calls with their feedback come in, and what rows may be made of is put on the shelf."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rlhf_otel.datasets import chat, selection
from rlhf_otel.datasets.answers import answers_of, conversation_of, prompt_of
from rlhf_otel.datasets.chat import ChatMessage, UnusableError
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.datasets.shelf import Shelf
from rlhf_otel.datasets.weights import weight
from rlhf_otel.records import Feedback, Interaction

Rated = tuple[Interaction, Sequence[Feedback]]
"""A call with the feedback that counts on it."""
CALLS: Final = "calls"
FEEDBACK: Final = "feedback"


class Gatherer:
    """Puts calls on the shelf, one by one, in the order of their start.

    Args:
        shelf: where to.
        recipe: what is asked for.
        funnel: counts.
    """

    def __init__(self, shelf: Shelf, recipe: Recipe, funnel: Funnel) -> None:
        self._shelf = shelf
        self._recipe = recipe
        self._funnel = funnel

    def add(self, interaction: Interaction, feedback: Sequence[Feedback]) -> None:
        """Takes one call."""
        given = selection.wanted(feedback, self._recipe)
        self._count(feedback, given)
        awaited = self._recipe.needs_unrated and self._shelf.awaits(conversation_of(interaction))
        if not given and not awaited:
            self._funnel.dropped(
                CALLS, "no feedback of the kind that is asked for" if feedback else selection.NO_FEEDBACK
            )
            return
        try:
            self._put(interaction, given, awaited, weight(interaction, feedback))
        except UnusableError as error:
            self._refuse(interaction, str(error))
        else:
            self._funnel.passed(CALLS)

    def _put(self, interaction: Interaction, given: Sequence[Feedback], awaited: bool, stands_for: float) -> None:
        refusal = selection.refusal(interaction, self._recipe)
        if refusal is not None:
            raise UnusableError(refusal)
        prompt = prompt_of(interaction, self._recipe)
        if awaited:
            self._note_continuation(prompt.messages)
        comparisons = [each for each in given if _is_comparison(each)]
        opinions = [each for each in given if not _is_comparison(each)]
        answers, unclear = answers_of(interaction, prompt, opinions, self._recipe, stands_for)
        self._funnel.dropped(FEEDBACK, "does not say which of several answers it means", unclear)
        self._shelf.add_answers(prompt, answers)
        for each in comparisons:
            self._shelf.add_comparison(each)
        if self._recipe.needs_unrated and any(each.signal == "regenerate" for each in opinions):
            self._shelf.await_another(conversation_of(interaction))

    def _refuse(self, interaction: Interaction, reason: str) -> None:
        self._funnel.dropped(CALLS, reason)
        self._shelf.refuse(interaction.span_id, reason)

    def _note_continuation(self, messages: Sequence[ChatMessage]) -> None:
        """Remembers with which answer the conversation went on."""
        last = max((place for place, each in enumerate(messages) if each["role"] == "assistant"), default=None)
        if last is not None:
            self._shelf.went_on_from(continuation(messages[: last + 1]))

    def _count(self, feedback: Sequence[Feedback], given: Sequence[Feedback]) -> None:
        """Counts feedback once: a comparison comes with each of its answers."""
        taken = {each.id for each in given}
        for each in feedback:
            if (each.chosen or each.ranking) and not self._shelf.is_first(each.id):
                continue
            if each.id in taken:
                self._funnel.passed(FEEDBACK)
            else:
                source, use = selection.source_of(each), selection.use_of(each)
                asked = source in self._recipe.sources and use in self._recipe.uses
                why = "does not match the filters" if asked else f"{use or each.kind}, {source}: not asked for"
                self._funnel.dropped(FEEDBACK, why)


def _is_comparison(feedback: Feedback) -> bool:
    return bool(feedback.ranking or (feedback.chosen and feedback.rejected))


def continuation(messages: Iterable[ChatMessage]) -> bytes:
    """Names the messages up to an answer, as the next call has them before it: without what the model thought."""
    return chat.digest([{key: value for key, value in each.items() if key != "reasoning"} for each in messages])
