"""sambanova."""

from __future__ import annotations

import sambanova

from .case import Library
from .openai_like import chat_cases

LIBRARY = Library(
    package="sambanova",
    clients={
        "sync": lambda url: sambanova.SambaNova(base_url=url, api_key="k", max_retries=0),
        "async": lambda url: sambanova.AsyncSambaNova(base_url=url, api_key="k", max_retries=0),
    },
    provider="sambanova",
    cases=chat_cases(),
)
