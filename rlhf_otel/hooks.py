"""The few places where upper floors plug into the engine, which knows none of them.

The engine asks here for a tracer, tells here that a call began or ended, and offers here to have the rest of its work
done later. `rlhf_otel.export` fills the slots in; until then everything is a no-op on OpenTelemetry's own defaults.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import threading
import time
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.consents import Statement
    from rlhf_otel.parts import Parts
    from rlhf_otel.records import Feedback, Handle, Interaction

# Without a handler of its own: where the application configures no logging, Python prints our warnings to stderr.
logger = logging.getLogger("rlhf_otel")

Processor = Callable[["Interaction"], "Interaction | None"]
"""Takes an interaction and returns it, changed or not. Returning None is the same as returning it unchanged."""

Listener = Callable[..., Any]


class Drop(Exception):  # noqa: N818 - a verb: what a processor says, not an error
    """Raised by a processor: this interaction shall not leave the process with its content."""


class Completed(NamedTuple):
    """An interaction that has been through the pipeline and may leave the process.

    `encoded` is the JSON of its content, by field, where that was made on the way; `dropped` says that a processor
    dropped it, so that only its figures may.
    """

    interaction: Interaction
    encoded: Mapping[str, str] | None = None
    dropped: bool = False


class Opinion(NamedTuple):
    """What a person answered in a terminal: 1 to 5, and perhaps words."""

    rating: int
    comment: str | None = None


class SampledOut(Protocol):
    """A call that is over, and whose span was sampled out: all that there was of it, of which nothing was read."""

    handle: Handle
    span: Any
    size: int
    """How many bytes it holds, about."""
    end_ns: int
    duration_s: float
    failed: bool
    operation: str
    session: str | None
    user: str | None
    message: str | None

    def figures(self) -> tuple[Interaction, Sequence[int]]:
        """The call as a record as far as nothing has to be read for it, and the times of its chunks."""

    def finalize(self, **given: Any) -> Completed:
        """Everything known of the call, once: as for `end_later`."""


class Telemetry(Protocol):
    """Where spans, events and figures go, and what they go through before."""

    captures_content: bool
    """Whether prompts and answers are read at all."""
    reviews: bool
    """Whether calls wait for a person before they go anywhere."""

    def may_record(self) -> bool:
        """Whether calls can be recorded here and now."""

    def limited(self, interaction: Interaction, capture: Parts | None) -> Interaction:
        """`interaction` with the parts that the settings, and `capture` where it is given, let be recorded."""

    def start_span(self, name: str, kind: Any, attributes: Mapping[str, Any], start_ns: int) -> Any:
        """A new OpenTelemetry span beneath the current one, of the provider that holds now."""

    def end_later(self, span: Any, end_ns: int, finalize: Callable[..., Completed], size: int) -> bool:
        """Ends `span` and has the rest of the work on it done later, where its provider is ours and ours alone.

        Args:
            span: made by `start_span`.
            end_ns: when it ended.
            finalize: called once, on the export thread, with the `attributes` that others have set on the span, and
                its `resource`.
            size: how many bytes that holds.

        Returns:
            Whether that was allowed; otherwise nothing is done, and the work is to be done before the span ends.
        """

    def sampled_out(self, call: SampledOut) -> bool:
        """Takes notice of a call whose span was sampled out; whether the call is kept in case somebody rates it."""

    def ended(self, handle: Handle, session: str | None, operation: str, *, failed: bool) -> None:
        """Takes notice of the end of any other call."""

    def complete(self, interaction: Interaction) -> Completed:
        """Runs the pipeline and tells the listeners; what comes back may leave the process. Never raises."""

    def attributes(self, completed: Completed) -> dict[str, Any]:
        """The span attributes of a completed interaction, as far as the capture mode lets its span carry them."""

    def adopted(self, span: Any, completed: Completed, end_ns: int) -> None:
        """Takes notice of a call whose span is another instrumentation's, perhaps on a provider that we do not see."""

    def measure(self, interaction: Interaction, stamps: Sequence[int]) -> None:
        """Records the client metrics of one call; `stamps` are the times of its chunks, in nanoseconds."""

    def emit(self, feedback: Feedback, *, told: bool = True) -> str:
        """Sends one feedback event on its way.

        Returns:
            Its status: joined, pending, spooled or sent. Empty unless `told`, as it may take a look into the store.
        """

    def state(self, said: Statement) -> None:
        """Sends on its way what a person has said of consent."""


telemetry: Telemetry | None = None
"""Set by `rlhf_otel.export.setup`; None means that nothing is recorded."""

by_hand: Callable[[], Telemetry | None] | None = None
"""Finds the telemetry that `connect` made last, while an instrumentor holds it. Where there is no other, feedback goes
there: to the providers that have the calls."""

connect: Callable[..., Telemetry] | None = None
"""Makes a telemetry on given OpenTelemetry providers, for instrumentors that are wired by hand. Set by the face."""

notice: Callable[[Interaction], None] | None = None
"""Looks at a finished call for what it says of answers before it, where the pipeline runs. Set by the face."""

prompt: Callable[[], Callable[[], Opinion | None] | None] | None = None
"""Finds a better way to ask in this terminal than line by line, where there is one. Set by the face."""

before_exit: Callable[[], None] | None = None
"""Ends what is still open, before the last delivery at the end of the process."""

settings: Config | None = None
"""The settings in force, while something is set up."""

enabled: bool = True
"""Whether calls are recorded at all: `rlhf.disable()` and `rlhf.enable()`."""

calls_are_captured: bool = True
"""The setting `capture_interactions`."""

strict: bool = False
"""Whether our own faults are raised instead of logged. For tests only."""

inject_usage: bool = False
"""Whether streams are asked for their usage where the application does not: the setting `inject_usage`."""

provider_names: Mapping[str, str] = {}
"""What the user calls services, by their host: the setting `provider_names`."""

locate: Callable[[str], Handle | None] | None = None
"""Finds the handle of a span id that this process did not make; set where a store can be asked."""

counters: Counter[str] = Counter()
"""What `rlhf.stats()` shows: calls, errors, feedback, faults, drops."""

_listeners: dict[str, list[Listener]] = {}
EVENTS = ("interaction", "feedback", "error", "buffer_full", "drop", "flush")


def taker() -> Telemetry | None:
    """What takes feedback now; None where nothing does."""
    return telemetry or (by_hand() if by_hand else None)


def on(event: str, listener: Listener) -> Callable[[], None]:
    """Calls `listener` whenever `event` happens, on the thread where it happens.

    Calls to models that it makes are not recorded.

    Args:
        event: one of interaction, feedback, error, buffer_full, drop, flush.
        listener: called with what the event is about; what it raises is counted and logged, never passed on.
            `buffer_full` comes before anything is dropped, with the list of it: interactions and feedback, or
            OpenTelemetry's spans where the work on them was still to be done.

    Returns:
        A function that removes the listener again.

    Raises:
        ValueError: `event` is not one of the above.
    """
    if event not in EVENTS:
        raise ValueError(f"no event is called {event!r}; there are {', '.join(EVENTS)}")
    _listeners.setdefault(event, []).append(listener)
    return lambda: _listeners[event].remove(listener) if listener in _listeners[event] else None


def announce(event: str, *args: Any) -> None:
    """Tells the listeners of `event`."""
    if not (listeners := tuple(_listeners.get(event, ()))):
        return
    with plugged_in_code():
        for listener in listeners:
            try:
                listener(*args)
            except Exception as error:  # noqa: BLE001 - a listener is foreign code
                fault(f"a listener of {event!r} raised", error)


inside_hook: ContextVar[bool] = ContextVar("rlhf_otel_inside_hook", default=False)


@contextlib.contextmanager
def plugged_in_code() -> Iterator[None]:
    """Marks what runs inside as a processor or a listener: calls to models from there are not recorded.

    Each of them would lead to the same processor or listener again, without end.
    """
    token = inside_hook.set(True)
    try:
        yield
    finally:
        inside_hook.reset(token)


def in_plugged_in_code() -> bool:
    """Whether a processor or a listener runs here now."""
    return inside_hook.get()


_counting = threading.RLock()


def count(name: str, by: int = 1) -> None:
    """Adds to one of `counters`; exact whatever threads do."""
    with _counting:
        counters[name] += by


_last_said: OrderedDict[str, float] = OrderedDict()  # a plain dict looks for its oldest key among the deleted ones
_said_lock = threading.RLock()  # a finalizer may run inside it, on the same thread
SAY_EVERY_S = 60.0
_KEYS = 1000
"""How many lines are remembered; keys may hold words of a user."""


def say(key: str, message: str, *args: Any, level: int = logging.WARNING) -> None:
    """Logs one line, at most once a minute for each `key`."""
    now = time.monotonic()
    with _said_lock:
        if now - _last_said.get(key, -SAY_EVERY_S) < SAY_EVERY_S:
            return
        _last_said[key] = now
        _last_said.move_to_end(key)
        if len(_last_said) > _KEYS:
            _last_said.popitem(last=False)
    logger.log(level, f"rlhf-otel: {message}", *args)


def log_to_stderr(level: str) -> None:
    """Prints our own log from `level` on, whatever the application does with its logging."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def after_fork(renew: Callable[[], None]) -> None:
    """Calls `renew` in each child that this process forks; a method for as long as its object lives.

    For locks first of all: another thread of the parent may have held one at the moment of the fork.
    """
    if hasattr(os, "register_at_fork"):
        found = weakref.WeakMethod(renew) if inspect.ismethod(renew) else lambda: renew
        os.register_at_fork(after_in_child=lambda: call() if (call := found()) is not None else None)


def _renew_locks() -> None:
    global _counting, _said_lock
    _counting, _said_lock = threading.RLock(), threading.RLock()


after_fork(_renew_locks)


def fault(where: str, error: BaseException) -> None:
    """Reports a fault, ours or of something plugged in: counted, logged once a minute, raised only when strict.

    What the error says may be what a person said, so that only the debug log has it.
    """
    count("faults")
    say(where, "%s: %s (the application is not affected)", where, type(error).__name__)
    logger.debug("%s", where, exc_info=error)
    if strict:
        raise error
