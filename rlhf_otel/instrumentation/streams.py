"""Watches what the application reads, at the pace and in the order in which it reads it.

Nothing is read ahead and nothing is kept back. A parsed stream stays the SDK's own object; the iterator inside it is
wrapped in a generator that notes a time per chunk. A `Watch` on the HTTP response tells when the application is done
early, and follows the bytes where the application reads them itself.
"""

from __future__ import annotations

import time
import weakref
from contextlib import aclosing
from copy import copy
from typing import TYPE_CHECKING, Any

from rlhf_otel import handles, hooks
from rlhf_otel.instrumentation import asking, done
from rlhf_otel.instrumentation.bodies import BodyReader, reader_for
from rlhf_otel.instrumentation.parts import join
from rlhf_otel.instrumentation.stamps import MANY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rlhf_otel.instrumentation.call import Call

_clock = time.perf_counter_ns
_EXTENSION = "rlhf_otel"


def observe(call: Call, source: Iterator[Any], events: Any = None) -> Iterator[Any]:
    """Yields what `source` yields; ends `call` when it ends, fails or is closed.

    Where `source` reads `events`, and leaves them before their end, it was told that the answer is whole.
    """
    clock, newest, (piece_of, pieces) = _clock, call.stamps.newest, _NO_TAKER
    try:
        for chunk in source:
            newest.append(clock())
            if (piece := piece_of(chunk)) is None:
                piece_of, pieces = _read(call, chunk)
            else:
                pieces.append(piece)
                if len(pieces) >= MANY:
                    join(pieces)
                    call.stamps.packed()
            yield chunk
    except GeneratorExit:
        call.finish("abandoned")
        raise
    except BaseException as error:
        call.fail(error)
        raise
    if done.is_left(events):
        done.note(call)
    call.finish()


async def observe_async(call: Call, source: AsyncIterator[Any], events: Any = None) -> AsyncIterator[Any]:
    """The same for an asynchronous stream."""
    clock, newest, (piece_of, pieces) = _clock, call.stamps.newest, _NO_TAKER
    try:
        async for chunk in source:
            newest.append(clock())
            if (piece := piece_of(chunk)) is None:
                piece_of, pieces = _read(call, chunk)
            else:
                pieces.append(piece)
                if len(pieces) >= MANY:
                    join(pieces)
                    call.stamps.packed()
            yield chunk
    except GeneratorExit:
        call.finish("abandoned")
        if (close := getattr(source, "aclose", None)) is not None:
            await close()  # no count of references closes an asynchronous generator
        raise
    except BaseException as error:
        call.fail(error)
        raise
    if done.is_left(events):
        done.note(call)
    call.finish()


_NO_TAKER: tuple[Callable[[Any], str | None], list[str]] = (lambda _: None, [])
"""Of an endpoint that has none: every chunk is to be read."""


def _read(call: Call, chunk: Any) -> tuple[Callable[[Any], str | None], list[str]]:
    """Has the endpoint read a chunk; returns what may take the next ones at a glance, where the endpoint has that.

    Nearly all chunks of a stream are a piece of text and nothing else. To see that costs less than to read them.
    """
    try:
        call.endpoint.chunk(call, call.state, chunk)
        if len(call.stamps.newest) >= MANY:
            call.stamps.packed()
        taker = getattr(call.endpoint, "taker", None)
        return (None if taker is None else taker(call, call.state)) or _NO_TAKER
    except Exception as error:  # noqa: BLE001 - an unforeseen chunk is the application's all the same
        call.misread = True
        hooks.fault("reading a chunk", error)
        return _NO_TAKER


def wrap_stream(stream: Any, sdk_class: type[Any], observer: Callable[..., Any]) -> None:
    """Puts `observer` between a new SDK stream and what it iterates over, if its response belongs to a call."""
    watch = watch_of(stream.response)
    call = watch.call() if watch is not None else None
    if watch is None or call is None:
        return
    events = None
    if type(stream) is sdk_class:
        stream.__dict__.pop("_iterator", None)
        source, events = done.opened(call, stream)
    elif hasattr(sdk_class, "_iterator"):  # made at the first step, when the subclass's constructor is through
        source = _late_async(stream) if hasattr(stream, "__aiter__") else _late(stream)
    else:
        source = stream._iterator
    stream._iterator = observed = observer(call, source, events)
    if call.hides is not None:
        stream._iterator = (asking.without if hasattr(observed, "close") else asking.without_async)(call, observed)
    watch.generator = weakref.ref(observed)
    watch.reader = None
    if call.handle is not None:
        handles.attach(call.handle, stream)
        handles.attach(call.handle, stream.response)


def _late(stream: Any) -> Iterator[Any]:
    yield from copy(stream).__stream__()


async def _late_async(stream: Any) -> AsyncIterator[Any]:
    async with aclosing(copy(stream).__stream__()) as source:
        async for item in source:
            yield item


def watch_of(response: Any) -> Watch | None:
    """The watch on an HTTP response that belongs to a call."""
    extensions = getattr(response, "extensions", None)
    return extensions.get(_EXTENSION) if isinstance(extensions, dict) else None


class Watch:
    """Sits on the transport stream of an HTTP response whose body has not been read yet.

    It refers weakly to the call: the call lives in what the application holds (the stream, the raw response), so that a
    dropped one is ended at once and not when the response's own reference cycles are collected.
    """

    __slots__ = ("call", "generator", "reader", "reading")

    def __init__(self, call: Call, response: Any) -> None:
        self.call = weakref.ref(call)
        self.generator: Callable[[], Any] | None = None
        self.reader: BodyReader | None = None
        self.reading = False
        transport = getattr(response, "stream", None)
        try:
            response.extensions[_EXTENSION] = self
            transport.__class__ = _watched(type(transport))
            transport._rlhf_watch = self  # type: ignore[union-attr]
        except (AttributeError, TypeError) as error:
            hooks.logger.debug("this transport cannot be watched (%s); the span ends when the stream is dropped", error)

    def follow(self, response: Any) -> None:
        """Reads along with the application, which reads the bytes itself."""
        if (call := self.call()) is not None:
            self.reader = reader_for(call, response)

    def arrived(self, data: bytes) -> None:
        """The application is about to get these bytes of the body."""
        if self.reader is not None and (call := self.call()) is not None:
            call.read(self.reader.feed, data)

    def exhausted(self) -> None:
        """The application has read the last byte."""
        if self.reader is not None and (call := self.call()) is not None:
            call.read(self.reader.finish)
            call.finish()

    def failed(self, error: BaseException) -> None:
        """Reading has raised."""
        if self.reader is not None and (call := self.call()) is not None:
            call.fail(error)

    def closed(self) -> None:
        """The response is being closed; from inside a step of the iteration, that step will tell how it ended."""
        call = self.call()
        if call is None or self.reading or self._stepping():
            return
        if self.reader is not None:
            call.read(self.reader.cut)
        call.finish("abandoned")

    def _stepping(self) -> bool:
        generator = self.generator() if self.generator is not None else None
        return bool(getattr(generator, "gi_running", False) or getattr(generator, "ag_running", False))


_classes: dict[type, type] = {}


def _watched(transport: type) -> type:
    """A subclass of a transport's stream class that tells its watch what happens. One for each class."""
    if transport not in _classes:
        mixin = _WatchedAsync if hasattr(transport, "__aiter__") else _WatchedSync
        _classes[transport] = type(transport.__name__, (mixin, transport), {"__module__": transport.__module__})
    return _classes[transport]


def _tell(listener: Callable[..., None], *args: Any) -> None:
    """Tells the watch what has happened; what it raises is ours to report and never the application's to see."""
    try:
        listener(*args)
    except Exception as error:  # noqa: BLE001 - the application reads on, whatever befalls us
        hooks.fault("watching a response", error)


class _WatchedSync:
    _rlhf_watch: Watch

    def __iter__(self) -> Iterator[bytes]:
        parent: Iterator[bytes] = super().__iter__()  # type: ignore[misc]
        return parent if self._rlhf_watch.reader is None else self._followed(parent)

    def _followed(self, parent: Iterator[bytes]) -> Iterator[bytes]:
        watch = self._rlhf_watch
        try:
            watch.reading = True
            for data in parent:
                _tell(watch.arrived, data)
                watch.reading = False
                yield data
                watch.reading = True
        except GeneratorExit:
            raise
        except BaseException as error:
            _tell(watch.failed, error)
            raise
        _tell(watch.exhausted)

    def close(self) -> None:
        _tell(self._rlhf_watch.closed)
        super().close()  # type: ignore[misc]


class _WatchedAsync:
    _rlhf_watch: Watch

    def __aiter__(self) -> AsyncIterator[bytes]:
        parent: AsyncIterator[bytes] = super().__aiter__()  # type: ignore[misc]
        return parent if self._rlhf_watch.reader is None else self._followed(parent)

    async def _followed(self, parent: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        watch = self._rlhf_watch
        try:
            watch.reading = True
            async for data in parent:
                _tell(watch.arrived, data)
                watch.reading = False
                yield data
                watch.reading = True
        except GeneratorExit:
            raise
        except BaseException as error:
            _tell(watch.failed, error)
            raise
        _tell(watch.exhausted)

    async def aclose(self) -> None:
        _tell(self._rlhf_watch.closed)
        await super().aclose()  # type: ignore[misc]
