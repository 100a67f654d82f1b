"""The rules that hold where nothing else is said. A rule errs on the side of a real key: what has the shape of one is
replaced, whoever issued it.

Every pattern is linear in the length of the text: a start that cannot lie inside a longer run, bounded repeats, and no
two neighbours that could take the same character. `Rule` has no way to check this; the tests try each with long hostile
input.
"""

from __future__ import annotations

from typing import Final

from rlhf_otel.redact.rule import Rule
from rlhf_otel.redact.rules.credentials import CREDENTIAL_RULES
from rlhf_otel.redact.rules.models import MODEL_RULES
from rlhf_otel.redact.rules.personal import PERSONAL_RULES
from rlhf_otel.redact.rules.platforms import PLATFORM_RULES
from rlhf_otel.redact.rules.services import SERVICE_RULES

DEFAULT_RULES: Final[tuple[Rule, ...]] = (
    *MODEL_RULES, *PLATFORM_RULES, *SERVICE_RULES, *CREDENTIAL_RULES, *PERSONAL_RULES,
)  # fmt: skip
"""Tried in this order: a narrower rule stands before a wider one."""

GROUPS: Final[tuple[str, ...]] = tuple(dict.fromkeys(rule.group for rule in DEFAULT_RULES))
"""What rules are switched on and off by."""

SHORTEST: Final = 6
"""In characters. No shorter text holds anything that `DEFAULT_RULES` look for, apart from an address with an @."""
