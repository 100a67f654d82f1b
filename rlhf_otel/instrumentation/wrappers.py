"""What stands in the place of a library's methods: of the same kind as each, and a call around it.

What it gives back is what the library gives back; a generator in the place of a generator, and a watch in an object
that goes on to be read.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

from rlhf_otel import handles, hooks
from rlhf_otel.instrumentation import steps, under_way
from rlhf_otel.instrumentation.read_along import ReadAlong
from rlhf_otel.instrumentation.streams import Watch, observe, observe_async

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call
    from rlhf_otel.instrumentation.methods import Arguments, Method, MethodPatch, Path


def wrapped(patch: MethodPatch, method: Method, original: Any) -> Any:
    """What stands in the place of `original`, of the same kind."""
    if isinstance(original, staticmethod | classmethod):
        return type(original)(wrapped(patch, method, original.__func__))
    signature = _signature(original)
    is_function = "." not in method.target.partition(":")[2]
    concerns = patch.concerns

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Running:
        instance = None if is_function or not args else args[0]
        return _Running(patch, method, patch.begin(method, instance, lambda: _bound(signature, args, kwargs)))

    if inspect.isasyncgenfunction(original):

        async def wrapper(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with begin(args, kwargs) as running:
                source = original(*args, **kwargs)
            observed = running.returned(source)
            try:
                async for item in observed:
                    yield item
            finally:
                await observed.aclose()

    elif inspect.isgeneratorfunction(original):

        def wrapper(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            with begin(args, kwargs) as running:
                source = original(*args, **kwargs)
            return (yield from running.returned(source))

    elif inspect.iscoroutinefunction(original):

        async def wrapper(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            if concerns is not None and not concerns(args[0]):
                return await original(*args, **kwargs)
            with begin(args, kwargs) as running:
                result = await original(*args, **kwargs)
            return running.returned(result)

    else:

        def wrapper(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            if concerns is not None and not concerns(args[0]):
                return original(*args, **kwargs)
            with begin(args, kwargs) as running:
                result = original(*args, **kwargs)
            return running.awaited(result) if inspect.iscoroutine(result) else running.returned(result)

    return functools.wraps(original)(wrapper)


class _Running:
    """A call of a method, from just before it is made until it has returned."""

    __slots__ = ("_entered", "_gateway", "call", "method", "patch")

    def __init__(self, patch: MethodPatch, method: Method, call: Call | None) -> None:
        self.patch, self.method, self.call = patch, method, call
        self._entered: under_way.Entered = []
        self._gateway: under_way.Gateway | None = None
        if call is not None:
            call.patch = patch

    def __enter__(self) -> _Running:
        if self.call is None:
            return self
        if self.patch.is_gateway:
            self._gateway = self._gateway or under_way.Gateway()
            self._entered = self._gateway.enter()
        else:
            self._entered = under_way.enter(self.call)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self.call is None:
            return
        under_way.leave(self._entered)
        try:
            if error is not None and self._is_ours():
                self.call.fail(error)
        except Exception as fault:  # noqa: BLE001 - the application gets its exception whatever we make of it
            hooks.fault(f"reading an error of {self.patch.provider.package}", fault)

    def _is_ours(self) -> bool:
        """Whether the call is to be a span; what a gateway has handed on is one already."""
        call = self.call
        if call is None:
            return False
        if self._gateway is not None and not call.is_open:
            if self._gateway.handed_on:
                self.call = None
                return False
            self.patch.start(self.method, call)
            handles.made(call.handle)
        return True

    async def awaited(self, result: Any) -> Any:
        """The result of a method that is no coroutine function and returns a coroutine all the same."""
        with self:
            result = await result
        return self.returned(result)

    def returned(self, result: Any) -> Any:
        """What the application gets: the result itself, or a generator in the place of a generator."""
        try:
            if not self._is_ours() or self.call is None:
                return result
            if self._is_to_be_read(self.call, result):
                return result
            if self.call.stream:
                return self._streamed(self.call, result)
            self.call.read(self.call.endpoint.response, result)
            self.call.finish()
            _attach(self.call, result)
        except Exception as error:  # noqa: BLE001 - the application gets its result whatever we make of it
            hooks.fault(f"reading a result of {self.patch.provider.package}", error)
            if self.call is not None:
                self.call.finish()
        return result

    def _is_to_be_read(self, call: Call, result: Any) -> bool:
        """Whether the result is an object that goes on to be read, by chunks or by bytes, and is now watched."""
        inner = _path(self.method.inner, result) if call.stream else None
        body = _path(self.method.body, result)
        if inner is None and body is None:
            return False
        if (began := getattr(self.patch.provider, "began", None)) is not None:
            call.read(began, result)
        if body is not None:
            _replace_item(result, body, lambda held, holder: ReadAlong(call, held, holder))
        if inner is not None:
            _replace_item(result, inner, lambda held, _: _observed(call, held))
            _watch_closing(call, result, inner)
        _attach(call, result)
        return True

    def _streamed(self, call: Call, result: Any) -> Any:
        if isinstance(result, GeneratorType | AsyncGeneratorType):
            _attach(call, observed := _observed(call, result))
            return observed
        if steps.follow(call, result):
            _attach(call, result)
            return result
        hooks.say(f"stream {type(result)}", "a stream of type %s is not followed", type(result).__qualname__)
        call.finish()
        return result


def _attach(call: Call, result: Any) -> None:
    """Makes the call findable from what the application got."""
    if call.handle is not None:
        handles.attach(call.handle, result)


def _watch_closing(call: Call, result: Any, inner: str) -> None:
    """Closing a stream that reads from an HTTP response closes that alone; it is told by a watch on it."""
    response = getattr(result, "response", None)
    if isinstance(getattr(response, "extensions", None), dict):
        watch = Watch(call, response)
        watch.generator = weakref.ref(functools.reduce(_item, inner.split("."), result))


def _path(named: Path, result: Any) -> str | None:
    return named(result) if callable(named) else named


def _replace_item(result: Any, path: str, replacement: Callable[[Any, Any], Any]) -> None:
    """Puts `replacement(held, holder)` in the place of what is held at the end of `path`."""
    *way, name = path.split(".")
    holder = functools.reduce(_item, way, result)
    made = replacement(_item(holder, name), holder)
    if isinstance(holder, dict):
        holder[name] = made
    else:
        setattr(holder, name, made)


def _item(holder: Any, name: str) -> Any:
    return holder[name] if isinstance(holder, Mapping) else getattr(holder, name)


def _observed(call: Call, source: Any) -> Iterator[Any] | AsyncIterator[Any]:
    return observe_async(call, source) if hasattr(source, "__aiter__") else observe(call, iter(source))


def _signature(function: Any) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):
        return None  # made in C: only what is given by name is known


def _bound(signature: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
    """The arguments by name; None for those that do not fit, for which the method itself raises."""
    if signature is None:
        return kwargs
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError:
        return None
    given: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            given.update(value)
        elif name != "self":
            given[name] = value
    return given
