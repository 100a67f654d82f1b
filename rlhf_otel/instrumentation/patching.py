"""What the two kinds of patch point share: a library's version, what was replaced in it, and for whom."""

from __future__ import annotations

import abc
import functools
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, Protocol

import wrapt

from rlhf_otel import hooks, libraries

_MARK = "_rlhf_otel_original"
_PROXIES = (wrapt.ObjectProxy, wrapt.FunctionWrapper)
"""Whose relation differs between the versions of wrapt."""


class Library(Protocol):
    """What every provider says of its library."""

    package: str
    """How it is imported."""
    versions: tuple[int, int]
    """The lowest and the highest major version that is supported."""


class Patch(abc.ABC):
    """One library, patched: whose calls are recorded, where to, and how to put everything back."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self.telemetry: hooks.Telemetry | None = None
        self.everywhere = False
        self._module: ModuleType | None = None
        self._replaced: list[tuple[Any, str, Any]] = []
        self._reached: list[Callable[[], None]] = []

    # --- What a kind of patch point does itself ---------------------------------------------------------------------

    @abc.abstractmethod
    def replace_methods(self) -> None:
        """Replaces what has to be replaced, by `_replace`."""

    @abc.abstractmethod
    def add(self, client: Any) -> None:
        """Records the calls of this one client."""

    @abc.abstractmethod
    def forget_clients(self) -> None:
        """Records the calls of no single client any more."""

    # --- On and off -------------------------------------------------------------------------------------------------

    @property
    def version(self) -> str:
        """The installed version, by the library's word or its distribution's; empty where neither tells."""
        said = getattr(sys.modules.get(self._library.package), "__version__", None)
        if isinstance(said, str):
            return said
        try:
            return importlib.metadata.version(libraries.distribution(self._library.package))
        except importlib.metadata.PackageNotFoundError:
            return ""

    @property
    def unsupported(self) -> str | None:
        """Why the installed version is not patched; None where it is supported."""
        package, version, versions = self._library.package, self.version, self._library.versions
        if libraries.is_supported(package, version, versions):
            return None
        return f"{package} {version} is not recorded: {libraries.supported(package, versions)} supported"

    @property
    def supported(self) -> bool:
        """Whether the installed version is one that we know."""
        return self.unsupported is None

    def apply(self) -> None:
        """Patches the library, which has been imported; also if it was forgotten since, and imported anew."""
        module = sys.modules.get(libraries.hook(self._library.package))
        if not self._replaced or module is not self._module:
            self._module = module
            self.replace_methods()

    def undo(self) -> None:
        """Puts the library's own methods back; where somebody has wrapped ours since, it lets calls through."""
        self.everywhere = False
        self.forget_clients()
        for owner, name, ours in reversed(self._replaced):
            if vars(owner).get(name) is ours:
                setattr(owner, name, _function(ours).__dict__[_MARK])
        self._replaced.clear()
        for put_back in self._reached:
            put_back()
        self._reached.clear()

    def _replace(self, owner: Any, name: str, wrap: Callable[[Any], Any]) -> None:
        """Puts `wrap(original)` in the place of an attribute that `owner` itself has, within what others put there."""
        original: Any = vars(owner).get(name)
        outer: Any = None
        while isinstance(original, _PROXIES):
            original, outer = original.__wrapped__, original
        if original is None:
            return
        ours = wrap(original)
        _function(ours).__dict__[_MARK] = original
        if outer is None:
            setattr(owner, name, ours)
        else:
            outer.__wrapped__ = ours
            self._reached.append(functools.partial(_put_back, outer, "__wrapped__", ours, original))
        self._replaced.append((owner, name, ours))
        for cls in _subclasses(owner):
            self._reached += _reach(vars(cls).get(name), original, ours, set())


def _subclasses(cls: Any) -> Iterator[type[Any]]:
    subclasses: list[type[Any]] = type.__subclasses__(cls) if isinstance(cls, type) else []
    for subclass in subclasses:
        yield subclass
        yield from _subclasses(subclass)


def _reach(wrapper: Any, original: Any, ours: Any, seen: set[int]) -> Iterator[Callable[[], None]]:
    """Puts `ours` where a wrapper that others put around `original` before us, on a subclass, keeps that.

    So the order in which we and they are switched on makes no difference: theirs is always around ours. Yields what
    puts `original` back. `seen` are the wrappers that were looked into: one that retries may hold itself.
    """
    if id(wrapper) in seen:
        return
    seen.add(id(wrapper))
    is_proxy = isinstance(wrapper, _PROXIES)
    name = "__wrapped__" if is_proxy else "cell_contents"
    for holder in (wrapper,) if is_proxy else getattr(wrapper, "__closure__", None) or ():
        try:
            kept = getattr(holder, name)
        except ValueError:
            continue  # an empty cell
        if kept is original:
            setattr(holder, name, ours)
            yield functools.partial(_put_back, holder, name, ours, original)
        elif isinstance(kept, (FunctionType, *_PROXIES)) and kept is not ours:
            yield from _reach(kept, original, ours, seen)


def _put_back(holder: Any, name: str, ours: Any, original: Any) -> None:
    if getattr(holder, name) is ours:
        setattr(holder, name, original)


def _function(value: Any) -> Any:
    """The function that a property, a static or a class method is made of; any other value itself."""
    return value.fget if isinstance(value, property) else getattr(value, "__func__", value)
