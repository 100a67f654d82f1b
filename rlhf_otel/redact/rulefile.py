"""The user's own rules: a file in TOML, read into rules, and what is wrong with it by line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rlhf_otel.redact import paths
from rlhf_otel.redact.cheap import literals
from rlhf_otel.redact.fields import FEEDBACK_FIELDS, INTERACTION_FIELDS
from rlhf_otel.redact.keyed import KeyRule
from rlhf_otel.redact.paths import PathRule
from rlhf_otel.redact.rule import Allowed, Placeholder, Rule, plain
from rlhf_otel.redact.timebox import BoxedPattern
from rlhf_otel.redact.user import UserRules

FIELDS: Final = (*INTERACTION_FIELDS, *FEEDBACK_FIELDS)
"""Where a path may begin."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_TABLES: Final = ("rules", "keys", "paths", "allow", "disable")
_RULE_WORDS: Final = ("regex", "ignore_case", "keywords")


class UserRule:
    """A pattern of the user's, as a step for texts."""

    group = "own"
    hint = ""

    def __init__(self, name: str, pattern: re.Pattern[str], keywords: Sequence[str] = ()) -> None:
        """`keywords`: at least one of them is in all that the pattern matches; found in it where none is given."""
        self.name, self.boxed = name, BoxedPattern(pattern)
        self.keywords = tuple(keywords) or literals(pattern)

    @property
    def looks_everywhere(self) -> bool:
        """Whether nothing tells beforehand that a text has nothing of this kind in it."""
        return not self.keywords

    def apply(self, text: str, placeholder: Placeholder | None = None, allowed: Allowed | None = None) -> str:
        """`text` with all that the pattern matches replaced.

        Raises:
            TooSlow: nobody can tell in time.
        """
        if self.keywords and not any(word in text for word in self.keywords):
            return text
        pieces, at = [], 0
        for start, end in self.boxed.spans(text):
            value = text[start:end]
            if value and not (allowed is not None and allowed(value)):
                mark = (placeholder or plain)(self.name, value)
                pieces += [text[at:start], mark]
                at = end
        return "".join([*pieces, text[at:]])


def read(path: str, known: Sequence[Rule]) -> UserRules:
    """The rules in a file. Never raises: what is wrong is in `faults`, and what is right holds.

    Args:
        path: a file in TOML.
        known: the built-in rules, which the file may switch off.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text in UTF-8"
        return UserRules(faults=(f"{path} cannot be read: {said}",))
    try:
        content = _parsed(text)
    except ValueError as error:
        return UserRules(faults=(f"{path} is not valid TOML: {error}",))
    return _Reader(path, text, known).rules(content)


def _parsed(text: str) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)  # type: ignore[no-any-return]


@dataclass
class _Reader:
    """Goes through a file that is TOML."""

    path: str
    text: str
    known: Sequence[Rule]
    faults: list[str] = field(default_factory=list)

    def rules(self, content: Mapping[str, Any]) -> UserRules:
        for table in content:
            if table not in _TABLES:
                self._wrong(table, "", f"there is no {table!r}; there are {', '.join(_TABLES)}")
        return UserRules(
            rules=tuple(self._patterns(content)),
            keys=tuple(self._keys(content)),
            paths=tuple(self._paths(content)),
            allowed=self._allowed(content.get("allow", {})),
            disabled=frozenset(self._disabled(content.get("disable", []))),
            faults=tuple(self.faults),
        )

    def _patterns(self, content: Mapping[str, Any]) -> Iterator[UserRule]:
        for name, value in self._table(content, "rules"):
            said = {"regex": value} if isinstance(value, str) else value
            if not isinstance(said, Mapping) or not isinstance(said.get("regex"), str):
                self._wrong("rules", name, f"the rule {name!r} has no regex")
            elif unknown := set(said) - set(_RULE_WORDS):
                self._wrong("rules", name, f"the rule {name!r} has {min(unknown)!r}; it takes {', '.join(_RULE_WORDS)}")
            else:
                pattern = self._compiled("rules", name, said["regex"], re.IGNORECASE if said.get("ignore_case") else 0)
                if pattern is not None:
                    yield UserRule(name, pattern, _texts(said.get("keywords", ())))

    def _keys(self, content: Mapping[str, Any]) -> Iterator[KeyRule]:
        for name, said in self._table(content, "keys"):
            if keys := _texts(said):
                yield KeyRule(name, keys)
            else:
                self._wrong("keys", name, f'{name!r} takes the names of keys: ["ssn", "tax_*"]')

    def _paths(self, content: Mapping[str, Any]) -> Iterator[PathRule]:
        for name, said in self._table(content, "paths"):
            if not _texts(said):
                self._wrong("paths", name, f'{name!r} takes paths: ["context.notes"]')
            for path in _texts(said):
                try:
                    yield paths.parse(name, path, FIELDS)
                except ValueError as error:
                    self._wrong("paths", name, str(error))

    def _allowed(self, said: Any) -> Allowed | None:
        if not isinstance(said, Mapping) or set(said) - {"exact", "regex"}:
            self._wrong("allow", "", "allow takes exact and regex, each a list of texts")
            return None
        exact = frozenset(_texts(said.get("exact", ())))
        compiled = (self._compiled("allow", "regex", regex, 0) for regex in _texts(said.get("regex", ())))
        boxed = [BoxedPattern(pattern) for pattern in compiled if pattern is not None]
        if not exact and not boxed:
            return None
        return lambda value: value in exact or any(pattern.is_all_of(value) for pattern in boxed)

    def _disabled(self, said: Any) -> Iterator[str]:
        names = {name for rule in self.known for name in (rule.name, rule.group)}
        for name in _texts(said):
            if name in names:
                yield name
            else:
                self._wrong("disable", "", f"no rule is called {name!r}; `rlhf-otel redact --list` shows all")

    def _table(self, content: Mapping[str, Any], table: str) -> Iterator[tuple[str, Any]]:
        said = content.get(table, {})
        if not isinstance(said, Mapping):
            self._wrong(table, "", f"{table} is a table: [{table}]")
            return
        for name, value in said.items():
            if _NAME.match(name):
                yield name, value
            else:
                self._wrong(table, name, f"{name!r} is no name: it takes small letters, digits, - and _")

    def _compiled(self, table: str, name: str, regex: str, flags: int) -> re.Pattern[str] | None:
        try:
            return re.compile(regex, flags)
        except (re.error, RecursionError, OverflowError) as error:
            self._wrong(table, name, f"{name!r} is no regular expression: {error}")
            return None

    def _wrong(self, table: str, name: str, message: str) -> None:
        self.faults.append(f"{self.path}, line {_line(self.text, table, name)}: {message}")


def _texts(said: Any) -> tuple[str, ...]:
    """A list of texts, or one text."""
    if isinstance(said, str):
        return (said,)
    return tuple(said) if isinstance(said, list | tuple) and all(isinstance(each, str) for each in said) else ()


def _line(text: str, table: str, name: str) -> int:
    """The line on which `name` of `table` begins, counted from 1; that of the table where it has none of its own."""
    begins = rf"\s*\[?\[?\s*[\"']?{re.escape(table)}[\"']?\s*"
    heads = [rf"{begins}(?:[\]=.]|$)"]
    inner = rf"[\"']?{re.escape(name)}[\"']?"
    within, found = False, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"{begins}\.\s*{inner}\s*[\]=.]", line):
            return number
        if line.lstrip().startswith("["):
            within = re.match(heads[0], line) is not None
        if re.match(heads[0], line):
            found = found or number
        elif name and within and re.match(rf"\s*{inner}\s*[=.]", line):
            return number
    return found or 1
