"""Which calls and which feedback a recipe asks for, each refusal with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rlhf_otel.datasets.answers import about_call
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.records import Feedback, Interaction

NOT_ASKED_FOR: Final = "does not match the filters"
NO_CONSENT: Final = "no consent is known"
NO_FEEDBACK: Final = "no feedback"
REFUSED: Final = "consent was refused"
FOR_EVALUATION: Final = "consent is for evaluation alone"
NOT_CONSENTED: Final = (NO_CONSENT, REFUSED, FOR_EVALUATION)
_RATINGS: Final = ("rating", "score")
_USE_OF_KIND: Final = {"preference": "preferences", "ranking": "rankings", "binary": "thumbs", "signal": "signals"}
"""What a kind of feedback is used as; what is not here is decided by what it holds."""


def refusal(interaction: Interaction, recipe: Recipe) -> str | None:
    """Why no row is made of `interaction`, as far as that shows without its content; None where one may be."""
    return _filtered(interaction, recipe) or _consent(interaction, recipe)


def _filtered(interaction: Interaction, recipe: Recipe) -> str | None:
    if recipe.since_ns is not None and interaction.start_ns < recipe.since_ns:
        return NOT_ASKED_FOR
    if recipe.until_ns is not None and interaction.start_ns >= recipe.until_ns:
        return NOT_ASKED_FOR
    if recipe.model is not None and recipe.model not in (interaction.request_model, interaction.response_model):
        return NOT_ASKED_FOR
    for wanted, name in ((recipe.variant, "variant"), (recipe.session, "session"), (recipe.service, "service")):
        if wanted is not None and about_call(interaction).get(name) != wanted:
            return NOT_ASKED_FOR
    return None


def _consent(interaction: Interaction, recipe: Recipe) -> str | None:
    """Consent to training covers evaluation; consent to evaluation covers nothing else."""
    given = interaction.consent or recipe.unset_consent
    if given == "train" or (given == "eval" and recipe.purpose == "eval"):
        return None
    if given == "eval":
        return FOR_EVALUATION
    return NO_CONSENT if interaction.consent is None else REFUSED


def held_back(stages: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many calls were held back for want of consent, by reason, out of the stages of a funnel."""
    dropped = [(reason, count) for stage in stages for reason, count in stage["dropped"].items()]
    return {reason: sum(count for why, count in dropped if why == reason)
            for reason in NOT_CONSENTED if any(why == reason for why, _ in dropped)}  # fmt: skip


def source_of(feedback: Feedback) -> str:
    """A person who was asked, what a person did, or a program."""
    if feedback.kind == "signal":
        return "signal"
    return "human" if feedback.annotator_kind == "HUMAN" else "predictor"


def use_of(feedback: Feedback) -> str | None:
    """What rows can be made from `feedback`, as one of `recipe.USES`; None where nothing can."""
    if feedback.correction:
        return "corrections"
    if feedback.step is not None:
        return "steps"
    if feedback.kind in _RATINGS:
        return "ratings"
    if feedback.kind == "categorical" and is_tie(feedback):
        return "preferences"
    return _USE_OF_KIND.get(feedback.kind)


def is_tie(feedback: Feedback) -> bool:
    """Whether somebody who compared answers found neither better."""
    if feedback.kind == "preference":
        return feedback.margin == 0
    return feedback.kind == "categorical" and str(feedback.value).strip().lower() == "tie"


def wanted(feedback: Sequence[Feedback], recipe: Recipe) -> list[Feedback]:
    """The feedback that the recipe makes rows from."""
    return [each for each in feedback if _is_wanted(each, recipe)]


def _is_wanted(feedback: Feedback, recipe: Recipe) -> bool:
    if source_of(feedback) not in recipe.sources:
        return False
    if recipe.names and feedback.name not in recipe.names:
        return False
    if recipe.raters and feedback.rater not in recipe.raters:
        return False
    return use_of(feedback) in recipe.uses
