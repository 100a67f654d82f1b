"""A rule: one kind of secret, and the words that must be in a text before its pattern is tried."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

Placeholder = Callable[[str, str], str]
"""What stands in the place of a secret: of the rule's name and what it found."""
Allowed = Callable[[str], bool]
"""Whether what a rule has found may stay."""


class TooSlow(Exception):  # noqa: N818 - says what it is
    """Nobody knows whether a text has what a pattern looks for. The message is the pattern."""


class Step(Protocol):
    """What a text goes through: a rule, or what stands beside the rules."""

    @property
    def name(self) -> str:
        """What stands in the place of what it finds."""

    @property
    def group(self) -> str:
        """What it is switched on and off with."""

    @property
    def keywords(self) -> tuple[str, ...]:
        """At least one of them is in each text that it changes, if there are any."""

    @property
    def hint(self) -> str:
        """A pattern that is in each text that it changes, if there is one."""

    @property
    def looks_everywhere(self) -> bool:
        """Whether nothing tells beforehand that it leaves a text as it is."""

    def apply(self, text: str, placeholder: Placeholder | None = None, allowed: Allowed | None = None) -> str:
        """`text` without what it looks for."""


def plain(name: str, _value: str) -> str:
    """What stands in the place of whatever the rule `name` has found, where nothing else is said."""
    return f"[REDACTED:{name}]"


PLACEHOLDER: Final = re.compile(r"\[REDACTED:([a-z0-9][a-z0-9_-]*)(?::[0-9a-f]{6})?\]")
"""What stands in the place of a secret, with the name of the rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of secret.

    Attributes:
        name: what stands in its place: `[REDACTED:name]`.
        regex: what it looks like; a group called `keep` at its start is left in the text. A text is compiled when it is
            first needed: most rules never find a word of theirs.
        keywords: at least one of these is in every text that the pattern can match; case matters.
        group: what it is switched on and off with: secrets, email, phone, ...
        check: what else must hold for what the pattern finds, without `keep`: a check digit, say.
        hint: a short pattern that is in every such text, also where that is written as JSON, and in fewer others than
            the keywords. In the words that Python and Rust share.
        sign: a character that all keywords share and prose has little of, looked for first; empty where there is none.
    """

    name: str
    regex: re.Pattern[str] | str
    keywords: tuple[str, ...]
    group: str = "secrets"
    check: Callable[[str], bool] | None = None
    hint: str = ""
    sign: str = field(init=False)

    def __post_init__(self) -> None:
        signs = (sign for sign in "_@-" if self.keywords and all(sign in keyword for keyword in self.keywords))
        object.__setattr__(self, "sign", next(signs, ""))

    @property
    def pattern(self) -> re.Pattern[str]:
        """The compiled form of `regex`."""
        return compiled(self.regex)

    @property
    def looks_everywhere(self) -> bool:
        """Whether nothing tells beforehand that a text has nothing of this kind in it."""
        return not self.keywords and not self.hint

    @property
    def replacement(self) -> str:
        """The template for `re.sub`."""
        return (r"\g<keep>" if "keep" in self.pattern.groupindex else "") + plain(self.name, "")

    def apply(self, text: str, placeholder: Placeholder | None = None, allowed: Allowed | None = None) -> str:
        """`text` with every secret of this kind replaced.

        Args:
            text: any text.
            placeholder: what stands in its place, where that is more than `[REDACTED:name]`.
            allowed: tells what may stay.
        """
        if not self._may_be_in(text):
            return text
        if placeholder is None and allowed is None and self.check is None:
            return self.pattern.sub(self.replacement, text)
        return self.pattern.sub(lambda found: self._replaced(found, placeholder, allowed), text)

    def _may_be_in(self, text: str) -> bool:
        if not self.keywords:
            return True
        if self.sign in text:
            for keyword in self.keywords:
                if keyword in text:
                    return True
        return False

    def _replaced(self, found: re.Match[str], placeholder: Placeholder | None, allowed: Allowed | None) -> str:
        kept = found["keep"] if "keep" in self.pattern.groupindex else ""
        value = found[0][len(kept) :]
        if (self.check is not None and not self.check(value)) or (allowed is not None and allowed(value)):
            return found[0]
        return kept + (placeholder or plain)(self.name, value)


@functools.cache
def compiled(regex: re.Pattern[str] | str) -> re.Pattern[str]:
    """`regex` compiled, once and when it is first needed: an application that starts shall not wait for it."""
    return re.compile(regex)


ALONE: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[bfnrt]))"
"""Not within a longer word, as "task-based" has no key in it; behind a line break as JSON in a text writes it, too."""
BASE64: Final = "A-Za-z0-9+/"
URL64: Final = "A-Za-z0-9_-"
ALNUM: Final = "A-Za-z0-9"
HEX: Final = "0-9a-f"
UUID: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def rule(name: str, pattern: str, *keywords: str, hint: str = "") -> Rule:
    """A rule for a secret with one of `keywords` in it."""
    return Rule(name, pattern, keywords, hint=hint)


def prefixed(name: str, prefixes: str, tail: str) -> Rule:
    """A rule for what begins with one of `prefixes`, which have spaces between them, and goes on as `tail` does."""
    words = tuple(prefixes.split())
    begins = "|".join(map(re.escape, words))
    first = compiled(_FIRST).match(tail)
    hint = f"(?:{begins}){first[1]}{{{min(8, int(first[2]))}}}" if first else ""
    return Rule(name, f"{ALONE}(?:{begins}){tail}", words, hint=hint)


_FIRST: Final = r"(\[[^\]]*\])\{(\d+)"
"""The characters that a tail begins with, and how many of them at least."""
