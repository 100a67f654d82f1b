"""Takes secrets out of interactions and feedback before anything of them is written, sent or shown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel import codec
from rlhf_otel.redact.rules import DEFAULT_RULES, SHORTEST_KEY, Rule
from rlhf_otel.redact.words import Words

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

INTERACTION_FIELDS: Final = ("input", "system", "output", "tools", "error_message", "context", "attributes")
_FEEDBACK_FIELDS: Final = ("comment", "correction", "label", "quote", "value", "metadata")
_MAX_DEPTH: Final = 200
TOO_DEEP: Final = "[REDACTED:nested-too-deeply]"


class Redactor:
    """A step of the pipeline: `redactor(interaction)` is the interaction without secrets.

    Nothing is changed in place. What holds no secret is handed on as the same object, so a clean interaction costs only
    the look at its text.

    Args:
        rules: tried in this order on every text.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT_RULES) -> None:
        self.rules = tuple(rules)
        self._shortest = SHORTEST_KEY if self.rules == DEFAULT_RULES else 0
        keywords = {keyword for rule in self.rules for keyword in rule.keywords}
        self._keywords = Words(keywords)
        self._keywords_in_json = Words(_as_in_json(keywords))

    def __call__(self, interaction: Interaction, encoded: Mapping[str, str] | None = None) -> Interaction:
        """`interaction` without secrets in its content, error message, context and attributes.

        Args:
            interaction: may hold objects of any kind, unless `encoded` is given.
            encoded: the JSON of each of `INTERACTION_FIELDS` that has something in it, all of them plain JSON values.
                What this has no keyword in needs no second look.
        """
        fields: Sequence[str] = INTERACTION_FIELDS
        if encoded is not None:
            any_in = self._keywords_in_json.any_in_encodable
            fields = [name for name, text in encoded.items() if any_in(text)]
        if not fields:
            return interaction
        changes = self._changes(interaction, fields)
        return dataclasses.replace(interaction, **changes) if changes else interaction

    def redact_feedback(self, feedback: Feedback) -> Feedback:
        """`feedback` without secrets in its comment, correction, label, quote, value and metadata."""
        changes = self._changes(feedback, _FEEDBACK_FIELDS)
        return dataclasses.replace(feedback, **changes) if changes else feedback

    def value(self, value: Any) -> Any:
        """`value`, which may be of any kind, without secrets in any text of it."""
        return self._clean(value, 0)

    def text(self, text: str) -> str:
        """`text` with a placeholder such as `[REDACTED:openai-key]` in place of each secret."""
        if len(text) < self._shortest and "@" not in text:
            return text  # roles, types, names: most texts of an interaction
        if not self._keywords.any_in(text):
            return text
        for rule in self.rules:
            text = rule.apply(text)
        return text

    def _changes(self, record: Interaction | Feedback, fields: Sequence[str]) -> dict[str, Any]:
        """The values that change, by field."""
        values = ((name, getattr(record, name)) for name in fields)
        cleaned = ((name, value, self._clean(value, 0)) for name, value in values)
        return {name: clean for name, value, clean in cleaned if clean is not value}

    def _clean(self, value: Any, depth: int) -> Any:
        """`value` without secrets in any text of it; the same object where there are none. Keys of mappings stay.

        What is nested deeper than anything real is dropped: nobody has looked into it.
        """
        if isinstance(value, str):
            clean = self.text(value)
            return value if clean == value else clean
        if isinstance(value, Mapping):
            return self._clean_mapping(value, depth)
        if isinstance(value, list | tuple):
            return self._clean_items(value, depth)
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._clean(codec.plain(value), depth)  # an object's text would otherwise first be seen when it is sent

    def _clean_mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return TOO_DEEP
        changes = {key: clean for key, item in value.items() if (clean := self._clean(item, depth + 1)) is not item}
        return {**value, **changes} if changes else value

    def _clean_items(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return TOO_DEEP
        cleaned = [self._clean(item, depth + 1) for item in value]
        if all(clean is item for clean, item in zip(cleaned, value, strict=True)):
            return value
        return tuple(cleaned) if isinstance(value, tuple) else cleaned


def _as_in_json(words: Iterable[str]) -> set[str]:
    """Each word as JSON may write it. Characters are escaped one by one, so a word in a text is one of these there."""
    return {encode(word)[1:-1] for word in words for encode in (json.dumps, codec.dumps)}
