"""What a user adds to the built-in rules."""

from __future__ import annotations

from dataclasses import dataclass

from rlhf_otel.redact.keyed import KeyRule
from rlhf_otel.redact.paths import PathRule
from rlhf_otel.redact.rule import Allowed, Step


@dataclass(frozen=True, slots=True)
class UserRules:
    """What a file says, as far as it could be understood.

    Attributes:
        rules: patterns.
        keys: names of values.
        paths: places in records.
        allowed: tells what may stay; None where nothing may.
        disabled: names of built-in rules and of groups of them.
        faults: what is wrong, each with its line.
    """

    rules: tuple[Step, ...] = ()
    keys: tuple[KeyRule, ...] = ()
    paths: tuple[PathRule, ...] = ()
    allowed: Allowed | None = None
    disabled: frozenset[str] = frozenset()
    faults: tuple[str, ...] = ()
