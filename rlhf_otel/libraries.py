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

_SINCE: Mapping[str, tuple[int, int]] = {"groq": (0, 4), "ollama": (0, 4), "huggingface_hub": (0, 27)}
"""Package -> the version that it is supported from, where that is not the first of its lowest major version."""

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


def is_supported(package: str, version: str, versions: tuple[int, int]) -> bool:
    """Whether `version` of a package is one of the major `versions`, and no older than those that were tried."""
    low, high = versions
    major, _, rest = version.partition(".")
    if not (major.isdigit() and low <= int(major) <= high):
        return False
    minor, since = rest.partition(".")[0], _SINCE.get(package, (0, 0))
    return (int(major), int(minor) if minor.isdigit() else 0) >= since


def supported(package: str, versions: tuple[int, int]) -> str:
    """The supported versions as the beginning of a sentence: `major 1 is`, `majors 0 to 1, from 0.4 on, are`."""
    low, high = versions
    named, verb = (f"major {low}", "is") if low == high else (f"majors {low} to {high}", "are")
    since = _SINCE.get(package)
    return f"{named}, from {since[0]}.{since[1]} on, {verb}" if since else f"{named} {verb}"


def named(name: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `name` means: as it is imported, as it is installed, or as other people call it."""
    spelled = flat(_OTHER_NAMES.get(name, name))
    return next((package for package in known if spelled in (flat(package), flat(distribution(package)))), None)


def flat(name: str) -> str:
    """One spelling for `google.genai`, `google-genai` and `google_genai`; entry points are called so."""
    return name.replace(".", "_").replace("-", "_").lower()
