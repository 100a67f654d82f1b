"""The patch point of libraries that have no waist: the methods that call a model, by their dotted names.

A method may be plain or asynchronous, may return an answer, an iterator or an object that holds one, or be a generator
itself. It stays what it was: what returns a generator returns a generator, and nothing starts before it would have.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Protocol
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind

from rlhf_otel import codec, handles, hooks, semconv
from rlhf_otel.instrumentation import adoption, under_way
from rlhf_otel.instrumentation.call import Call
from rlhf_otel.instrumentation.endpoint import Endpoint
from rlhf_otel.instrumentation.patching import Library, Patch
from rlhf_otel.instrumentation.read_along import ReadAlong
from rlhf_otel.instrumentation.streams import Watch, observe, observe_async

Arguments = Mapping[str, Any]
"""What a method was called with, by the names of its parameters; those of `**kwargs` among them."""


Path = str | Callable[[Any], "str | None"] | None
"""Where something is within a result; or a function that says so, from the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method that calls a model.

    Attributes:
        target: where it is: `package.module:Class.method`, or `package.module:function`.
        endpoint: its readers, or a function that picks them by instance and arguments (None: no call to a model).
        stream: whether it streams: always, never, by the argument of that name, or as a function of the arguments says.
        inner: the attribute of a streamed result that iterates over the chunks, where the result is no generator;
            a path such as `body.stream`, in which a mapping is entered by its keys, or a function that finds it.
        body: the attribute of a result that the application reads bytes from, or closes; named alike.
        in_process: whether the model runs in this process.
    """

    target: str
    endpoint: Endpoint | Callable[[Any, Arguments], Endpoint | None]
    stream: bool | str | Callable[[Arguments], Any] = False
    inner: Path = None
    body: Path = None
    in_process: bool = False

    def readers(self, instance: Any, arguments: Arguments) -> Endpoint | None:
        """The readers of this call; None where it is no call to a model."""
        return self.endpoint(instance, arguments) if callable(self.endpoint) else self.endpoint

    def streams(self, arguments: Arguments) -> bool:
        """Whether a call with these arguments streams."""
        if isinstance(self.stream, str):
            return bool(arguments.get(self.stream))
        return bool(self.stream(arguments)) if callable(self.stream) else self.stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Who answers a call: the conventions' provider name, the model that is asked for, and further attributes."""

    provider: str
    model: Any = None
    attributes: Mapping[str, Any] | None = None


class Provider(Library, Protocol):
    """A library whose methods are patched one by one.

    May also have `is_gateway` (whether it calls other libraries, which may record the call themselves),
    `concerns(instance)` (whether methods of this instance may call a model; where not, they cost next to nothing),
    `client_of(instance)` (the client that an instance of a patched class belongs to, if it is not the client itself),
    `also` (what else is replaced: a target as those of methods, and what makes its replacement from the original),
    and two readers: `began(call, result)` of a result that is still to be read, and `raised(call, error)`.
    """

    methods: tuple[Method, ...]

    def describe(self, instance: Any, arguments: Arguments) -> Described:
        """Who is called; `instance` is None for a function."""


class MethodPatch(Patch):
    """The patched methods of one library."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.provider = provider
        self.is_gateway = bool(getattr(provider, "is_gateway", False))
        self._client_of = getattr(provider, "client_of", lambda instance: instance)
        self.concerns: Callable[[Any], bool] | None = getattr(provider, "concerns", None)
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()

    def replace_methods(self) -> None:
        """Replaces each method that this version of the library has."""
        for method in self.provider.methods:
            self._replace_target(method.target, functools.partial(_wrapped, self, method))
        also: Mapping[str, Callable[[Any], Any]] = getattr(self.provider, "also", {})
        for target, wrap in also.items():
            self._replace_target(target, wrap)

    def _replace_target(self, target: str, wrap: Callable[[Any], Any]) -> None:
        module, _, path = target.partition(":")
        try:
            owner: Any = sys.modules.get(module) or importlib.import_module(module)
        except ImportError:
            return  # a part of the library that this version has not, or that needs what is not installed
        *classes, name = path.split(".")
        for cls in classes:
            owner = getattr(owner, cls, None)
        if owner is not None:
            self._replace(owner, name, wrap)

    def add(self, client: Any) -> None:
        """Records the calls of this one client."""
        self._clients.add(self._client_of(client))

    def forget_clients(self) -> None:
        """Records the calls of no single client any more."""
        self._clients.clear()

    def begin(self, method: Method, instance: Any, arguments: Callable[[], Arguments | None]) -> Call | None:
        """The call that is about to be made; None where it is none of ours. Never raises."""
        telemetry = self.telemetry or hooks.telemetry
        try:
            if telemetry is None or not under_way.may_begin(telemetry) or not self._records(instance):
                return None
            given = arguments()
            endpoint = method.readers(instance, given) if given is not None else None
            if given is None or endpoint is None or under_way.is_suppressed(endpoint.operation):
                return None
            who = self.provider.describe(instance, given)
            call = Call(
                telemetry,
                endpoint,
                provider=who.provider,
                model=who.model,
                stream=method.streams(given),
                attributes=dict(who.attributes or {}),
            )
            call.asked(codec.plain(given, keep=bytes))
            under_way.begun()
            if not self.is_gateway:
                self.start(method, call)
            return call
        except Exception as error:  # noqa: BLE001 - a library that is not as expected is left alone
            hooks.fault(f"beginning a call of {self.provider.package}", error)
            return None

    def start(self, method: Method, call: Call) -> None:
        """Starts the span of `call`."""
        kind = SpanKind.INTERNAL if method.in_process else SpanKind.CLIENT
        outer = adoption.outer_span(call.endpoint.operation, self.provider.package, call.request_model)
        call.start(outer, kind=kind)
        hooks.count("calls")

    def _records(self, instance: Any) -> bool:
        """Whether calls of `instance` are recorded; one that a method of the same library makes is part of that."""
        if not self.everywhere and self._client_of(instance) not in self._clients:
            return False
        outer = under_way.current.get()
        return outer is None or outer.patch is not self


# --- The replacements ---------------------------------------------------------------------------------------------


def _wrapped(patch: MethodPatch, method: Method, original: Any) -> Any:
    """What stands in the place of `original`, of the same kind."""
    if isinstance(original, staticmethod | classmethod):
        return type(original)(_wrapped(patch, method, original.__func__))
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
        if error is not None and self._is_ours():
            if (raised := getattr(self.patch.provider, "raised", None)) is not None:
                self.call.read(raised, error)
            self.call.fail(error)

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


@functools.lru_cache(256)
def server(url: str) -> Mapping[str, Any]:
    """The attributes that say which server a client talks to, by its base URL."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return {semconv.SERVER_ADDRESS: parts.hostname, semconv.SERVER_PORT: port} if parts.hostname and port else {}


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
