"""Asking for the usage of openai's streams where the application does not: the setting `inject_usage`.

The API reports it in one chunk more, behind all others and without a choice, and puts an empty `usage` into those. Some
servers refuse the question (Mistral's, and Azure's API before September 2024), so only those are asked that are known
to take it. Source: the reference of chat completions, `stream_options`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhf_otel.instrumentation.providers.hosts import OPENAI_CLIENTS, known_name

_OPTION = "stream_options"
_KNOWN = ("openai", "azure.ai.openai", "deepseek", "vllm")
_FIRST_AZURE_VERSION = "2024-09"


def takes_usage(client: Any) -> bool:
    """Whether the service that `client` talks to is known to take the question."""
    name = known_name(client, "openai", OPENAI_CLIENTS)
    version = str(getattr(client, "_api_version", None) or _FIRST_AZURE_VERSION)
    return name in _KNOWN and (name != "azure.ai.openai" or version >= _FIRST_AZURE_VERSION)


def with_usage(options: Any) -> Mapping[str, Any] | None:
    """The body that asks for usage; None where the application has decided already, or reads the bytes itself."""
    body, more, headers = options.json_data, getattr(options, "extra_json", None), options.headers
    if not isinstance(body, Mapping) or (isinstance(more, Mapping) and _OPTION in more):
        return None
    if isinstance(headers, Mapping) and headers.get("X-Stainless-Raw-Response") == "stream":
        return None
    given = body.get(_OPTION) or {}
    if not isinstance(given, Mapping) or "include_usage" in given:
        return None
    return {**body, _OPTION: {**given, "include_usage": True}}


def is_only_usage(chunk: Any) -> bool:
    """Whether `chunk` is there for the question alone. Takes the empty `usage` off every other one."""
    if chunk.usage is None:
        chunk.__pydantic_fields_set__.discard("usage")
        return False
    return not chunk.choices
