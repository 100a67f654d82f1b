"""Which call is under way here, and whether one may begin: what the patch points share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from rlhf_otel import app_context, handles, hooks
from rlhf_otel.instrumentation import adoption

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call

Entered = list[tuple[Callable[[Any], Any], Any]]
"""What `enter` put in place: how to restore each piece, and with what."""

current: ContextVar[Call | None] = ContextVar("rlhf_otel_call", default=None)
"""The call whose request is being made, on this thread or in this task."""


def may_begin(telemetry: hooks.Telemetry | None) -> bool:
    """Whether a call that is about to be made is to be recorded at all.

    Not those that a processor or listener makes, about a call that it would never hear the end of.
    """
    if telemetry is None or not hooks.enabled or not hooks.calls_are_captured or hooks.in_plugged_in_code():
        return False
    if app_context.is_out():
        hooks.count("opted_out")
        return False
    return telemetry.may_record()


def is_suppressed(operation: str) -> bool:
    """Whether a call is not to have a span; where another instrumentation says so that holds one, we adopt that."""
    suppressed = otel_context.get_value(otel_context._SUPPRESS_INSTRUMENTATION_KEY)
    return bool(suppressed) and not adoption.is_held(operation)


def enter(call: Call) -> Entered:
    """Makes the call's span the current one, for the HTTP spans beneath it; never across a yield."""
    entered: Entered = []
    try:
        if call.handle is not None:
            entered.append((otel_context.detach, otel_context.attach(trace.set_span_in_context(call.span))))
        entered.append((handles.leave, handles.begin(call.handle)))
        entered.append((current.reset, current.set(call)))
    except Exception as error:  # noqa: BLE001 - the call is made, whatever befalls its context
        hooks.fault("entering a call", error)
    return entered


def leave(entered: Entered) -> None:
    """Puts back what `enter` found."""
    for restore, token in reversed(entered):
        try:
            restore(token)
        except ValueError:
            return  # a coroutine that is closed from another context: what was entered is gone with its own
        except Exception as error:  # noqa: BLE001 - the call was made, whatever befalls its context
            hooks.fault("leaving a call", error)


class nothing:  # noqa: N801 - used as a statement
    """A request that is not recorded may be made within one that is; it must not be taken for that."""

    def __enter__(self) -> None:
        self._token = None if current.get() is None else current.set(None)

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            with contextlib.suppress(ValueError):
                current.reset(self._token)


class Gateway:
    """A call of a library that may hand it on to another one that is patched as well, whose call it then is."""

    __slots__ = ("handed_on",)

    def __init__(self) -> None:
        self.handed_on = False

    def enter(self) -> Entered:
        """From here on, calls that begin are this one, handed on; to be restored by `leave`."""
        return [(_gateway.reset, _gateway.set(self))]


_gateway: ContextVar[Gateway | None] = ContextVar("rlhf_otel_gateway", default=None)


def begun() -> None:
    """Says that a call has begun, to the gateway that it came through if there is one."""
    if (gateway := _gateway.get()) is not None:
        gateway.handed_on = True
