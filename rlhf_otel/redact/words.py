"""Whether a text holds one of many words: the one look at every text that decides whether anybody looks closer."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rlhf_otel import codec


class Words:
    """`words.any_in(text)`: whether one of these words, case and all, is in a text.

    Looking for one word after the other takes a pass over the text for each. pydantic's core, which the SDKs bring
    along, has a search for all of them at once, 50 times as fast; where it is not there, we go word by word.
    """

    def __init__(self, words: Iterable[str]) -> None:
        words = sorted(set(words))
        self._characters = [word for word in words if len(word) == 1]  # the interpreter is faster still at these
        self._words = [word for word in words if len(word) > 1]
        self._search: Any = None

    def any_in(self, text: str) -> bool:
        """Whether one of the words is in `text`; also True for a text that cannot be searched, which nobody knows."""
        return not codec.is_encodable(text) or self.any_in_encodable(text)

    def any_in_encodable(self, text: str) -> bool:
        """The same for a text that is known to have a form in UTF-8, as JSON that was encoded has."""
        for character in self._characters:
            if character in text:
                return True
        if self._search is None and not self._prepare():
            return self._one_by_one(text)
        return bool(self._search(text))

    def _prepare(self) -> bool:
        """Makes the search where that is possible by now: an SDK may be imported after us."""
        core: Any = sys.modules.get("pydantic_core")
        if core is None or not self._words:
            return False
        pattern = "|".join(map(_literally, self._words))
        try:
            schema = core.core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
            self._search = core.SchemaValidator(schema).isinstance_python
        except Exception:  # noqa: BLE001 - another version of the core: what it is for us is a faster way only
            self._search = self._one_by_one
        return True

    def _one_by_one(self, text: str) -> bool:
        return any(word in text for word in self._words)


def _literally(word: str) -> str:
    """The pattern that matches `word` alone, in every version of the language of patterns."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in word)
