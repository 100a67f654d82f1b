"""The card of a dataset: what a person should know before they train on it, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel import views
from rlhf_otel._version import __version__
from rlhf_otel.datasets import selection
from rlhf_otel.datasets.recipe import Recipe

if TYPE_CHECKING:
    from rlhf_otel.datasets.making import Outcome

_WHAT: Final[Mapping[str, str]] = {
    "dpo": "Preference pairs with an explicit prompt, for TRL's `DPOTrainer`",
    "reward": "Preference pairs with margins, for TRL's `RewardTrainer`",
    "kto": "Answers labelled good or bad, for TRL's `KTOTrainer`",
    "prm": "Answers judged step by step, TRL's stepwise supervision",
    "sft": "Prompts with the answers to imitate, for TRL's `SFTTrainer`",
    "openai-dpo": "Preference pairs in the format of hosted preference fine-tuning",
    "openai-chat": "Conversations in the chat format of hosted fine-tuning",
    "jsonl": "Recorded calls with their feedback, as JSON lines",
    "csv": "Recorded calls with their feedback, for spreadsheets",
    "parquet": "Recorded calls with their feedback, as Parquet",
    "hf": "Recorded calls with their feedback, for `datasets.load_from_disk`",
}
_RULES: Final[Mapping[str, str]] = {
    "preference": "a person compared the two answers and chose one",
    "ranking": "a person put several answers in an order",
    "ratings": "the answers were rated, each by itself",
    "regenerate": "a person asked for another answer and kept a later one",
    "signals": "what people did with the answers: copied, accepted, left",
    "correction": "a person wrote what the answer should have been",
    "edit": "a person changed the answer before using it",
    "high rating": "people rated the answer highly",
    "steps": "people judged the steps of the answer",
}


def card(outcome: Outcome) -> str:
    """The card of what was made."""
    return "\n".join([*_front(outcome), *_body(outcome)]) + "\n"


def _front(outcome: Outcome) -> Iterator[str]:
    """What the hub and `load_dataset` read."""
    recipe = outcome.recipe
    yield "---"
    if recipe.format != "hf":
        ending = recipe.format if recipe.format in ("csv", "parquet") else "jsonl"
        yield from ("configs:", "- config_name: default", "  data_files:")
        for split in outcome.rows:
            yield from (f"  - split: {split}", f"    path: {split}.{ending}")
    yield from ("tags:", "- human-feedback", f"- {recipe.format}", "- rlhf-otel", "---", "")


def _body(outcome: Outcome) -> Iterator[str]:
    recipe = outcome.recipe
    yield from (f"# {_WHAT[recipe.format].partition(',')[0]}", "", f"{_WHAT[recipe.format]}.", "")
    sizes = ", ".join(f"{count:,} in `{split}`" for split, count in outcome.rows.items())
    yield f"- Rows: {sizes}"
    if outcome.period:
        first, last = (views.iso(moment)[:10] for moment in (outcome.period[0], outcome.period[-1]))
        yield f"- Calls from {first} to {last}"
    yield f"- Made by rlhf-otel {__version__} with: {_choices(recipe)}"
    yield f"- Consent: {_consent(recipe)}{_held_back(outcome)}"
    yield f"- Sources of feedback: {_sources(recipe)}"
    yield from (f"- {note}" for note in outcome.notes)
    yield "- What each row rests on (span ids, feedback ids, rule) is in `lineage.jsonl`, line by line"
    if outcome.rules:
        yield from ("", "## How the rows were made", "", "| rule | rows | meaning |", "|---|---|---|")
        yield from (f"| {rule} | {count:,} | {_RULES.get(rule, '')} |" for rule, count in outcome.rules.items())
    if recipe.is_paired:
        yield from ("", *_pairing(recipe))
    yield from ("", "## From calls to rows", "", "| stage | in | out | left out |", "|---|---|---|---|")
    yield from (_stage(stage) for stage in outcome.funnel)
    yield from ("", "## Gates", "", "| gate | result | what was found |", "|---|---|---|")
    for each in outcome.findings:
        overridden = each.status == "failed" and each.gate in recipe.override
        status = "failed, **overridden**" if overridden else each.status
        yield f"| {each.gate} | {status} | {each.says} |"


def _choices(recipe: Recipe) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in recipe.choices().items())


def _shown(value: Any) -> str:
    return f"`{' '.join(map(str, value)) if isinstance(value, list) else value}`"


def _held_back(outcome: Outcome) -> str:
    told = selection.held_back(outcome.funnel)
    reasons = ", ".join(f"{count:,} as {reason}" for reason, count in told.items())
    return f"; {sum(told.values()):,} calls were held back: {reasons}" if told else "; no call was held back"


def _consent(recipe: Recipe) -> str:
    needed = "training" if recipe.purpose == "train" else "evaluation or training"
    if recipe.unset_consent == "none":
        return f"every call was marked for {needed}"
    return f"calls that were marked for {needed}; those that were not marked at all count as `{recipe.unset_consent}`"


def _sources(recipe: Recipe) -> str:
    words = {"human": "people who were asked", "signal": "what people did", "predictor": "programs"}
    told = ", ".join(words[source] for source in recipe.sources)
    return f"{told}; **mixed on purpose**" if len(recipe.sources) > 1 else told


def _pairing(recipe: Recipe) -> Iterator[str]:
    yield (
        "Pairs are of answers to the same prompt, history included, within one conversation. One rater has one vote "
        f"on a pair; the winner has more than {recipe.min_agreement:.0%} of them, ties included"
        + (", each weighing as much as its rater agrees with the others." if recipe.votes == "reliability" else ".")
    )


def _stage(stage: Mapping[str, Any]) -> str:
    reasons = "; ".join(f"{count:,} {reason}" for reason, count in stage["dropped"].items())
    return f"| {stage['stage']} | {stage['in']:,} | {stage['out']:,} | {reasons} |"
