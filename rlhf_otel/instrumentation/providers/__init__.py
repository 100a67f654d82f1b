"""The client libraries that are instrumented, one file each, and what third parties add."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from rlhf_otel.libraries import BUILT_IN, ENTRY_POINT_GROUP, hook

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.patching import Library, Patch


def known() -> dict[str, str]:
    """The packages that can be instrumented, each with the module of its provider; third parties' included."""
    added = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return {**added, **BUILT_IN}


def package_of(module: str) -> str | None:
    """The package that can be instrumented to which `module` belongs, by its dotted name; None where there is none."""
    names = {name: package for package in known() for name in (hook(package), package)}
    while module and module not in names:
        module = module.rpartition(".")[0]
    return names.get(module)


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
