"""The fields of records that hold what people and models say."""

from __future__ import annotations

from typing import Final

INTERACTION_FIELDS: Final = ("input", "system", "output", "tools", "error_message", "context", "attributes")
FEEDBACK_FIELDS: Final = ("comment", "correction", "label", "quote", "value", "metadata")
