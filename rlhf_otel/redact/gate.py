"""Whether a text may hold what rules look for: the one look at every text that decides whether anybody looks closer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rlhf_otel import codec
from rlhf_otel.redact.rule import Step


class Gate:
    """`gate.lets(text)`: whether one of these rules may find something in a text.

    Looking for one word after the other takes a pass over the text for each. pydantic's core, which the SDKs bring
    along, has a search for all of them at once, 50 times as fast; where it is not there, we go word by word.
    """

    def __init__(self, rules: Sequence[Step], *, in_json: bool = False) -> None:
        """`in_json` is for texts that are JSON, which writes some characters otherwise."""
        spelled = _as_in_json if in_json else set
        self._always = any(rule.looks_everywhere for rule in rules)
        hinted = [rule.hint for rule in rules if rule.hint]
        words = spelled(word for rule in rules if not rule.hint for word in rule.keywords)
        self._characters = [word for word in words if len(word) == 1]  # the interpreter is faster still at these
        self._parts = [*map(_literally, sorted(word for word in words if len(word) > 1)), *dict.fromkeys(hinted)]
        self._words = sorted(spelled(word for rule in rules for word in rule.keywords))
        self._wordless = [rule.hint for rule in rules if not rule.keywords and rule.hint]
        self._patterns: list[re.Pattern[str]] | None = None
        self._search: Any = None

    def lets(self, text: str) -> bool:
        """Whether `text` is to be looked at; also one that cannot be searched, of which nobody knows."""
        return not codec.is_encodable(text) or self.lets_encodable(text)

    def lets_encodable(self, text: str) -> bool:
        """The same for a text that is known to have a form in UTF-8, as JSON that was encoded has."""
        if self._always:
            return True
        for character in self._characters:
            if character in text:
                return True
        if self._search is None and not self._prepare():
            return self._one_by_one(text)
        return bool(self._search(text))

    def _prepare(self) -> bool:
        """Makes the search where that is possible by now: an SDK may be imported after us."""
        core: Any = sys.modules.get("pydantic_core")
        if core is None or not self._parts:
            return False
        try:
            schema = core.core_schema.str_schema(pattern="|".join(self._parts), regex_engine="rust-regex")
            self._search = core.SchemaValidator(schema).isinstance_python
        except Exception:  # noqa: BLE001 - another version of the core: what it is for us is a faster way only
            self._search = self._one_by_one
        return True

    def _one_by_one(self, text: str) -> bool:
        for word in self._words:  # `any` of a generator would take three times as long
            if word in text:
                return True
        if self._patterns is None:
            self._patterns = [re.compile(hint) for hint in self._wordless]
        return any(pattern.search(text) for pattern in self._patterns)


def _literally(word: str) -> str:
    """The pattern that matches `word` alone, in every version of the language of patterns."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in word)


def _as_in_json(words: Iterable[str]) -> set[str]:
    """Each word as JSON may write it. Characters are escaped one by one, so a word in a text is one of these there."""
    return {encode(word)[1:-1] for word in words for encode in (json.dumps, codec.dumps)}
