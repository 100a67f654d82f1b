"""Does something when the application imports one of a few modules, and nothing before that.

wrapt offers the same, but brings asyncio and `importlib.metadata` into every process that Python starts; the launcher
has to cost next to nothing in those that never talk to a model.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType


def when_first_imported(names: Iterable[str], act: Callable[[], None]) -> None:
    """Calls `act` once, right after the first of the modules `names` was imported; now, where one already is."""
    names = frozenset(names)
    if not names.isdisjoint(sys.modules):
        act()
    else:
        sys.meta_path.insert(0, Watch(names, act))


class Watch:
    """A finder that finds nothing itself: it lets the others find, and has the loader of a watched module call back."""

    def __init__(self, names: frozenset[str], act: Callable[[], None]) -> None:
        self._names = names
        self._act = act

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders find, with our loader around theirs."""
        if name not in self._names:
            return None
        spec = self._found_by_others(name, path, target)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            spec.loader = _Announced(spec.loader, self)  # type: ignore[assignment]
        return spec

    def _found_by_others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        finders = (finder for finder in tuple(sys.meta_path) if finder is not self)
        specs = (finder.find_spec(name, path, target) for finder in finders if hasattr(finder, "find_spec"))
        return next((spec for spec in specs if spec is not None), None)

    def imported(self) -> None:
        """Acts, unless another watched module came first."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
            self._act()


class _Announced:
    """A loader that says when it is done. Before the module's first line runs, its own loader is back in place."""

    def __init__(self, loader: Loader, watch: Watch) -> None:
        self._loader = loader
        self._watch = watch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._watch.imported()
