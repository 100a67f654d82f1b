"""The client libraries that are instrumented, one file each, and what third parties add."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.patching import Library, Patch

BUILT_IN = {
    "openai": "rlhf_otel.instrumentation.providers.openai",
    "anthropic": "rlhf_otel.instrumentation.providers.anthropic",
}
"""Package of the client library, as it is imported -> the module whose `provider` reads it."""

ENTRY_POINT_GROUP = "rlhf_otel.providers"
"""Where other distributions name providers of their own: the package as the name, the module as the value."""

_HOOKS: Mapping[str, str] = {}
"""Package -> the module whose import says that it is in use, where that is not the package itself."""
_DISTRIBUTIONS: Mapping[str, str] = {}
"""Package -> what it is called where it is installed, where that is not its own name."""


def known() -> dict[str, str]:
    """The packages that can be instrumented, each with the module of its provider; third parties' included."""
    added = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**added, **BUILT_IN}


@functools.cache
def hook(package: str) -> str:
    """The module that is patched when the application imports it, or has imported it."""
    return _HOOKS.get(package, package)


def distribution(package: str) -> str:
    """What the package is called where it is installed."""
    return _DISTRIBUTIONS.get(package, package)


def package_of(module: str) -> str | None:
    """The package that can be instrumented to which `module` belongs, by its dotted name; None where there is none."""
    names = known()
    while module and module not in names:
        module = module.rpartition(".")[0]
    return module or None


def load(module: str) -> Any:
    """The provider that `module` holds."""
    library: Library = importlib.import_module(module).provider
    return library


def patch(package: str) -> Patch:
    """A patch of `package`, not applied yet: of its methods where its provider names some, else of its waist."""
    provider = load(known()[package])
    if hasattr(provider, "methods"):
        from rlhf_otel.instrumentation.methods import MethodPatch

        return MethodPatch(provider)
    from rlhf_otel.instrumentation.stainless import StainlessPatch

    return StainlessPatch(provider)
