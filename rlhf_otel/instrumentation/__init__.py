"""Capture: every call of an LLM client library becomes one span.

Nothing here imports a client library. A library is patched when the application imports it, or at once where it already
has. `switch_on` is for all clients, `instrument_client` for one; `switch_off` puts everything back.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import wrapt

from rlhf_otel import hooks, libraries
from rlhf_otel.instrumentation import detached, providers
from rlhf_otel.instrumentation.unfinished import end_open_streams

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.instrumentors import (
        AioBotocoreInstrumentor,
        AnthropicInstrumentor,
        BedrockInstrumentor,
        CerebrasInstrumentor,
        CohereInstrumentor,
        FireworksInstrumentor,
        GoogleGenAIInstrumentor,
        GroqInstrumentor,
        HuggingFaceInstrumentor,
        LiteLLMInstrumentor,
        LlamaCppInstrumentor,
        MistralAIInstrumentor,
        OllamaInstrumentor,
        OpenAIInstrumentor,
        SambaNovaInstrumentor,
        TogetherInstrumentor,
        TransformersInstrumentor,
        VLLMInstrumentor,
    )
    from rlhf_otel.instrumentation.patching import Patch

__all__ = [
    "AioBotocoreInstrumentor",
    "AnthropicInstrumentor",
    "BedrockInstrumentor",
    "CerebrasInstrumentor",
    "CohereInstrumentor",
    "FireworksInstrumentor",
    "GoogleGenAIInstrumentor",
    "GroqInstrumentor",
    "HuggingFaceInstrumentor",
    "LiteLLMInstrumentor",
    "LlamaCppInstrumentor",
    "MistralAIInstrumentor",
    "OllamaInstrumentor",
    "OpenAIInstrumentor",
    "SambaNovaInstrumentor",
    "TogetherInstrumentor",
    "TransformersInstrumentor",
    "VLLMInstrumentor",
    "end_open_streams",
    "instrument_client",
    "switch_off",
    "switch_on",
]

hooks.before_exit = end_open_streams
_lock = threading.RLock()
_wanted: dict[str, hooks.Telemetry | None] = {}
_hooked: set[str] = set()
_patches: dict[str, Patch] = {}


def __getattr__(name: str) -> Any:
    """The instrumentor classes need `opentelemetry.instrumentation`, which nothing else here does."""
    if name.endswith("Instrumentor"):
        from rlhf_otel.instrumentation import instrumentors

        if hasattr(instrumentors, name):
            return getattr(instrumentors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def switch_on(packages: Iterable[str] = ("all",), telemetry: hooks.Telemetry | None = None) -> None:
    """Records the calls of all clients of `packages`, from their next call on. Idempotent.

    Args:
        packages: names of client libraries, or `all`.
        telemetry: where to, in place of `hooks.telemetry`.
    """
    detached.watch()
    for package in _chosen(tuple(packages)):
        _wanted[package] = telemetry
        if _is_half_imported(libraries.hook(package)):
            # Nothing half made is patched. Importing it again returns when whoever imports it is done.
            threading.Thread(target=_watch_import, args=(package,), name="rlhf-otel-import", daemon=True).start()
        else:
            _watch_import(package)


def _chosen(packages: tuple[str, ...]) -> Iterable[str]:
    if "all" in packages:
        return providers.known()
    chosen = []
    for name in packages:
        package = libraries.named(name, libraries.BUILT_IN) or libraries.named(name, providers.known())
        if package is None:
            hooks.say(f"unknown {name}", "no client library called %r can be instrumented", name)
        else:
            chosen.append(package)
    return chosen


def instrument_client(client: Any) -> None:
    """Records the calls of this one client, and of the copies that its `with_options` makes.

    Raises:
        TypeError: `client` is not a client of a library that can be instrumented.
    """
    for cls in type(client).__mro__:
        package = providers.package_of(cls.__module__)
        if package is not None and _is_added(client, package):
            return
    known = ", ".join(providers.known())
    raise TypeError(f"{type(client).__name__} is not a client that can be instrumented; those of {known} can")


def _is_added(client: Any, package: str) -> bool:
    """Adds `client` to those of `package` that are recorded; an object that makes no calls is none."""
    with _lock, contextlib.suppress(AttributeError, TypeError):
        _patched(package).add(client)
        detached.watch()
        return True
    return False


def switch_off(packages: Iterable[str] | None = None) -> None:
    """Puts back what was patched: every client behaves as if nothing had been there."""
    with _lock:
        for package in tuple({*_wanted, *_patches} if packages is None else packages):
            _wanted.pop(package, None)
            if (patch := _patches.pop(package, None)) is not None:
                patch.undo()
        if not _wanted and not _patches:
            detached.unwatch()


def patched_packages() -> dict[str, str]:
    """The packages that are patched now, with their versions."""
    return {package: patch.version for package, patch in _patches.items()}


def _is_half_imported(hook: str) -> bool:
    """Whether this module is being imported and has not come to its version, which stands behind the clients."""
    module = sys.modules.get(hook)
    under_way = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return bool(under_way) and not hasattr(module, "__version__")


def _watch_import(package: str) -> None:
    """Patches `package` once it is imported, which may be now."""
    hook = libraries.hook(package)
    if _is_half_imported(hook):
        with contextlib.suppress(Exception):  # the import is the application's, and so is what it raises
            importlib.import_module(hook)
            _imported(package)
        return
    if hook in sys.modules:
        _imported(package)
        return
    with _lock:
        if package in _hooked:
            return
        _hooked.add(package)
    wrapt.register_post_import_hook(lambda _: _imported(package), hook)


def _imported(package: str) -> None:
    try:
        with _lock:
            if package in _wanted:
                _apply(package)
    except Exception as error:  # noqa: BLE001 - the application's import must succeed
        hooks.fault(f"instrumenting {package}", error)


def _apply(package: str) -> None:
    patch = _patched(package)
    if patch.supported:
        patch.telemetry = _wanted.get(package)
        patch.everywhere = True


def _patched(package: str) -> Patch:
    """The patch of an imported package, applied."""
    if package not in _patches:
        _patches[package] = providers.patch(package)
    patch = _patches[package]
    if patch.supported:
        patch.apply()
    else:
        hooks.say(f"version of {package}", "%s", patch.unsupported)
    return patch
