"""The patch point of the SDKs that one generator made: openai, anthropic and their kin.

Every method of theirs, in every call shape, comes by one private method of the client, `request`. Four more are
touched: `_build_request` (the HTTP request, for its body), `_process_response` (the HTTP response, for its headers),
and the constructors of the two stream classes. All are replaced on the SDK's base classes, which every client shares,
and put back by `undo`.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import wrapt

from rlhf_otel import handles, hooks, semconv
from rlhf_otel.instrumentation import adoption, asking, under_way
from rlhf_otel.instrumentation.bodies import read_whole
from rlhf_otel.instrumentation.call import Call
from rlhf_otel.instrumentation.endpoint import Endpoint
from rlhf_otel.instrumentation.patching import Library, Patch
from rlhf_otel.instrumentation.sockets import connecting, new_call
from rlhf_otel.instrumentation.streams import Watch, observe, observe_async, watch_of, wrap_stream
from rlhf_otel.instrumentation.unrecorded import Unrecorded

if TYPE_CHECKING:
    from types import ModuleType

_clock = time.perf_counter_ns
_KEPT_HEADERS = {
    name.encode(): semconv.HTTP_RESPONSE_HEADER + name
    for name in ("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "anthropic-organization-id")
} | {name.removeprefix(semconv.HTTP_RESPONSE_HEADER).encode(): name for name in semconv.PROCESSING_TIME_HEADERS}
"""Header, as the transport gives it -> attribute."""


class Provider(Library, Protocol):
    """One SDK, and a reader for each kind of request."""

    def endpoint(self, path: str, method: str = "POST") -> Endpoint | None:
        """The readers of requests to `path` by the HTTP method `method`; None for what is not a call to a model."""

    def name_of(self, client: Any) -> str:
        """The conventions' provider name of the service that `client` talks to."""


class StainlessPatch(Patch):
    """The patched base classes of one SDK."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.provider = provider
        # By HTTP client, which the copies that `with_options` makes share.
        self._clients: weakref.WeakSet[Any] = weakref.WeakSet()
        self._services: dict[int, tuple[weakref.ref[Any], Any, str, dict[str, Any]]] = {}

    # --- On and off -----------------------------------------------------------------------------------------------

    def replace_methods(self) -> None:
        """Replaces the methods that all calls come by."""
        base: ModuleType = sys.modules[f"{self.provider.package}._base_client"]
        streaming: ModuleType = sys.modules[f"{self.provider.package}._streaming"]
        self._replace(base.BaseClient, "_build_request", _build_request)
        self._replace(base.SyncAPIClient, "_process_response", self._process_response)
        self._replace(base.AsyncAPIClient, "_process_response", self._process_response)
        self._replace(streaming.Stream, "__init__", functools.partial(_stream_init, streaming.Stream, observe))
        self._replace(
            streaming.AsyncStream, "__init__", functools.partial(_stream_init, streaming.AsyncStream, observe_async)
        )
        for module in getattr(self.provider, "connections", {}):
            # The SDK imports it when the application first asks for it.
            wrapt.register_post_import_hook(functools.partial(_imported, weakref.ref(self)), module)
        if "_tracer" in vars(base.BaseClient):
            self._replace(base.BaseClient, "_tracer", _tracer_property)
            self._replace(base.BaseClient, "_set_open_telemetry", adoption.remember_choice)
            self._replace(base.BaseClient, "_copy_open_telemetry", adoption.inherit_choice)
        # Where calls begin comes last, and is put back first: what has begun finds the rest in place.
        self._replace(base.SyncAPIClient, "request", self._request)
        self._replace(base.AsyncAPIClient, "request", self._request_async)

    def replace_connectors(self, module: ModuleType) -> None:
        """Replaces what opens the connections of `module`, which has been imported."""
        name, endpoint = self.provider.connections[module.__name__]  # type: ignore[attr-defined]
        for cls in (getattr(module, name, None), getattr(module, f"Async{name}", None)):
            if cls is not None and self._replaced:
                self._replace(
                    cls, "_connect_ws", functools.partial(connecting, functools.partial(self._over, endpoint))
                )

    def _over(self, endpoint: Endpoint, manager: Any) -> Callable[[Any], Call | None]:
        """What makes the calls of the connection that `manager` has opened."""
        names = (f"_{cls.__name__.lstrip('_')}__client" for cls in type(manager).__mro__)
        client = next(found for name in names if (found := vars(manager).get(name)) is not None)
        provider, server = self._service(client)

        def begin(model: Any) -> Call | None:
            if not (self.everywhere or client._client in self._clients):
                return None
            return new_call(self, endpoint, provider, server, model)

        return begin

    def add(self, client: Any) -> None:
        """Instruments this one client and the copies made of it."""
        self._clients.add(client._client)

    def forget_clients(self) -> None:
        """Records the calls of no single client any more."""
        self._clients.clear()

    # --- The replacements ----------------------------------------------------------------------------------------

    def _request(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                with under_way.nothing():
                    return original(client, *args, **kwargs)
            entered = under_way.enter(call)
            try:
                result = original(client, *args, **kwargs)
            except BaseException as error:
                under_way.leave(entered)
                _raised(call, error)
                raise
            under_way.leave(entered)
            _returned(call, result)
            return result

        return request

    def _request_async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def request(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = self._begin(client, args, kwargs)
            if call is None:
                with under_way.nothing():
                    return await original(client, *args, **kwargs)
            entered = under_way.enter(call)
            try:
                result = await original(client, *args, **kwargs)
            except BaseException as error:
                under_way.leave(entered)
                _raised(call, error)
                raise
            under_way.leave(entered)
            _returned(call, result)
            return result

        return request

    def _process_response(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Works for both kinds of client: an asynchronous original returns its coroutine."""

        @functools.wraps(original)
        def process(client: Any, *args: Any, **kwargs: Any) -> Any:
            call = under_way.current.get()
            if call is not None:
                try:
                    _note_response(call, kwargs.get("response"), kwargs.get("retries_taken"))
                except Exception as error:  # noqa: BLE001 - the application gets its response whatever we make of it
                    hooks.fault("reading the headers of a response", error)
            return original(client, *args, **kwargs)

        return process

    # --- Beginning ------------------------------------------------------------------------------------------------

    def _begin(self, client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call | None:
        """The call that this request makes; None where it is none of ours. Never raises."""
        telemetry = self.telemetry or hooks.telemetry
        if telemetry is None or not (self.everywhere or client._client in self._clients):
            return None
        try:
            options = kwargs["options"] if "options" in kwargs else args[1]
            endpoint = self.provider.endpoint(str(options.url), options.method.upper())
            if endpoint is None or not under_way.may_begin(telemetry) or under_way.is_suppressed(endpoint.operation):
                return None
            provider, server = self._service(client)
            unrecorded = getattr(endpoint, "unrecorded", False)
            call = (Unrecorded if unrecorded else Call)(
                telemetry,
                endpoint,
                provider=provider,
                model=_model(options),
                stream=bool(kwargs.get("stream")),
                attributes=dict(server),
            )
            call.patch = self
            under_way.begun()
            if not unrecorded and not adoption.sdk_will_trace(client):
                call.start(adoption.outer_span(endpoint.operation, self.provider.package, call.request_model))
            if (read_options := getattr(endpoint, "read_options", None)) is not None:
                call.read(read_options, options)
            if not unrecorded:
                hooks.count("calls")
            return call
        except Exception as error:  # noqa: BLE001 - an SDK that is not as expected is left alone
            hooks.fault("beginning a call", error)
            return None

    def _service(self, client: Any) -> tuple[str, dict[str, Any]]:
        """Who answers `client`, and where; asked again when its base URL is replaced."""
        set_to = vars(client).get("_base_url")  # to ask for `base_url` takes openai 3 longer than all else here
        known = self._services.get(id(client))
        if known is None or known[0]() is not client or known[1] is not set_to or set_to is None:
            url = client.base_url
            port = url.port or {"https": 443, "http": 80}.get(url.scheme)
            server = {semconv.SERVER_ADDRESS: url.host, **({semconv.SERVER_PORT: port} if port else {})}
            found = weakref.ref(client, functools.partial(_forget, self._services, id(client)))
            known = self._services[id(client)] = (found, set_to, self.provider.name_of(client), server)
        return known[2:]


def _forget(services: dict[int, Any], key: int, gone: weakref.ref[Any]) -> None:
    """Forgets a client that is gone, unless another one has its place by now."""
    if (known := services.get(key)) is not None and known[0] is gone:
        del services[key]


def _model(options: Any) -> Any:
    """The model that is asked for; what the caller puts into `extra_body` beats the argument, as in the SDK."""
    for body in (getattr(options, "extra_json", None), options.json_data):
        if isinstance(body, Mapping) and "model" in body:
            return body["model"]
    return None


def _imported(patch: weakref.ref[StainlessPatch], module: ModuleType) -> None:
    try:
        if (found := patch()) is not None:
            found.replace_connectors(module)
    except Exception as error:  # noqa: BLE001 - the application's import must succeed
        hooks.fault(f"instrumenting {module.__name__}", error)


def _build_request(original: Callable[..., Any]) -> Callable[..., Any]:
    """The body is taken from here, as the SDK has read iterators, models and files by now, and only it may."""

    @functools.wraps(original)
    def build(client: Any, *args: Any, **kwargs: Any) -> Any:
        call = under_way.current.get()
        if hooks.inject_usage and call is not None:
            try:
                asking.ask_for_usage(call, client, args[0] if args else kwargs["options"])
            except Exception as error:  # noqa: BLE001 - the request is made without
                hooks.fault("asking for usage", error)
        request = original(client, *args, **kwargs)
        if call is not None:
            try:
                call.sent(getattr(request, "_content", None))  # None of a form with files, read while it is sent
            except Exception as error:  # noqa: BLE001 - the request is made, whatever we make of it
                hooks.fault("keeping a request", error)
        return request

    return build


def _stream_init(sdk_class: type, observer: Any, original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def init(stream: Any, *args: Any, **kwargs: Any) -> None:
        original(stream, *args, **kwargs)
        try:
            wrap_stream(stream, sdk_class, observer)
        except Exception as error:  # noqa: BLE001 - the application gets its stream, watched or not
            hooks.fault("watching a stream", error)

    return init


def _tracer_property(original: property) -> property:
    """Lets the SDK trace by itself only what we do not, or what its user asked it to (then its span is adopted)."""

    def tracer(client: Any) -> Any:
        sdk_tracer = original.__get__(client)
        call = under_way.current.get()
        if call is None or sdk_tracer is None:
            return sdk_tracer
        return adoption.AdoptingTracer(sdk_tracer, call) if adoption.is_chosen(client) else None

    return property(tracer)


# --- Ending ----------------------------------------------------------------------------------------------------------


def _note_response(call: Call, response: Any, retries: int | None) -> None:
    """Keeps what a parsed response no longer has: headers, bytes, retries; watches a body that is still to be read."""
    call.headers_at = _clock()
    _note_headers(call, response.headers)
    call.retries = retries or 0
    if hasattr(response, "_content"):
        call.received(response._content)
    else:
        Watch(call, response)


def _note_headers(call: Call, headers: Any) -> None:
    for name, value in headers.raw:
        if (key := _KEPT_HEADERS.get(name.lower())) is not None:
            call.attributes[key] = [value.decode("latin-1")]


def _returned(call: Call, result: Any) -> None:
    """The SDK has returned: a parsed response ends the call, anything that is still to be read keeps it open."""
    try:
        if call.handle is None:
            call.start()  # the SDK was to start a span for us to adopt, and did not
        fields = getattr(result, "__dict__", {})  # where looking for what is not there costs nothing
        response = fields.get("http_response")
        if response is None and "status_code" in fields and "headers" in fields:
            response = result  # the application asked for the HTTP response itself
        if response is not None:
            _returned_raw(call, result, response)
        elif not call.stream:
            call.read_answer(result)
            call.finish()
        if call.handle is not None:
            handles.attach(call.handle, result)
    except Exception as error:  # noqa: BLE001 - the application gets its response whatever we make of it
        hooks.fault("reading a response", error)
        call.finish()


def _returned_raw(call: Call, result: Any, response: Any) -> None:
    if hasattr(response, "_content"):
        call.received(None)  # it is read here
        read_whole(call, response)
        call.finish()
    elif (watch := watch_of(response)) is not None:
        watch.follow(response)
        result._rlhf_otel_call = call  # whoever holds the response holds the call


def _raised(call: Call, error: BaseException) -> None:
    try:
        if call.handle is None:
            call.start()
        call.received(None)
        response = getattr(error, "response", None)
        request = getattr(error, "request", None)
        if response is not None:
            _note_headers(call, response.headers)
            call.status_code = response.status_code
        if request is not None:
            call.retries = int(request.headers.get("x-stainless-retry-count", 0))
    except Exception as fault:  # noqa: BLE001 - the application gets its exception whatever we make of it
        hooks.fault("reading an error", fault)
    call.fail(error)
