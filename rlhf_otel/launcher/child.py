"""The child's half of the launcher: switches recording on before the application's first line.

Everything here runs in somebody else's process before they do. It imports no client library, raises nothing, and
leaves what it cannot do to one line on stderr.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from rlhf_otel import libraries
from rlhf_otel.config import ConfigError, load
from rlhf_otel.launcher import instrumentors
from rlhf_otel.launcher.imports import when_first_imported
from rlhf_otel.launcher.stderr import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlhf_otel.config import Config

_OURS = ("rlhf_otel.api", "rlhf_otel.feedback")
_OPENTELEMETRY = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")

_ASKS_FOR_GLOBAL = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)

_WRITING_S = 20.0
"""The longest that SIGTERM waits until all that has ended is written, before it waits for the backend."""

_provided = False


def start() -> None:
    """Switches recording on in this process, unless it is switched off."""
    try:
        _start()
    except ConfigError as error:
        say(f"not recording: {error}")
    except Exception as error:  # noqa: BLE001 - the application starts, whatever is wrong with us
        say(f"not recording: {type(error).__name__}: {error}")


def _start() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    config = load()
    if not config.enabled:
        return
    _patch_gevent()
    packages = instrumentors.recorded(config)
    others = instrumentors.installed(packages)
    if others:
        _set_up(config, packages, others)
    else:
        # The client libraries are watched apart: some import OpenTelemetry while they are themselves half imported.
        watched = map(libraries.hook, packages)
        when_first_imported(watched, lambda: _late(lambda: _set_up(config, packages, instrumentors.Installed())))
        when_first_imported(_signs_of_use(config), lambda: _late(lambda: _provide(config, instrumentors.Installed())))
    flush_on_sigterm(config.exit_timeout + _WRITING_S)


def _signs_of_use(config: Config) -> tuple[str, ...]:
    """The modules besides client libraries whose import says that this process needs our providers."""
    return (*_OURS, *(_OPENTELEMETRY if asks_for_global(config) else ()))


def _late(act: Callable[[], None]) -> None:
    """Does `act` in the midst of an import of the application's, which must succeed."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - the application's import succeeds, whatever is wrong with us
        say(f"not recording: {type(error).__name__}: {error}")


def _set_up(config: Config, packages: tuple[str, ...], others: instrumentors.Installed) -> None:
    """The providers, then whoever writes to them."""
    _provide(config, others)
    others.activate()
    if packages:
        from rlhf_otel.instrumentation import switch_on

        switch_on(packages)


def _provide(config: Config, others: instrumentors.Installed) -> None:
    """Everybody's provider where somebody asks for one, else one of our own. Once: doing it imports what we watch."""
    global _provided
    if _provided:
        return
    _provided = True
    from rlhf_otel.export import setup

    if not others.configure() and (others.ask_for_global or asks_for_global(config)):
        setup.configure_global(config)
    else:
        setup.configure(config)


def asks_for_global(config: Config) -> bool:
    """Whether an endpoint or exporter of OpenTelemetry is named, so that the application's own spans go there too."""
    return bool(config.endpoint) or any(os.environ.get(name, "").strip() for name in _ASKS_FOR_GLOBAL)


def _patch_gevent() -> None:
    """Does what OpenTelemetry's operator asks for with this variable, before anything else starts a thread."""
    if os.environ.get("OTEL_PYTHON_AUTO_INSTRUMENTATION_EXPERIMENTAL_GEVENT_PATCH") != "patch_all":
        return
    from importlib import import_module

    try:
        import_module("gevent.monkey").patch_all()
    except ImportError as error:
        say(f"gevent cannot be patched: {error}")


def flush_on_sigterm(timeout_s: float) -> None:
    """Sends what is waiting when the process is told to end, where nobody else has said what to do then."""
    import signal
    import threading

    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def flush_and_die(number: int, _frame: object) -> None:
        # The default comes back first, so that a second SIGTERM ends an impatient operator's wait.
        signal.signal(number, signal.SIG_DFL)
        _flush_aside(timeout_s)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, flush_and_die)


def _flush_aside(timeout_s: float) -> None:
    """Flushes on a thread of its own, for at most `timeout_s`.

    The signal may have stopped the main thread while it held a lock that the flush needs; waiting for it here would
    never end. `_thread` is used because `threading.Thread.start` takes such a lock itself.
    """
    import _thread

    done = _thread.allocate_lock()
    done.acquire()

    def flush() -> None:
        try:
            setup = sys.modules.get("rlhf_otel.export.setup")
            if setup is not None:
                setup.flush_at_exit()
        except Exception as error:  # noqa: BLE001 - the process ends, flushed or not
            say(f"the last batch is lost: {error}")
        finally:
            done.release()

    _thread.start_new_thread(flush, ())
    done.acquire(timeout=timeout_s)
