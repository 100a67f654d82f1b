"""The redactor that the settings ask for: the one way to get one, wherever something leaves a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlhf_otel.redact.redactor import Redactor

if TYPE_CHECKING:
    from rlhf_otel.config import Config


def redactor_for(config: Config, *, always: bool = False) -> Redactor | None:
    """The redactor with the rules of the settings.

    Args:
        config: the effective settings.
        always: whether there shall be one also where redaction is switched off, as what looks for secrets needs one.

    Returns:
        None where redaction is switched off.
    """
    return Redactor() if config.redact or always else None
