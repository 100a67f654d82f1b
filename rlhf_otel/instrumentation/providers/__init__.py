"""The client libraries that are instrumented, one file each, and what third parties add."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.stainless import Provider

BUILT_IN = {"openai": "rlhf_otel.instrumentation.providers.openai",
            "anthropic": "rlhf_otel.instrumentation.providers.anthropic"}  # fmt: skip
"""Package of the client library -> the module whose `provider` reads it."""

ENTRY_POINT_GROUP = "rlhf_otel.providers"
"""Where other distributions name providers of their own: the package as the name, the module as the value."""


def load(module: str) -> Provider:
    """The provider that `module` holds."""
    provider: Provider = importlib.import_module(module).provider
    return provider
