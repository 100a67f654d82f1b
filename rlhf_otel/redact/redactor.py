"""Takes secrets out of interactions and feedback before anything of them is written, sent or shown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel import codec, hooks, semconv
from rlhf_otel.redact import places
from rlhf_otel.redact.fields import FEEDBACK_FIELDS, INTERACTION_FIELDS
from rlhf_otel.redact.gate import Gate
from rlhf_otel.redact.keyed import DEFAULT_KEYS, KeyInText, KeyRule, Keys
from rlhf_otel.redact.numbers import is_public_address
from rlhf_otel.redact.paths import PathRule, masked
from rlhf_otel.redact.rule import Allowed, Placeholder, Step, TooSlow, plain
from rlhf_otel.redact.rules import DEFAULT_RULES, SHORTEST

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

_NAMES: Final = ("name", "request_model", "response_model")
_MAX_DEPTH: Final = 200
TOO_DEEP: Final = "[REDACTED:nested-too-deeply]"
TOO_SLOW: Final = "[REDACTED:too-slow]"
"""Stands for a text of which nobody could tell in time whether a pattern of the user's matches."""
_REMEMBERED, _LONGEST_KNOWN = 5000, 64
"""How many names of keys are known to have no secret in them, and how long they may be for that."""
_TOGETHER: Final = 16
"""Rules that share one look: few enough that most looks find nothing, and enough that they pay."""


class Redactor:
    """A step of the pipeline: `redactor(interaction)` is the interaction without secrets.

    Nothing is changed in place. What holds no secret is handed on as the same object, so a clean interaction costs only
    the look at its text.
    """

    def __init__(
        self,
        rules: Sequence[Step] = DEFAULT_RULES,
        *,
        keys: Sequence[KeyRule] = DEFAULT_KEYS,
        paths: Sequence[PathRule] = (),
        allowed: Allowed | None = None,
        hash_key: Callable[[], bytes] | None = None,
    ) -> None:
        """What to look for.

        Args:
            rules: tried in this order on every text.
            keys: the values of these keys go, whatever they are.
            paths: what stands at these places goes, whatever it is.
            allowed: tells what may stay although a rule has found it.
            hash_key: gives the key by which placeholders tell equal values; without it they only tell kinds.
        """
        self.rules = tuple(rules)
        self._keys, self._paths, self._allowed, self._hash_key = Keys(keys), tuple(paths), allowed, hash_key
        self._placeholder: Placeholder | None = self._hashed if hash_key is not None else None
        self._shortest = SHORTEST if set(DEFAULT_RULES).issuperset(self.rules) else 0
        self._in_text = tuple(map(KeyInText, keys))
        self._key_gate = Gate(self._in_text)
        self.steps: tuple[Step, ...] = (*self._in_text, *self.rules)
        self._clean_keys: set[Any] = set()
        self._gate, self._gate_of_json = Gate(self.steps), Gate(self.steps, in_json=True)
        self._groups = [_group(self.steps[at : at + _TOGETHER]) for at in range(0, len(self.steps), _TOGETHER)]

    def __call__(self, interaction: Interaction, encoded: Mapping[str, str] | None = None) -> Interaction:
        """`interaction` without secrets in its content, error message, context, attributes and names.

        Args:
            interaction: may hold objects of any kind, unless `encoded` is given.
            encoded: the JSON of each of `INTERACTION_FIELDS` that has something in it, all of them plain JSON values.
                What this has no keyword in needs no second look.
        """
        fields: Sequence[str] = INTERACTION_FIELDS
        if encoded is not None:
            lets = self._gate_of_json.lets_encodable
            fields = [name for name, text in encoded.items() if lets(text)]
        changes = self._changes(interaction, fields)
        if self._gate.lets(interaction.name):
            changes |= self._changed(interaction, _NAMES)
        if interaction.error_message is not None:
            said = changes.get("error_message", interaction.error_message)
            if (hidden := places.hidden(said, self.mark)) != said:
                changes["error_message"] = hidden
        return dataclasses.replace(interaction, **changes) if changes else interaction

    def redact_feedback(self, feedback: Feedback) -> Feedback:
        """`feedback` without secrets in its comment, correction, label, quote, value and metadata."""
        changes = self._changes(feedback, FEEDBACK_FIELDS)
        return dataclasses.replace(feedback, **changes) if changes else feedback

    @property
    def may_wait(self) -> bool:
        """Whether a pattern of the user's is among the rules that is matched elsewhere, as it may take for long."""
        boxed = (getattr(step, "boxed", None) for step in self.steps)
        return any(one is not None and not one.is_cheap for one in boxed)

    def value(self, value: Any) -> Any:
        """`value`, which may be of any kind, without secrets in any text of it."""
        return self._clean(value, 0)

    def attribute(self, key: str, value: Any) -> Any:
        """The value of an attribute without secrets, of which also its name may say that it is one."""
        if key.startswith(_OF_EXCEPTIONS) and isinstance(value, str):
            value = places.hidden(value, self.mark)
        return self.under(key, value)

    def under(self, key: str, value: Any) -> Any:
        """`value` without secrets, which is one itself where what it stands under says so."""
        rule = self._keys.rule_of(key)
        return self._clean(value, 0) if rule is None else self._masked(value, rule)

    def text(self, text: str) -> str:
        """`text` with a placeholder such as `[REDACTED:openai-key]` in place of each secret."""
        if len(text) < self._shortest and "@" not in text:
            return text  # roles, types, names: most texts of an interaction
        if not self._gate.lets(text):
            return text
        try:
            return self._looked_through(text)
        except TooSlow as slow:
            hooks.count("redaction_timeouts")
            hooks.say(
                "redaction", "a pattern of the redaction file takes too long, so texts are masked whole: %s", slow
            )
            return TOO_SLOW

    def mark(self, name: str, value: str) -> str:
        """What stands in the place of `value`, which the rule `name` has found."""
        return (self._placeholder or plain)(name, value)

    def mark_with(self, placeholder: Placeholder) -> None:
        """Has `placeholder` say what stands in the place of what is found."""
        self._placeholder = placeholder

    def _looked_through(self, text: str) -> str:
        whole = self._as_json(text)
        if whole is not None:
            return whole
        for gate, steps in self._groups:
            if gate.lets(text):
                for step, lets in steps:
                    if lets is None or lets(text):
                        text = step.apply(text, self._placeholder, self._allowed)
        return text

    def _as_json(self, text: str) -> str | None:
        """`text` cleaned as what it encodes, where it is JSON with a key that says of its value that it is secret."""
        if text.lstrip()[:1] not in ("{", "[") or not self._key_gate.lets(text):
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        clean = self._clean(value, 0)
        if clean is value:
            return text
        # An escape may stand for half of a character, which is no text by itself.
        return codec.whole(json.dumps(clean, ensure_ascii=False))

    def _hashed(self, name: str, value: str) -> str:
        import hashlib
        import hmac

        assert self._hash_key is not None
        digest = hmac.new(self._hash_key(), value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"[REDACTED:{name}:{digest[:6]}]"

    def _changes(self, record: Interaction | Feedback, fields: Sequence[str]) -> dict[str, Any]:
        """The values that change, by field."""
        changes: dict[str, Any] = {}
        for path in self._paths:
            if (value := changes.get(path.field, getattr(record, path.field, None))) is not None:
                clean = masked(value, path.steps, self.mark, path.name)
                if clean is not value:
                    changes[path.field] = clean
        return changes | self._changed(record, fields, changes)

    def _changed(
        self, record: Interaction | Feedback, fields: Sequence[str], before: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        values = ((name, (before or {}).get(name, getattr(record, name))) for name in fields)
        # A definition of a tool has names of values, and no values.
        cleaned = ((name, value, self._clean(value, 0, by_key=name != "tools")) for name, value in values)
        return {name: clean for name, value, clean in cleaned if clean is not value}

    def _clean(self, value: Any, depth: int, *, by_key: bool = True) -> Any:
        """`value` without secrets in any text of it, names of keys too; the same object where there are none.

        What is nested deeper than anything real is dropped: nobody has looked into it.
        """
        if isinstance(value, str):
            clean = self.text(value)
            return value if clean == value else clean
        if isinstance(value, Mapping):
            return self._clean_mapping(value, depth, by_key)
        if isinstance(value, list | tuple):
            return self._clean_items(value, depth, by_key)
        if value is None or isinstance(value, bool | int | float):
            return value
        # An object's text would otherwise first be seen when it is sent.
        return self._clean(codec.plain(value), depth, by_key=by_key)

    def _clean_mapping(self, value: Mapping[Any, Any], depth: int, by_key: bool) -> Any:
        if depth > _MAX_DEPTH:
            return TOO_DEEP
        changes = {}
        for key, item in value.items():
            rule = self._keys.rule_of(key) if by_key else None
            clean = item if rule is None else self._masked(item, rule)
            if clean is item and not (key == semconv.SERVER_ADDRESS and is_public_address(str(item))):  # nobody's home
                clean = self._clean(item, depth + 1, by_key=by_key)
            if clean is not item:
                changes[key] = clean
        return self._clean_names({**value, **changes} if changes else value)

    def _clean_names(self, value: Mapping[Any, Any]) -> Mapping[Any, Any]:
        """`value` under names without secrets: an address book may have its addresses there. None is lost for it."""
        if self._clean_keys.issuperset(value):
            return value  # nearly always: this is asked of every part of a message
        names = [self.text(key) if isinstance(key, str) else key for key in value]
        if names == list(value):
            if len(self._clean_keys) + len(names) > _REMEMBERED:
                self._clean_keys = set()
            self._clean_keys.update(key for key in names if not isinstance(key, str) or len(key) < _LONGEST_KNOWN)
            return value
        made: dict[Any, Any] = {}
        for name, item in zip(names, value.values(), strict=True):
            free = (f"{name}:{number}" for number in range(2, len(names) + 2))
            made[name if name not in made else next(each for each in free if each not in made)] = item
        return made

    def _masked(self, value: Any, rule: KeyRule) -> Any:
        return self._keys.masked(value, rule, self.mark, self._allowed)

    def _clean_items(self, value: list[Any] | tuple[Any, ...], depth: int, by_key: bool) -> Any:
        if depth > _MAX_DEPTH:
            return TOO_DEEP
        cleaned = [self._clean(item, depth + 1, by_key=by_key) for item in value]
        if all(clean is item for clean, item in zip(cleaned, value, strict=True)):
            return value
        return tuple(cleaned) if isinstance(value, tuple) else cleaned


_OF_EXCEPTIONS: Final = ("exception.", "error.message")


def _group(steps: Sequence[Step]) -> tuple[Gate, list[tuple[Step, Callable[[str], bool] | None]]]:
    """Steps behind one gate; those that no word tells of have one each besides."""
    return Gate(steps), [(step, None if step.keywords or not step.hint else Gate([step]).lets) for step in steps]
