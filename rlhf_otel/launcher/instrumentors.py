"""The other OpenTelemetry instrumentations of this environment: switched on as OpenTelemetry's own launcher would.

With one exception: an instrumentation of a client library that we record ourselves stays off, because one call is one
span. Each is guarded by itself; one that fails costs a line, not the others.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlhf_otel import libraries
from rlhf_otel.hooks import logger
from rlhf_otel.launcher.entry_points import entry_points
from rlhf_otel.launcher.stderr import say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from rlhf_otel.config import Config

DISTRO, CONFIGURATOR = "opentelemetry_distro", "opentelemetry_configurator"
BEFORE, INSTRUMENTOR, AFTER = (
    "opentelemetry_pre_instrument",
    "opentelemetry_instrumentor",
    "opentelemetry_post_instrument",
)
_OFFICIAL_LAUNCHER = "opentelemetry.instrumentation.auto_instrumentation"


def disabled() -> frozenset[str]:
    """The entry points that `OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names; `*` is all of them."""
    names = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return frozenset(name.strip() for name in names if name.strip())


def recorded(config: Config) -> tuple[str, ...]:
    """The client libraries to record: those of the setting, less those whose entry point of ours is disabled."""
    known = (*libraries.BUILT_IN, *(point.name for point in entry_points(libraries.ENTRY_POINT_GROUP)))
    every = "all" in config.providers
    chosen = known if every else [libraries.named(name, known) or name for name in config.providers]
    off = disabled()
    return tuple(name for name in chosen if not off.intersection(("*", f"rlhf_{libraries.flat(name)}")))


def installed(recorded: Collection[str]) -> Installed:
    """What else is installed here and wanted, sorted by when it acts; imports none of it.

    Args:
        recorded: the client libraries that we record, whose other instrumentations stay off.
    """
    if _OFFICIAL_LAUNCHER in sys.modules:
        return Installed()  # it runs around us, or we around it, and has switched them on already
    off, ours = disabled(), frozenset(recorded)
    named = {group: os.environ.get(f"OTEL_PYTHON_{group[14:].upper()}") for group in (DISTRO, CONFIGURATOR)}
    groups = (BEFORE, INSTRUMENTOR, AFTER, *(named if any(named.values()) else ()))
    points: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(*groups):
        points[point.group].append(point)
    wanted = [point for point in points[INSTRUMENTOR] if _is_wanted(point, off, ours)]
    distro = _named(DISTRO, named[DISTRO], points)
    configurator = _named(CONFIGURATOR, named[CONFIGURATOR], points) or _companion(distro, points[CONFIGURATOR])
    return Installed(points[BEFORE], wanted, points[AFTER], distro, configurator)


def _is_wanted(point: EntryPoint, off: frozenset[str], ours: frozenset[str]) -> bool:
    if off.intersection(("*", point.name)):
        logger.debug("instrumentation %s is disabled", point.name)
        return False
    if (twin := recorded_by_us(point, ours)) is not None:
        logger.debug("instrumentation %s (%s) stays off: we record %s ourselves", point.name, point.value, twin)
        return False
    return not _is_missing_its_library(point)


def recorded_by_us(point: EntryPoint, ours: Iterable[str]) -> str | None:
    """The one of `ours` that an instrumentation is for as well, by its name or its module's."""
    ours = tuple(ours)
    return libraries.named(without_version(point.name), ours) or libraries.named(library(point), ours)


def library(point: EntryPoint) -> str:
    """The library that an instrumentation is for, as its module's name tells: `...genai.openai`, `...openai_v2`."""
    return without_version(point.value.partition(":")[0].strip().rpartition(".")[2])


def without_version(name: str) -> str:
    """`name` without the `_v2` of a second attempt."""
    stem, separator, version = name.rpartition("_v")
    return stem if separator and version.isdigit() else name


def _is_missing_its_library(point: EntryPoint) -> bool:
    distribution = getattr(point, "dist", None)
    if distribution is None:
        return False
    from opentelemetry.instrumentation.dependencies import get_dist_dependency_conflicts

    conflict = get_dist_dependency_conflicts(distribution)
    if conflict is not None:
        logger.debug("instrumentation %s is not for this environment: %s", point.name, conflict)
    return conflict is not None


def _named(group: str, name: str | None, points: Mapping[str, Iterable[EntryPoint]]) -> EntryPoint | None:
    if not name:
        return None
    for point in points[group]:
        if point.name == name:
            return point
    say(f"{group.removeprefix('opentelemetry_')} {name!r} is asked for but not installed")
    return None


def _companion(distro: EntryPoint | None, configurators: Iterable[EntryPoint]) -> EntryPoint | None:
    """The configurator of the package that `distro` comes from: who names the one means both."""
    if distro is None or distro.dist is None:
        return None
    home = distro.dist.name
    return next((point for point in configurators if point.dist is not None and point.dist.name == home), None)


@dataclass(frozen=True)
class Installed:
    """Instrumentations and hooks to activate, and the distribution that somebody asked for by name."""

    before: list[EntryPoint] = field(default_factory=list)
    instrumentors: list[EntryPoint] = field(default_factory=list)
    after: list[EntryPoint] = field(default_factory=list)
    distro: EntryPoint | None = None
    configurator: EntryPoint | None = None

    def __bool__(self) -> bool:
        return self.ask_for_global or self.distro is not None or self.configurator is not None

    @property
    def ask_for_global(self) -> bool:
        """Whether something here will take the global provider."""
        return bool(self.before or self.instrumentors or self.after)

    def configure(self) -> bool:
        """Lets the distribution that was asked for set up the SDK.

        Returns:
            Whether one did, so that its provider is the one to use.
        """
        distro, configurator = self.distro, self.configurator
        if distro is not None:
            _guarded(distro, lambda point: point.load()().configure())
        return configurator is not None and _guarded(configurator, _set_up_sdk)

    def activate(self) -> None:
        """Runs the hooks before, every instrumentation, and the hooks after."""
        for point in self.before:
            _guarded(point, _call)
        for point in self.instrumentors:
            _guarded(point, self._switch_on)
        for point in self.after:
            _guarded(point, _call)

    def _switch_on(self, point: EntryPoint) -> None:
        """The distribution does it where there is one, for it may configure or replace the instrumentation."""
        if self.distro is not None:
            self.distro.load()().load_instrumentor(point, skip_dep_check=True)
        else:
            point.load()().instrument(skip_dep_check=True)


def _call(hook: EntryPoint) -> None:
    hook.load()()


def _set_up_sdk(configurator: EntryPoint) -> None:
    from opentelemetry.instrumentation.version import __version__

    configurator.load()().configure(auto_instrumentation_version=__version__)


def _guarded(point: EntryPoint, act: Callable[[EntryPoint], object]) -> bool:
    """Does `act` for `point`; a failure is told and passed over."""
    try:
        act(point)
    except ModuleNotFoundError as error:
        logger.debug("%s %s is passed over: %s", point.group, point.name, error)
    except Exception as error:  # noqa: BLE001 - foreign code, in somebody's process, before their first line
        say(f"{point.group} {point.name} failed: {type(error).__name__}: {error}")
    else:
        logger.debug("%s %s is active", point.group, point.name)
        return True
    return False
