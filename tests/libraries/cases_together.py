"""together."""

from __future__ import annotations

import together

from .case import Library
from .openai_like import chat_cases

LIBRARY = Library(
    package="together",
    clients={
        "sync": lambda url: together.Together(base_url=url, api_key="k", max_retries=0),
        "async": lambda url: together.AsyncTogether(base_url=url, api_key="k", max_retries=0),
    },
    provider="together",
    cases=chat_cases(),
)
