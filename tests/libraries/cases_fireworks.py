"""fireworks-ai."""

from __future__ import annotations

import fireworks

from .case import Library
from .openai_like import chat_cases

LIBRARY = Library(
    package="fireworks",
    clients={
        "sync": lambda url: fireworks.Fireworks(base_url=url, api_key="k", max_retries=0),
        "async": lambda url: fireworks.AsyncFireworks(base_url=url, api_key="k", max_retries=0),
    },
    provider="fireworks",
    cases=chat_cases(),
)
