"""Secrets out, placeholders in: keys, tokens and e-mail addresses in what people and models say to each other."""

from __future__ import annotations

from rlhf_otel.redact.configured import redactor_for
from rlhf_otel.redact.redactor import Redactor
from rlhf_otel.redact.rules import DEFAULT_RULES, Rule

__all__ = ["DEFAULT_RULES", "Redactor", "Rule", "redactor_for"]
