"""Values that are secret by what they are called: in objects, and in the JSON and the code that texts have in them."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rlhf_otel.redact.rule import PLACEHOLDER, Allowed, Placeholder, plain
from rlhf_otel.redact.rules.credentials import is_quoted_password

_BETWEEN: Final = "[_ .-]?"
_DROPPED: Final = str.maketrans("", "", "_- ")
_NUMBER: Final = r"-?\d[\d.eE+-]*"


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Names of values that are a secret whatever they say.

    Attributes:
        name: what stands in their place: `[REDACTED:name]`.
        keys: in any case, and with or without `_`, `-` and spaces; `*` stands for anything.
        whole: whether an object or a list goes too, and a value that is plainly none: those of the user's own rules.
    """

    name: str
    keys: tuple[str, ...]
    whole: bool = True


DEFAULT_KEYS: Final[tuple[KeyRule, ...]] = (
    KeyRule("password", ("*password", "*passwd", "*pwd", "*passphrase", "passcode"), whole=False),
    KeyRule(
        "secret",
        ("*secret", "*api_key", "*secret_key", "*secret_access_key", "*access_token", "*refresh_token", "id_token",
         "*auth_token", "session_token", "*private_key", "authorization", "proxy_authorization", "cookie", "set_cookie",
         "*connection_string"),
        whole=False,
    ),
)  # fmt: skip
"""By the end of what they are called, where that says it: `db_password`, `OPENAI_API_KEY`."""


class Keys:
    """Finds values by their keys."""

    def __init__(self, rules: Sequence[KeyRule]) -> None:
        exact = [(_plain(key), rule) for rule in rules for key in rule.keys]
        self._exact = {key: rule for key, rule in reversed(exact) if "*" not in key}
        self._like = [(re.compile(fnmatch.translate(key)), rule) for key, rule in exact if "*" in key]
        self._known: dict[str, KeyRule | None] = {}

    def rule_of(self, key: Any) -> KeyRule | None:
        """The rule that makes the value of `key` a secret, by its last word where dots stand between them."""
        if not isinstance(key, str) or len(key) > _LONGEST:
            return None
        if key not in self._known:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            self._known[key] = self._found(_plain(key.rpartition(".")[2]))
        return self._known[key]

    def _found(self, key: str) -> KeyRule | None:
        found = self._exact.get(key)
        return found or next((rule for pattern, rule in self._like if pattern.match(key)), None)

    def masked(self, value: Any, rule: KeyRule, placeholder: Placeholder, allowed: Allowed | None) -> Any:
        """What stands for the value of a key that `rule` names; the same object where it may stay."""
        if isinstance(value, str):
            return placeholder(rule.name, value) if _goes(value, rule, allowed) else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return placeholder(rule.name, str(value))
        if isinstance(value, list | tuple) and not any(isinstance(item, Mapping | list | tuple) for item in value):
            made = [self.masked(item, rule, placeholder, allowed) for item in value]
            return value if all(a is b for a, b in zip(made, value, strict=True)) else made
        return placeholder(rule.name, repr(value)) if rule.whole and value not in (None, True, False) else value


_LONGEST: Final = 200
_REMEMBERED: Final = 5000


def _plain(key: str) -> str:
    return key.lower().translate(_DROPPED)


def _goes(value: str, rule: KeyRule, allowed: Allowed | None) -> bool:
    if not value or PLACEHOLDER.fullmatch(value) or (allowed is not None and allowed(value)):
        return False
    return rule.whole or is_quoted_password(value)


class KeyInText:
    """A step for texts: finds `"password": "..."` in them, quoted as JSON, JSON within JSON and Python do."""

    group = "secrets"
    keywords: tuple[str, ...] = ()
    looks_everywhere = False

    def __init__(self, rule: KeyRule) -> None:
        self.name, self._rule = rule.name, rule
        self._names = _any_of(rule.keys)
        self.hint = _any_of(key.lstrip("*") for key in rule.keys) + r"[\\\"'` ]{1,8}:"

    @functools.cached_property
    def _plain(self) -> re.Pattern[str]:
        return re.compile(
            rf"(?P<keep>(?P<q>[\"']){self._names}(?P=q)\s{{0,5}}:\s{{0,5}})"
            rf"(?:(?P<o>\")(?P<v>[^\"\\]*(?:\\.[^\"\\]*)*)\"|(?P<o2>')(?P<v2>[^'\\]*(?:\\.[^'\\]*)*)'|(?P<n>{_NUMBER}))",
            re.DOTALL,
        )

    @functools.cached_property
    def _escaped(self) -> re.Pattern[str]:
        inner = r"(?:[^\"\\]|\\\\(?:\\[\"\\]|[^\\\"]))*"
        return re.compile(
            rf"(?P<keep>\\\"{self._names}\\\"\s{{0,5}}:\s{{0,5}})(?:(?P<o>\\\")(?P<v>{inner})\\\"|(?P<n>{_NUMBER}))"
        )

    def apply(self, text: str, placeholder: Placeholder | None = None, allowed: Allowed | None = None) -> str:
        """`text` with the value of each such key replaced."""

        def replaced(found: re.Match[str]) -> str:
            groups = found.groupdict()
            quote = groups["o"] or groups.get("o2") or groups.get("q") or '\\"'
            value = groups["v"] or groups.get("v2") or groups["n"] or ""
            if not _goes(value, self._rule, allowed):
                return found[0]
            mark = (placeholder or plain)(self.name, value)
            return f"{found['keep']}{quote}{mark}{quote}"

        return self._escaped.sub(replaced, self._plain.sub(replaced, text))


def _any_of(keys: Iterable[str]) -> str:
    return "(?i:" + "|".join(map(_spelled, keys)) + ")"


def _spelled(key: str) -> str:
    """The pattern of a key, however its words are put together."""
    parts = ("[^\"'\\\\:]{0,64}" if character == "*" else re.escape(character) for character in key.translate(_DROPPED))
    return _BETWEEN.join(parts)
