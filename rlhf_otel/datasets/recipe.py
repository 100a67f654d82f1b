"""What a dataset is made of and how: every choice that changes its rows is a field of `Recipe`, and on its card."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

PAIRED: Final = ("dpo", "reward", "openai-dpo")
PLAIN: Final = ("jsonl", "csv", "parquet", "hf")
FORMATS: Final = ("dpo", "kto", "reward", "prm", "sft", "openai-dpo", "openai-chat", *PLAIN)
USES: Final = ("preferences", "rankings", "thumbs", "ratings", "corrections", "signals", "steps")
"""What rows can be made from."""
SOURCES: Final = ("human", "signal", "predictor")
"""Who says so: a person who was asked, what a person did, or a program."""
CONSENTS: Final = ("train", "eval", "none")
USUAL_TOPICS: Final = 20
"""So many, where rows are balanced by topic and nobody says how many."""
_OPINIONS = ("preferences", "rankings", "thumbs", "ratings", "corrections", "signals")
_ON_ONE_ANSWER = ("thumbs", "ratings", "corrections", "signals")
_USED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(PAIRED, _OPINIONS),
    "kto": ("thumbs",),
    "sft": ("corrections", "ratings"),
    "openai-chat": ("corrections", "ratings"),
    "prm": ("steps",),
    **dict.fromkeys(PLAIN, ()),
}
_USABLE: Final[Mapping[str, tuple[str, ...]]] = {
    **_USED,
    **dict.fromkeys(("kto", "sft", "openai-chat"), _ON_ONE_ANSWER),
}
DROPPABLE: Final = ("near-duplicates", "benchmark", "secrets", "outliers")
"""Gates whose rows can be left out instead."""
OVERRIDABLE: Final = ("benchmark", "secrets", "split")
"""Gates that stop an export."""


class RecipeError(ValueError):
    """A recipe asks for something that there is not, or for what cannot go together; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The choices. Each has a default with which the rows are safe to train on.

    Attributes:
        format: one of `FORMATS`.
        style: `conversational` (lists of messages) or `standard` (text), where the format has both.
        use: what rows are made from, of `USES`; empty for what is usual for the format.
        sources: who says so, of `SOURCES`.
        names: only feedback of these names; empty for all.
        raters: only feedback of these raters; empty for all.
        since_ns: only calls that began at or after this time.
        until_ns: only calls that began before this time.
        service: only calls of this service.
        model: only calls to this model.
        variant: only calls of this variant.
        session: only calls of this conversation.
        purpose: train or eval: the consent that a call must have; `train` covers both.
        unset_consent: what holds for calls of which nobody said anything.
        system: keep or drop system prompts, in the rows and in the comparison of prompts.
        reasoning: keep or drop the model's reasoning.
        tools: keep or drop the definitions of tools.
        incomplete: take answers that were cut off, too.
        votes: majority, or reliability to weigh raters by how often they agree with the others.
        min_agreement: more than this share of the votes must be for the winner.
        min_margin: leaves out pairs whose margin is smaller.
        min_score: from this score on, of 0 to 1, a rating is a good one.
        max_score: up to this score a rating is a bad one.
        unrated_steps: drop what comes behind the first step without a verdict, or take such steps as right.
        max_pairs: at most so many pairs of one prompt that nobody compared as such.
        max_chars: rows with more characters are left out.
        topics: finds so many topics among the prompts, to tell rows apart by; needs scikit-learn.
        balance: model, variant, service, session, topic or context.NAME: each value shall have equally many rows.
        shares: VALUE=NUMBER, how many rows a value of `balance` shall have beside the others, which have 1 each.
        split: the share of rows that goes to the test file.
        split_by: conversation or time.
        benchmarks: files of which no row may hold anything.
        near_duplicates: look for them, which takes the extra `[datasets]`.
        drop: gates whose rows are left out, of `DROPPABLE`.
        override: gates that may fail, of `OVERRIDABLE`.
    """

    format: str = "dpo"
    style: str = "conversational"
    use: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("human",)
    names: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    service: str | None = None
    model: str | None = None
    variant: str | None = None
    session: str | None = None
    purpose: str = "train"
    unset_consent: str = "none"
    system: str = "keep"
    reasoning: str = "drop"
    tools: str = "keep"
    incomplete: bool = False
    votes: str = "majority"
    min_agreement: float = 0.5
    min_margin: float = 0.0
    min_score: float = 0.8
    max_score: float = 0.2
    unrated_steps: str = "drop"
    max_pairs: int = 100
    max_chars: int = 1_000_000
    topics: int = 0
    balance: str | None = None
    shares: tuple[str, ...] = ()
    split: float = 0.0
    split_by: str = "conversation"
    benchmarks: tuple[str, ...] = ()
    near_duplicates: bool = True
    drop: tuple[str, ...] = ()
    override: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in _WORDS.items():
            given = getattr(self, name)
            words: tuple[str, ...] = given if isinstance(given, tuple) else (given,)
            for word in words:
                if word not in allowed:
                    raise RecipeError(f"{name} is {word!r}; it is one of {', '.join(allowed)}")
        for used in self.use:
            if used not in self.usable:
                usable = ", ".join(self.usable) or "no feedback at all"
                raise RecipeError(f"{self.format} is not made from {used}; it is made from {usable}")
        if not 0 <= self.split < 1:
            raise RecipeError(f"split is {self.split}; a share from 0 to below 1 is expected, as in 0.1")
        if not 0.5 <= self.min_agreement <= 1:
            raise RecipeError(f"min_agreement is {self.min_agreement}; a share from 0.5 to 1 is expected")
        if not 0 <= self.max_score <= self.min_score <= 1:
            raise RecipeError("scores go from 0 to 1, and max_score is not above min_score")
        if not self.sources:
            raise RecipeError(f"no source is left; it is one or more of {', '.join(SOURCES)}")
        self._check_plain()
        self._check_balance()

    def _check_plain(self) -> None:
        if self.is_plain and (self.split or self.balance or self.topics):
            raise RecipeError(
                f"{self.format} has calls as they are: split, balance and topics are for training formats"
            )
        if self.is_plain and (odd := set(self.drop) - {"benchmark", "secrets"}):
            raise RecipeError(f"{self.format} has calls as they are, and nobody looks for {', '.join(sorted(odd))}")

    def _check_balance(self) -> None:
        if self.balance and self.balance not in BALANCE_KEYS and not self.balance.startswith("context."):
            raise RecipeError(f"balance is {self.balance!r}; it is one of {', '.join(BALANCE_KEYS)} or context.NAME")
        if self.wanted_shares and not self.balance:
            raise RecipeError("shares are of the values of a key; name it by balance")

    @property
    def is_paired(self) -> bool:
        """Whether a row holds two answers."""
        return self.format in PAIRED

    @property
    def is_plain(self) -> bool:
        """Whether a row is a call as it was recorded."""
        return self.format in PLAIN

    @property
    def uses(self) -> tuple[str, ...]:
        """What rows are made from."""
        return self.use or _USED[self.format]

    @property
    def usable(self) -> tuple[str, ...]:
        """What rows of this format can be made from."""
        return _USABLE[self.format]

    @property
    def wanted_topics(self) -> int:
        """How many topics are to be found among the prompts."""
        return self.topics or (USUAL_TOPICS if self.balance == "topic" else 0)

    @property
    def wanted_shares(self) -> dict[str, float]:
        """By value of `balance` its share beside the others.

        Raises:
            RecipeError: a share is no number, or below 0.
        """
        made = {}
        for given in self.shares:
            value, _, number = given.rpartition("=")
            try:
                made[value] = float(number)
            except ValueError:
                made[value] = -1.0
            if not value or not 0 <= made[value] < float("inf"):
                raise RecipeError(f"the share {given!r} is not VALUE=NUMBER, as in gpt-5-mini=2")
        return made

    @property
    def needs_unrated(self) -> bool:
        """Whether calls matter on which there is no feedback: the answer that a person kept need not be rated."""
        return self.is_plain or (self.is_paired and "signal" in self.sources and "signals" in self.uses)

    @property
    def kept_reasoning(self) -> bool:
        """Whether the model's reasoning goes into the rows."""
        return self.reasoning == "keep" and not self.format.startswith("openai")

    def choices(self) -> dict[str, Any]:
        """The fields that differ from their defaults, and the format; as JSON has them."""
        changed = {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) != field.default or field.name == "format"
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


BALANCE_KEYS: Final = ("model", "variant", "service", "session", "topic")
_KEEP_OR_DROP = ("keep", "drop")
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "format": FORMATS,
    "style": ("conversational", "standard"),
    "use": USES,
    "sources": SOURCES,
    "purpose": ("train", "eval"),
    "unset_consent": CONSENTS,
    "system": _KEEP_OR_DROP,
    "reasoning": _KEEP_OR_DROP,
    "tools": _KEEP_OR_DROP,
    "votes": ("majority", "reliability"),
    "unrated_steps": ("drop", "right"),
    "split_by": ("conversation", "time"),
    "drop": DROPPABLE,
    "override": OVERRIDABLE,
}
