"""Where delivery is switched on, flushed and switched off. The joiners (the face, the launcher, the CLI) call this.

`configure` is cheap: the OpenTelemetry SDK is imported when the first span starts, its exporters when the first span
leaves.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from rlhf_otel import config as settings
from rlhf_otel import hooks, keys

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.export.own import OwnProviders
    from rlhf_otel.export.telemetry import ProviderTelemetry, Telemetry
    from rlhf_otel.redact import Redactor

_lock = threading.RLock()
_telemetry: Telemetry | None = None
_global_own: OwnProviders | None = None
_exit_registered = False


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()


hooks.after_fork(_renew_lock)


def configure(config: Config) -> Telemetry | None:
    """Sets our telemetry up, on private providers. The second call keeps what the first one made.

    Returns:
        The telemetry; None where `OTEL_SDK_DISABLED` or the setting `enabled` say that nothing shall be recorded.
    """
    global _telemetry
    if is_disabled(config):
        return None
    with _lock:
        if _telemetry is None:
            from rlhf_otel.export.discreet import DiscreetLog
            from rlhf_otel.export.own import OwnProviders
            from rlhf_otel.export.telemetry import Telemetry

            if config.log_level is not None:
                hooks.log_to_stderr(config.log_level)
            own = _global_own or OwnProviders(config)
            own.reconfigure(config)
            _telemetry = Telemetry(config, _pipeline(config), own, _end_before_others)
            hooks.telemetry, hooks.settings = _telemetry, config
            hooks.logger.filters[:] = [DiscreetLog(_telemetry.pipeline)]
            keys.forget()
            hooks.calls_are_captured = config.capture_interactions
            hooks.provider_names, hooks.inject_usage = config.provider_names or {}, config.inject_usage
            hooks.locate = lambda span_id: _telemetry.find(span_id=span_id) if _telemetry is not None else None
            _register_exit()
    return _telemetry


def configure_global(config: Config) -> Telemetry | None:
    """The same, and makes our providers the global ones, unless the application has set its own already."""
    global _global_own
    telemetry = configure(config)
    if telemetry is None:
        return None
    from opentelemetry import _logs, metrics, trace

    from rlhf_otel.export.own import is_stand_in

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(telemetry.own.tracer_provider)
        _global_own = telemetry.own
    if is_stand_in(_logs.get_logger_provider()):
        _logs.set_logger_provider(telemetry.own.logger_provider)
    if telemetry.own.meter_provider is not None and is_stand_in(metrics.get_meter_provider()):
        metrics.set_meter_provider(telemetry.own.meter_provider)
    return telemetry


def connect(
    *, tracer_provider: Any = None, meter_provider: Any = None, logger_provider: Any = None, content: bool | None = None
) -> Any:
    """Telemetry on given providers, or the global ones: what an instrumentor that is used by hand writes to.

    Content is captured as `content` says, and without a word only where OpenTelemetry's own variable asks for it.
    """
    from rlhf_otel.export.capturing import Capturing
    from rlhf_otel.export.telemetry import ProviderTelemetry

    config = settings.load()
    telemetry: ProviderTelemetry = ProviderTelemetry(
        config,
        _pipeline(config),
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        logger_provider=logger_provider,
    )
    asked_for = config.captures_content and config.is_set("capture")
    telemetry.captures_content = asked_for if content is None else content
    telemetry.capturing = Capturing(config, content=telemetry.captures_content)
    hooks.by_hand = weakref.ref(telemetry)
    hooks.provider_names, hooks.inject_usage = config.provider_names or {}, config.inject_usage
    return telemetry


def is_disabled(config: Config) -> bool:
    """Whether nothing shall be recorded at all."""
    return not config.enabled or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def current() -> Telemetry | None:
    """The telemetry that `configure` made."""
    return _telemetry


def flush(timeout: float = 1.0) -> bool:
    """Delivers everything recorded so far.

    Args:
        timeout: seconds; the call never takes noticeably longer.

    Returns:
        True only if all of it was acknowledged: by every backend, or by the disk.
    """
    if _telemetry is None:
        return True
    until = time.monotonic() + timeout
    delivered = _telemetry.own.intake.flush(timeout)
    return _flush_foreign(max(0.0, until - time.monotonic())) and delivered


def _flush_foreign(timeout: float) -> bool:
    """Asks the application's own provider as well; its answer is as good as that provider is.

    On a thread of its own, because the SDK's batch processor does not keep to the time that it is given.
    """
    if _telemetry is None or not _telemetry.is_foreign:
        return True
    from opentelemetry import trace

    force_flush = getattr(trace.get_tracer_provider(), "force_flush", None)
    if force_flush is None:
        return True
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(bool(force_flush(int(timeout * 1000)))), daemon=True)
    asking.start()
    asking.join(timeout)
    return answers == [True]


def shutdown(timeout: float = 3.0) -> bool:
    """Delivers what there is and forgets the telemetry; `configure` may be called again."""
    global _telemetry
    with _lock:
        if _telemetry is None:
            return True
        _telemetry.hold.forget()
        delivered = _telemetry.own.intake.close(timeout)
        hooks.logger.filters.clear()
        _telemetry = hooks.telemetry = hooks.locate = hooks.settings = None
        hooks.provider_names, hooks.inject_usage, hooks.calls_are_captured = {}, False, True
    return delivered


_LOST = (
    "%d item%s could not be delivered in the last %g s and are lost; `rlhf-otel doctor` says why, --store keeps a copy"
)
_KEPT = "%d item%s wait in %s, and are sent when the application runs again or `rlhf-otel spool replay` is typed"
_STUCK_S = 0.8
"""How long the end waits for one request where nothing is lost, and nobody has said how long."""


def flush_at_exit() -> None:
    """Ends what is open and delivers what there is, within `exit_timeout`. Registered for the end of the process."""
    if _telemetry is None:
        return
    _end_what_is_open()
    own = _telemetry.own
    config = _telemetry.config
    given, stuck_s = config.exit_timeout, None if config.is_set("exit_timeout") else _STUCK_S
    dropped, worker = hooks.counters["dropped_undelivered"], own.worker
    if own.intake.close(given, stuck_s):
        return
    lost = own.intake.homeless + hooks.counters["dropped_undelivered"] - dropped
    if lost:
        hooks.say("exit", _LOST, lost, "" if lost == 1 else "s", given)
    if own.spool is not None and (kept := worker.kept):
        hooks.say("exit, kept", _KEPT, kept, "" if kept == 1 else "s", own.spool.folder)


def _end_what_is_open() -> None:
    """What fails here must not keep the rest from being delivered."""
    try:
        if hooks.before_exit is not None:
            hooks.before_exit()
    except Exception as error:  # noqa: BLE001 - it runs the application's processors
        with contextlib.suppress(Exception):  # strict raises it again, where nobody is to catch it
            hooks.fault("ending what is open at exit", error)


def _register_exit() -> None:
    """Delivers at the end of this process and of its forks."""
    global _exit_registered
    if _exit_registered:
        return
    _exit_registered = True
    # The exporters need this module, and Python does not let it be imported for the first time at the very end.
    import concurrent.futures.thread  # noqa: F401

    atexit.register(flush_at_exit)
    multiprocessing = sys.modules.get("multiprocessing")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        _add_finalizer()
    _deliver_at_the_end_of_a_celery_worker()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_deliver_at_the_end_of_a_worker)


def _end_before_others() -> None:
    """What is open at the end is ended before the application's provider, made after us, shuts itself down."""
    atexit.unregister(flush_at_exit)
    atexit.register(flush_at_exit)


def _deliver_at_the_end_of_a_worker() -> None:
    """A child of multiprocessing leaves without the functions of atexit, and runs finalizers of its own instead."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        # The registry of finalizers is emptied when the child begins; what runs right after that puts ours in.
        util.register_after_fork(flush_at_exit, _add_finalizer)
    _deliver_at_the_end_of_a_celery_worker()


def _add_finalizer(_: Any = None) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, flush_at_exit, exitpriority=0)


def _deliver_at_the_end_of_a_celery_worker() -> None:
    """A process of celery's pool runs neither when it ends; it sends a signal."""
    signals = sys.modules.get("celery.signals")
    if signals is not None:
        signals.worker_process_shutdown.connect(_celery_worker_ends, weak=False)


def _celery_worker_ends(**_: Any) -> None:
    flush_at_exit()


def _pipeline(config: Config) -> Any:
    from rlhf_otel.export.pipeline import Pipeline

    def make_redactor() -> Redactor | None:
        from rlhf_otel.redact import redactor_for

        return redactor_for(config)

    return Pipeline(make_redactor, errors=config.capture_errors)
