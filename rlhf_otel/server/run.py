"""Listens, serves until it is told to stop, and leaves nothing half done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import uvicorn

from rlhf_otel.server.access import Principal
from rlhf_otel.server.access.browsers import cookie_name
from rlhf_otel.server.access.credentials import LOGIN_S, issue
from rlhf_otel.server.access.keyring import Keyring
from rlhf_otel.server.access.limits import Limits
from rlhf_otel.server.app import Application, health_of
from rlhf_otel.server.cleaning import cleaner, nothing_to_clean
from rlhf_otel.server.connection import Connection
from rlhf_otel.server.feedback import feedback_app
from rlhf_otel.server.guard import Guard
from rlhf_otel.server.pages import Site, routes
from rlhf_otel.server.receiver import Receiver
from rlhf_otel.server.room import Room
from rlhf_otel.server.tidying import Retention, begin
from rlhf_otel.server.tls import Certificate
from rlhf_otel.server.visits import Visits
from rlhf_otel.server.writer import Writer
from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.connection import MEMORY

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from rlhf_otel.redact import Redactor

STOP_S = 10.0
"""The longest that a stop waits for requests that are under way."""
_QUIET_S = 75.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger(__name__)


class TakenError(Exception):
    """A port cannot be listened at. The message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens and what it writes.

    Attributes:
        http_url: the endpoint for OTLP over HTTP.
        grpc_url: the endpoint for OTLP over gRPC; None where that is off.
        store: the file.
        login_url: opens a session in a browser, once; None where the store could not take it.
    """

    http_url: str
    grpc_url: str | None
    store: str
    login_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to serve.

    Attributes:
        host: the address to listen at.
        port: for HTTP; 0 for a free one.
        grpc_port: for gRPC; 0 for a free one, None for none at all.
        token: what an application or an operator bears; empty for none beside those in the store.
        is_open: whether OTLP is taken from somebody without a token while none is meant for that.
        hosts: further names by which browsers may call the server.
        certificate: for TLS; None for none.
        session_s: how long a browser stays logged in.
        most_asked: how many pages and answers of the API somebody gets in a minute.
        max_bytes: the largest body, compressed or not.
        waiting_bytes: how much may be under way at once.
        inbox_bytes: how much may be in the store without having been taken apart.
        patience_s: how long a client may take to send a head, or to begin with a body.
        redactor: takes secrets out of what other emitters and people send; None for nothing.
        feedback_per_token: writes of feedback a minute with one token; 0 for any number.
        feedback_per_address: the same from one address.
        retention: what the store may keep.
        routes: what is served beside OTLP and the pages.
        review: the desk at which a person decides about what waits; None where nothing does.
    """

    host: str
    port: int
    grpc_port: int | None
    token: str = ""
    is_open: bool = True
    hosts: Sequence[str] = ()
    certificate: Certificate | None = None
    session_s: float
    most_asked: int
    max_bytes: int
    waiting_bytes: int
    inbox_bytes: int
    patience_s: float
    redactor: Redactor | None
    feedback_per_token: int
    feedback_per_address: int
    retention: Retention
    routes: Sequence[BaseRoute] = ()
    review: Any = None


def serve(store: Store, options: Options, ready: Callable[[Place], None]) -> None:
    """Serves until SIGTERM or Ctrl-C; a second one ends it at once.

    Args:
        store: where everything goes; closed in the end.
        options: what to serve.
        ready: called once it listens.

    Raises:
        TakenError: it cannot listen where it should.
    """
    keyring = Keyring(store, options.token)
    reading = store if store.path == MEMORY else Store.open(store.path)
    writer, room = Writer(store, options.inbox_bytes), Room(options.waiting_bytes)
    clean = cleaner(options.redactor) if options.redactor is not None else nothing_to_clean
    receiver = Receiver(writer, options.max_bytes, room, clean)
    tidying = begin(store.path, options.retention)
    try:
        asyncio.run(_serve(receiver, Stores(store, reading, keyring), options, ready))
    finally:
        tidying.set()
        receiver.close()
        reading.close()


class Stores(NamedTuple):
    """One connection that pages read by, so that they hold nobody up, and the one that the server writes with."""

    writing: Store
    reading: Store
    keyring: Keyring


async def _serve(receiver: Receiver, stores: Stores, options: Options, ready: Callable[[Place], None]) -> None:
    listening = _listen(options.host, options.port)
    port = listening.getsockname()[1]
    application, guard = assembled(receiver, stores, options, port)
    calls, grpc_url = await _grpc(receiver, guard, options)
    web = _Web(_configured(application, options))
    serving = asyncio.create_task(web.serve(sockets=[listening]))
    with _told_to_stop() as stop:
        await web.listening.wait()
        url = _url(options.host, port, options.certificate)
        ready(Place(url, grpc_url, receiver.writer.path, _login_url(stores.writing, url)))
        await stop.wait()
    await receiver.stop(STOP_S)
    web.should_exit = True
    if calls is not None:
        await calls.stop(grace=1.0)
    await serving


def assembled(receiver: Receiver, stores: Stores, options: Options, port: int) -> tuple[Application, Guard]:
    """All that is answered over HTTP at this port, and who is let through on the way."""
    is_secure = options.certificate is not None
    site = Site(
        store=stores.reading, ledger=stores.writing, keyring=stores.keyring, limits=Limits(options.most_asked),
        cookie=cookie_name(is_secure, port), is_secure=is_secure, session_s=options.session_s,
        review=options.review,
    )  # fmt: skip
    guard = Guard(stores.keyring, [options.host, *options.hosts], is_open=options.is_open, cookie=site.cookie)
    visits = Visits(guard, site.limits, [health_of(receiver), *routes(site), *options.routes], site.refusal)
    limits = {"per_token": options.feedback_per_token, "per_address": options.feedback_per_address}
    return Application(receiver, guard, feedback_app(receiver, options.redactor, **limits), visits), guard


def _login_url(store: Store, url: str) -> str | None:
    """By which whoever started the server gets into its pages."""
    try:
        return f"{url}/login?code={issue(store, 'login', Principal('serve', 'admin'), LOGIN_S)}"
    except StoreError as error:
        _log.warning("no login could be made: %s", error)
        return None


class _Web(uvicorn.Server):
    """Uvicorn's server, which leaves the signals to us and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        self.listening.set()


def _configured(app: Application, options: Options) -> uvicorn.Config:
    tls = {} if options.certificate is None else options.certificate.for_http()
    return uvicorn.Config(
        app,
        http=partial(Connection, patience_s=options.patience_s),  # type: ignore[arg-type]
        ws="none",
        lifespan="off",
        loop="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(_QUIET_S),
        timeout_graceful_shutdown=int(STOP_S),
        **tls,
    )


async def _grpc(receiver: Receiver, guard: Guard, options: Options) -> tuple[Any, str | None]:
    """The server of gRPC and its endpoint, where there should be one."""
    if options.grpc_port is None:
        return None, None
    from rlhf_otel.server.otlp_grpc import grpc_server

    server = grpc_server(receiver, guard)
    address, certificate = _address(options.host, options.grpc_port), options.certificate
    try:
        if certificate is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, certificate.for_grpc())
    except RuntimeError:
        raise _taken(options.host, options.grpc_port, "--grpc-port", "it cannot be listened at") from None
    await server.start()
    return server, _url(options.host, port, certificate)


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        TakenError: it cannot.
    """
    listening: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        if hasattr(signal, "SIGHUP"):  # on Windows it would share the port with whoever has it
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise _taken(host, port, "--port", error.strerror or str(error)) from None
    return listening


def _taken(host: str, port: int, option: str, why: str) -> TakenError:
    where = _address(host, port)
    return TakenError(
        f"cannot listen at {where}: {why}. Perhaps a collector or another `rlhf-otel serve` is there; "
        f"choose another with {option}, or {option} 0 for any that is free"
    )


@contextlib.contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    """An event that the first signal sets. From then on signals do what they did before: the second one kills."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    before = {each: signal.getsignal(each) for each in _SIGNALS}

    def told(*_: Any) -> None:
        restore()
        loop.call_soon_threadsafe(stop.set)

    def restore() -> None:
        for each, handler in before.items():
            signal.signal(each, handler)

    for each in _SIGNALS:
        signal.signal(each, told)
    try:
        yield stop
    finally:
        restore()


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _url(host: str, port: int, certificate: Certificate | None) -> str:
    """What an application on this machine is given as its endpoint."""
    anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return f"{'https' if certificate else 'http'}://{_address(anywhere.get(host, host), port)}"
