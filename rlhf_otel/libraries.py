"""The client libraries that are instrumented, by name: the one table of those who must not import their readers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_ROOM = "rlhf_otel.instrumentation.providers."

BUILT_IN = {
    "openai": _ROOM + "openai",
    "anthropic": _ROOM + "anthropic",
    "groq": _ROOM + "groq",
    "together": _ROOM + "together",
    "cerebras.cloud.sdk": _ROOM + "cerebras",
    "fireworks": _ROOM + "fireworks",
    "sambanova": _ROOM + "sambanova",
    "bedrock": _ROOM + "bedrock",
    "aiobotocore": _ROOM + "aiobotocore",
    "google.genai": _ROOM + "google_genai",
    "mistralai": _ROOM + "mistralai",
    "ollama": _ROOM + "ollama",
    "cohere": _ROOM + "cohere",
    "litellm": _ROOM + "litellm",
    "huggingface_hub": _ROOM + "huggingface",
    "vllm": _ROOM + "vllm",
    "llama_cpp": _ROOM + "llama_cpp",
    "transformers": _ROOM + "transformers",
}
"""Package of the client library, as it is imported -> the module whose `provider` reads it."""

ENTRY_POINT_GROUP = "rlhf_otel.providers"
"""Where other distributions name providers of their own: the package as the name, the module as the value."""

_HOOKS: Mapping[str, str] = {
    "mistralai": "mistralai.client",
    "cohere": "cohere.base_client",
    "bedrock": "botocore.client",
    "aiobotocore": "aiobotocore.client",
    "huggingface_hub": "huggingface_hub.inference",
    "vllm": "vllm.entrypoints.llm",
    "llama_cpp": "llama_cpp.llama",
    "transformers": "transformers.pipelines.text_generation",
}
"""Package -> the module whose import says that it is in use, where that is not the package itself."""

_DISTRIBUTIONS: Mapping[str, str] = {
    "llama_cpp": "llama-cpp-python",
    "fireworks": "fireworks-ai",
    "bedrock": "botocore",
}
"""Package -> what it is called where it is installed, where more than dots and dashes differ."""

_OTHER_NAMES: Mapping[str, str] = {"google_generativeai": "google.genai", "botocore": "(all services)"}
"""What instrumentations of others call a library -> its package, where that is not its own name.

botocore's is for every service of AWS, and is not to stay off because we record one of them.
"""


def hook(package: str) -> str:
    """The module that is patched when the application imports it, or has imported it."""
    return _HOOKS.get(package, package)


def distribution(package: str) -> str:
    """What the package is called where it is installed."""
    return _DISTRIBUTIONS.get(package, package)


def majors(versions: tuple[int, int]) -> str:
    """The supported major versions, from the lowest to the highest, as the beginning of a sentence: `major 1 is`."""
    low, high = versions
    return f"major {low} is" if low == high else f"majors {low} to {high} are"


def named(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` means: as it is imported, as it is installed, or as other people call it."""
    spelled = flat(_OTHER_NAMES.get(name, name))
    return next((package for package in known if spelled in (flat(package), flat(distribution(package)))), None)


def flat(name: str) -> str:
    """One spelling for `google.genai`, `google-genai` and `google_genai`; entry points are called so."""
    return name.replace(".", "_").replace("-", "_").lower()
