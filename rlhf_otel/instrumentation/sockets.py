"""Conversations over a WebSocket: each answer is a call, from the message that asks for it to the one that ends it.

The SDK's connection and everything on top of it come by the transport's `send` and `recv`: these are listened to, by a
subclass made for the transport. A message is the application's, whatever we make of it.
"""

from __future__ import annotations

import functools
import inspect
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rlhf_otel import handles, hooks
from rlhf_otel.instrumentation import adoption, under_way
from rlhf_otel.instrumentation.bodies import Lenient, lenient
from rlhf_otel.instrumentation.call import Call

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.endpoint import Endpoint

_clock = time.perf_counter_ns
_LAST = ("response.completed", "response.incomplete", "response.failed", "error")

Begin = Callable[[Any], "Call | None"]
"""Makes the call for a model's name; None where nothing is recorded."""


def connecting(begin_for: Callable[[Any], Begin], original: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in the place of a method that opens a connection; `begin_for` is asked with its instance."""
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def connect_async(manager: Any, *args: Any, **kwargs: Any) -> Any:
            socket = await original(manager, *args, **kwargs)
            _listen(socket, begin_for, manager)
            return socket

        return connect_async

    @functools.wraps(original)
    def connect(manager: Any, *args: Any, **kwargs: Any) -> Any:
        socket = original(manager, *args, **kwargs)
        _listen(socket, begin_for, manager)
        return socket

    return connect


def new_call(patch: Any, endpoint: Endpoint, provider: str, server: Mapping[str, Any], model: Any) -> Call | None:
    """A call over a connection, started; None where it is not to be recorded."""
    telemetry = patch.telemetry or hooks.telemetry
    if telemetry is None or not under_way.may_begin(telemetry):
        return None
    call = Call(telemetry, endpoint, provider=provider, model=model, stream=True, attributes=dict(server))
    call.patch = patch
    call.start(adoption.outer_span(endpoint.operation, patch.provider.package, call.request_model))
    hooks.count("calls")
    handles.made(call.handle)
    return call


class Conversation:
    """The calls of one connection. Several answers may be under way, each in a lane of its own.

    What is asked for in a lane that is busy waits for its turn there.
    """

    def __init__(self, begin: Begin) -> None:
        self._begin = begin
        self._open: dict[Any, deque[Call]] = {}
        self._steered: dict[Any, Any] = {}

    def sent(self, message: Any) -> None:
        """The application is about to send `message`."""
        body = json.loads(message) if isinstance(message, str | bytes) else None
        if not isinstance(body, dict):
            return
        kind = body.get("type")
        if kind == "response.create":
            self._ask(body.get("stream_id"), body)
        elif kind == "response.steer":
            self._steered[body.get("previous_response_id")] = body.get("input")

    def received(self, message: str | bytes) -> None:
        """The application is about to get `message`."""
        now = _clock()
        event = lenient(message)
        if event is None:
            return
        if event.type == "response.created" and event.stream_id not in self._open:
            self._go_on(event)
        lane = self._open.get(event.stream_id)
        if lane is None:
            return
        call = lane[0]
        call.stamps.append(now)
        call.read(call.endpoint.chunk, call.state, event)
        if event.type in _LAST:
            lane.popleft()
            if not lane:
                del self._open[event.stream_id]
            call.finish("error" if event.type == "error" else "completed")

    def broken(self, error: BaseException) -> None:
        """The connection has ended in the middle of what was under way."""
        for call in self._all():
            call.fail(error)

    def closed(self) -> None:
        """The application closes the connection."""
        for call in self._all():
            call.finish("abandoned")

    def _all(self) -> list[Call]:
        calls = [call for lane in self._open.values() for call in lane]
        self._open.clear()
        return calls

    def _ask(self, lane: Any, body: dict[str, Any]) -> None:
        if (call := self._begin(body.get("model"))) is not None:
            call.asked(body)
            self._open.setdefault(lane, deque()).append(call)

    def _go_on(self, event: Lenient) -> None:
        """An answer that nobody asked for goes on from one that was steered."""
        before = getattr(event.response, "previous_response_id", None)
        body = {"model": getattr(event.response, "model", None), "previous_response_id": before}
        self._ask(event.stream_id, {**body, "input": self._steered.pop(before, None)})


def _listen(socket: Any, begin_for: Callable[[Any], Begin], manager: Any) -> None:
    try:
        conversation = Conversation(begin_for(manager))
        socket.__class__ = _listened(type(socket))
        socket._rlhf_conversation = conversation
    except Exception as error:  # noqa: BLE001 - the application gets its connection, listened to or not
        hooks.fault("listening to a connection", error)


_classes: dict[Any, Any] = {}


def _listened(transport: Any) -> Any:
    """A subclass of a transport's class that tells its conversation what happens. One for each class."""
    if transport not in _classes:
        members = _asynchronous(transport) if inspect.iscoroutinefunction(transport.recv) else _synchronous(transport)
        members.update(__module__=transport.__module__, __slots__=())  # nothing more than the class itself has
        _classes[transport] = type(transport.__name__, (transport,), members)
    return _classes[transport]


def _tell(listener: Callable[..., None], *args: Any) -> None:
    """Tells a conversation; what it raises is ours to report and never the application's to see."""
    try:
        listener(*args)
    except Exception as error:  # noqa: BLE001 - the application goes on, whatever befalls us
        hooks.fault("listening to a connection", error)


def _is_broken(error: BaseException) -> bool:
    """Whether the connection is over; waiting for a message may also be given up and tried again."""
    return any(cls.__name__ == "ConnectionClosed" for cls in type(error).__mro__)


def _synchronous(transport: Any) -> dict[str, Any]:
    def send(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(self._rlhf_conversation.sent, message)
        return transport.send(self, message, *args, **kwargs)

    def recv(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            message = transport.recv(self, *args, **kwargs)
        except Exception as error:
            if _is_broken(error):
                _tell(self._rlhf_conversation.broken, error)
            raise
        _tell(self._rlhf_conversation.received, message)
        return message

    def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(self._rlhf_conversation.closed)
        return transport.close(self, *args, **kwargs)

    return {"send": send, "recv": recv, "close": close}


def _asynchronous(transport: Any) -> dict[str, Any]:
    async def send(self: Any, message: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(self._rlhf_conversation.sent, message)
        return await transport.send(self, message, *args, **kwargs)

    async def recv(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            message = await transport.recv(self, *args, **kwargs)
        except Exception as error:
            if _is_broken(error):
                _tell(self._rlhf_conversation.broken, error)
            raise
        _tell(self._rlhf_conversation.received, message)
        return message

    async def close(self: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(self._rlhf_conversation.closed)
        return await transport.close(self, *args, **kwargs)

    return {"send": send, "recv": recv, "close": close}
