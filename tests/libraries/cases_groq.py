"""groq: the usage of a stream comes unasked, in a field of its own."""

from __future__ import annotations

import groq

from .case import Library
from .openai_like import USAGE, chat_cases

LIBRARY = Library(
    package="groq",
    clients={
        "sync": lambda url: groq.Groq(base_url=url, api_key="k", max_retries=0),
        "async": lambda url: groq.AsyncGroq(base_url=url, api_key="k", max_retries=0),
    },
    provider="groq",
    cases=chat_cases(x_groq={"id": "req_1", "usage": USAGE}),
)
