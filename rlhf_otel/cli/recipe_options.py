"""The options of `rlhf-otel export` and `rlhf-otel datasets audit`: a recipe, word by word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rlhf_otel.cli.traces import parse_since
from rlhf_otel.config import load
from rlhf_otel.datasets.recipe import CONSENTS, DROPPABLE, FORMATS, OVERRIDABLE, SOURCES, USES, Recipe, RecipeError

if TYPE_CHECKING:
    from rlhf_otel.datasets.gather import Rated
    from rlhf_otel.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])
_FILTERS = ("since_ns", "until_ns", "session", "model", "service")


def _words(*allowed: str) -> Any:
    return click.Choice(allowed)


def _share(low: float) -> Any:
    return click.FloatRange(low, 1.0)


def _many(flag: str, name: str, allowed: tuple[str, ...], text: str) -> Any:
    return click.option(flag, name, type=_words(*allowed), multiple=True, help=f"{text} Repeatable.")


_OPTIONS = (
    click.option("--format", type=_words(*FORMATS), default="dpo", show_default=True, help="What the rows are."),
    click.option("--style", type=_words("conversational", "standard"), default="conversational", show_default=True,
                 help="Lists of messages, or text."),
    click.option("--since", "since_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls since then: 7d."),
    click.option("--until", "until_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls before then."),
    click.option("--service", metavar="NAME", help="Only calls of this service."),
    click.option("--model", metavar="NAME", help="Only calls to this model."),
    click.option("--variant", metavar="NAME", help="Only calls of this variant."),
    click.option("--session", metavar="ID", help="Only calls of this conversation."),
    click.option("--name", "names", metavar="NAME", multiple=True, help="Only feedback of this name. Repeatable."),
    click.option("--rater", "raters", metavar="ID", multiple=True, help="Only feedback of this rater. Repeatable."),
    _many("--source", "sources", SOURCES, "Who says so: people who were asked, what they did, programs. [human]"),
    _many("--from", "use", USES, "What rows are made from, where not from what is usual."),
    click.option("--purpose", type=_words("train", "eval"), default="train", show_default=True,
                 help="What calls must have consent for."),
    click.option("--unset-consent", type=_words(*CONSENTS),
                 help="What holds for calls of which nobody said anything. [RLHF_OTEL_UNSET_CONSENT; none]"),
    click.option("--system", type=_words("keep", "drop"), default="keep", show_default=True, help="System prompts."),
    click.option("--reasoning", type=_words("keep", "drop"), default="drop", show_default=True, help="Reasoning."),
    click.option("--tools", type=_words("keep", "drop"), default="keep", show_default=True, help="Tool definitions."),
    click.option("--incomplete", is_flag=True, help="Take answers that were cut off, too."),
    click.option("--votes", type=_words("majority", "reliability"), default="majority", show_default=True,
                 help="How several raters decide."),
    click.option("--min-agreement", type=_share(0.5), default=0.5, show_default=True,
                 help="The winner has more than this share of the votes."),
    click.option("--min-margin", type=float, default=0.0, help="Leave out pairs with a smaller margin."),
    click.option("--min-score", type=_share(0.0), default=0.8, show_default=True, help="A good rating, of 0 to 1."),
    click.option("--max-score", type=_share(0.0), default=0.2, show_default=True, help="A bad rating, of 0 to 1."),
    click.option("--unrated-steps", type=_words("drop", "right"), default="drop", show_default=True,
                 help="Steps without a verdict before one that has it."),
    click.option("--topics", type=click.IntRange(min=0), default=0, help="Find so many topics among the prompts."),
    click.option("--balance", metavar="KEY", help="As many rows of each model, variant, service ... or context.NAME."),
    click.option("--share", "shares", metavar="VALUE=NUMBER", multiple=True,
                 help="How many of VALUE beside the others' 1. Repeatable."),
    click.option("--split", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Share of rows for testing."),
    click.option("--split-by", type=_words("conversation", "time"), default="conversation", show_default=True,
                 help="What goes to the test file."),
    click.option("--benchmark", "benchmarks", type=click.Path(exists=True, dir_okay=False), multiple=True,
                 help="A file of which no row may hold anything. Repeatable."),
    click.option("--near-duplicates/--no-near-duplicates", default=True, help="Look for them.", show_default=True),
    click.option("--max-chars", type=click.IntRange(min=1), default=1_000_000, help="Leave out longer rows."),
    _many("--drop", "drop", DROPPABLE, "Leave out the rows that this gate finds."),
    _many("--override", "override", OVERRIDABLE, "Export though this gate fails; the card will say so."),
)  # fmt: skip


def recipe_options(function: Function) -> Function:
    """Adds the options that a recipe is made of."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def recipe_of(options: Mapping[str, Any]) -> Recipe:
    """The recipe that was asked for.

    Raises:
        click.UsageError: its parts do not go together.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    given.setdefault("unset_consent", load().unset_consent)
    try:
        return Recipe(**given)
    except RecipeError as error:
        raise click.UsageError(str(error)) from None


def read(store: Store, recipe: Recipe) -> Iterator[Rated]:
    """The calls that may matter, in the order of their start, each with the feedback that counts on it."""
    filters = {name: getattr(recipe, name) for name in _FILTERS}
    return store.joined(newest_first=False, has_feedback=None if recipe.needs_unrated else True, **filters)


def is_filtered(recipe: Recipe) -> bool:
    """Whether the store leaves calls out before anybody counts them."""
    return any(getattr(recipe, name) is not None for name in _FILTERS)
