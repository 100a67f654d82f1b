"""Secrets out, placeholders in: keys, tokens, and what tells who somebody is, in what people and models say.

Loaded when something is first looked at: an application that starts does not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.redact.configured import redactor_for
    from rlhf_otel.redact.redactor import Redactor
    from rlhf_otel.redact.rule import Rule
    from rlhf_otel.redact.rules import DEFAULT_RULES

__all__ = ["DEFAULT_RULES", "Redactor", "Rule", "redactor_for"]
_HOMES = {"DEFAULT_RULES": "rules", "Redactor": "redactor", "Rule": "rule", "redactor_for": "configured"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value
