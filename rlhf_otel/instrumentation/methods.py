"""The patch point of libraries that have no waist: the methods that call a model, by their dotted names.

A method may be plain or asynchronous, may return an answer, an iterator or an object that holds one, or be a generator
itself. It stays what it was: what returns a generator returns a generator, and nothing starts before it would have.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import wrapt
from opentelemetry.trace import SpanKind

from rlhf_otel import codec, hooks, semconv
from rlhf_otel.instrumentation import adoption, steps, under_way
from rlhf_otel.instrumentation.call import Call
from rlhf_otel.instrumentation.endpoint import Endpoint
from rlhf_otel.instrumentation.patching import Library, Patch
from rlhf_otel.instrumentation.wrappers import wrapped

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
    `streams` (dotted names of classes whose objects are streams by `__next__` or `__anext__`),
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
        streams: tuple[str, ...] = getattr(provider, "streams", ())
        self._replacements: dict[str, Callable[[Any], Any]] = {
            **{method.target: functools.partial(wrapped, self, method) for method in provider.methods},
            **{f"{stream}.{name}": step for stream in streams for name, step in steps.ALL.items()},
            **getattr(provider, "also", {}),
        }
        self._awaited: set[str] = set()
        self._is_applied = False

    def replace_methods(self) -> None:
        """Replaces each method that this version of the library has, in each part of it that is imported or will be."""
        self._is_applied = True
        for module in dict.fromkeys(target.partition(":")[0] for target in self._replacements):
            if module in sys.modules:
                self._replace_in(module)
            elif module not in self._awaited:
                self._awaited.add(module)
                wrapt.register_post_import_hook(self._imported, module)

    def _imported(self, module: Any) -> None:
        """A part of the library has been imported that the application had no use for before."""
        try:
            if self._is_applied:
                self._replace_in(module.__name__)
        except Exception as error:  # noqa: BLE001 - the application's import must succeed
            hooks.fault(f"instrumenting {self.provider.package}", error)

    def _replace_in(self, module: str) -> None:
        for target, wrap in self._replacements.items():
            holder, _, name = target.rpartition("." if "." in target.partition(":")[2] else ":")
            if (owner := _found(module, holder)) is not None:
                self._replace(owner, name, wrap)

    def undo(self) -> None:
        """Puts the library's own methods back."""
        self._is_applied = False
        super().undo()

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
        # A task that was begun during a call still has it after its end.
        return outer is None or outer.patch is not self or not outer.is_open


def _found(module: str, target: str) -> Any:
    """The module or class of a dotted name, if it is in `module`; None where this version has none."""
    home, _, path = target.partition(":")
    owner = sys.modules.get(module) if home == module else None
    for name in filter(None, path.split(".")):
        owner = getattr(owner, name, None)
    return owner


@functools.lru_cache(256)
def server(url: str) -> Mapping[str, Any]:
    """The attributes that say which server a client talks to, by its base URL."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return {semconv.SERVER_ADDRESS: parts.hostname, semconv.SERVER_PORT: port} if parts.hostname and port else {}
