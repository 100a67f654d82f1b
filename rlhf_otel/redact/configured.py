"""The redactor that the settings ask for: the one way to get one, wherever something leaves a process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeVar, overload

from rlhf_otel import hooks
from rlhf_otel.redact.keyed import DEFAULT_KEYS, KeyRule
from rlhf_otel.redact.redactor import Redactor
from rlhf_otel.redact.rule import Rule
from rlhf_otel.redact.rules import DEFAULT_RULES
from rlhf_otel.redact.user import UserRules

if TYPE_CHECKING:
    from rlhf_otel.config import Config

NAMES = frozenset({"all", *(name for rule in DEFAULT_RULES for name in (rule.name, rule.group))})
"""What the setting `redact_rules` may name."""
Named = TypeVar("Named", Rule, KeyRule)


@overload
def redactor_for(config: Config) -> Redactor | None: ...
@overload
def redactor_for(config: Config, *, always: Literal[True]) -> Redactor: ...
def redactor_for(config: Config, *, always: bool = False) -> Redactor | None:
    """The redactor with the rules of the settings and of the user's file.

    What is wrong with the file is one line in the log for each fault; what is right of it holds, and so do the built-in
    rules.

    Args:
        config: the effective settings.
        always: whether there shall be one also where redaction is switched off, as what looks for secrets needs one.

    Returns:
        None where redaction is switched off.
    """
    if not config.redact and not always:
        return None
    user = _of_user(config.redact_file)
    for fault in user.faults:
        hooks.say(f"redact file {fault}", "%s; redacting without it, by the built-in rules and the rest", fault)
    for name in unknown_rules(config):
        hooks.say(f"redact rules {name}", "redact_rules names %r; `rlhf-otel redact --list` shows what there is", name)
    return configured(config.redact_rules, user, _hash_key(config) if config.redact_hash else None)


def unknown_rules(config: Config) -> list[str]:
    """What the setting `redact_rules` names, and no built-in rule or group is called."""
    return sorted({word.removeprefix("-") for word in config.redact_rules} - NAMES)


def _of_user(path: str | None) -> UserRules:
    if not path:
        return UserRules()
    from rlhf_otel.redact import rulefile

    return rulefile.read(path, DEFAULT_RULES)


def configured(wanted: Sequence[str], user: UserRules, hash_key: Callable[[], bytes] | None = None) -> Redactor:
    """A redactor with the built-in rules that are `wanted` and those of the user.

    Args:
        wanted: names of rules or of groups, or all; one with a minus before it is not.
        user: what the user's file says.
        hash_key: as the redactor takes it.
    """
    off = frozenset({*user.disabled, *(word[1:] for word in wanted if word.startswith("-"))})
    on = {word for word in wanted if not word.startswith("-")}
    groups = {rule.name: rule.group for rule in DEFAULT_RULES}

    def held(found: Iterable[Named]) -> tuple[Named, ...]:
        named = ((each, {each.name, groups.get(each.name, "secrets")}) for each in found)
        return tuple(each for each, names in named if not names & off and (not on or "all" in on or names & on))

    rules, built_in_keys = held(DEFAULT_RULES), held(DEFAULT_KEYS)
    return Redactor(
        (*user.rules, *rules),
        keys=(*user.keys, *built_in_keys),
        paths=user.paths,
        allowed=user.allowed,
        hash_key=hash_key,
    )


def _hash_key(config: Config) -> Callable[[], bytes]:
    """The key of the setting, else one made from the installation's, which is looked up when it is first needed."""
    if config.redact_key:
        return partial(bytes, config.redact_key.encode())
    import hashlib
    import hmac

    from rlhf_otel import keys

    return lambda: hmac.new(keys.signing(), b"rlhf-otel redaction", hashlib.sha256).digest()
