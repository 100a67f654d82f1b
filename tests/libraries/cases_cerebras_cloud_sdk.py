"""cerebras-cloud-sdk."""

from __future__ import annotations

import inspect

from cerebras.cloud import sdk

from .case import Library
from .openai_like import chat_cases

OPTIONS = {"api_key": "k", "max_retries": 0}
if (
    "warm_tcp_connection" in inspect.signature(sdk.Cerebras).parameters
):  # older versions open none before the first call
    OPTIONS["warm_tcp_connection"] = False
LIBRARY = Library(
    package="cerebras.cloud.sdk",
    clients={
        "sync": lambda url: sdk.Cerebras(base_url=url, **OPTIONS),
        "async": lambda url: sdk.AsyncCerebras(base_url=url, **OPTIONS),
    },
    provider="cerebras",
    cases=chat_cases(),
)
