"""Who may talk to the server at all: by its name, against pages that a browser shows, and by what they can show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from rlhf_otel.server.access import Principal, may
from rlhf_otel.server.access.browsers import is_from_here, read_cookie
from rlhf_otel.server.answers import BAD_DATA, FORBIDDEN, UNKNOWN_SENDER, Refusal
from rlhf_otel.token import is_token
from rlhf_otel.web.requests import bearer_in

if TYPE_CHECKING:
    from rlhf_otel.server.access.keyring import Keyring

LOCAL_NAMES = ("localhost", "host.docker.internal")
"""Names that nobody can register: what they lead to is this machine."""
SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""
ASK_BEARER = ((b"www-authenticate", b"Bearer"),)


class Guard:
    """Looks at the headers of a request, before anything else of it is read.

    A page on the internet can have its own name lead to this machine (DNS rebinding), and its scripts then reach every
    server here. The name is all that gives it away, so only addresses and known names are answered. Who sends a token
    is no such page, and may use any name.

    Args:
        keyring: knows the tokens and sessions.
        hosts: names beside `localhost` by which this server goes.
        is_open: whether OTLP is taken from somebody without a token as long as none is meant for that.
        cookie: the name of the session's cookie.
    """

    def __init__(self, keyring: Keyring, hosts: Iterable[str] = (), *, is_open: bool = True, cookie: str = "") -> None:
        self.keyring = keyring
        self._hosts = {*LOCAL_NAMES, *(host.lower() for host in hosts)}
        self._is_open = is_open
        self._cookie = cookie

    async def sender(self, authorization: str, host: str | None) -> Principal | None:
        """Who sends OTLP with these headers; None for somebody unknown, where anybody may.

        Args:
            authorization: the header of that name.
            host: the header of that name; None over gRPC, which no browser speaks.

        Raises:
            Refusal: they may not.
        """
        await self.keyring.freshen()
        principal = self.keyring.bearer(bearer_in(authorization) or "") if authorization else None
        if principal is not None:
            if not may(principal, "ingest"):
                raise Refusal(
                    FORBIDDEN, f"a token of the role {principal.role} may not send; use one of the role ingest"
                )
        elif self.keyring.guards_ingest or not self._is_open:
            words = "send the header authorization: Bearer TOKEN with a token of rlhf-otel serve"
            raise Refusal(UNKNOWN_SENDER, words, ASK_BEARER)
        elif host is not None:
            self._check_host(host)
        return principal

    async def visitor(self, method: str, headers: Mapping[bytes, bytes], scheme: str) -> Principal | None:
        """Who asks for anything else; None for somebody who has shown nothing, or a feedback token.

        Raises:
            Refusal: what they show is not genuine, or a page of somebody else makes their browser ask.
        """
        await self.keyring.freshen()
        bearer = bearer_in(headers.get(b"authorization", b"").decode("latin-1"))
        if bearer and not is_token(bearer):
            principal = self.keyring.bearer(bearer)
            if principal is None:
                raise Refusal(UNKNOWN_SENDER, "there is no such token here, or it has expired", ASK_BEARER)
            return principal
        self._check_host(headers.get(b"host", b"").decode("latin-1"))
        secret = self.secret_of(headers)
        principal = self.keyring.session(secret) if secret else None
        if principal is not None and method not in SAFE and not is_from_here(headers, scheme):
            raise Refusal(FORBIDDEN, "this was asked for by a page of another server")
        return principal

    def secret_of(self, headers: Mapping[bytes, bytes]) -> str:
        """The secret in a browser's cookie; empty where there is none."""
        return read_cookie(headers.get(b"cookie", b"").decode("latin-1"), self._cookie)

    def _check_host(self, host: str) -> None:
        if not self._is_ours(host):
            raise Refusal(FORBIDDEN, "the host name of the URL is unknown here; add it to RLHF_OTEL_SERVER_HOSTS")

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host.strip().lower()).rstrip(".")
        return name in self._hosts or name.endswith(".localhost") or is_address(name)


def only_once(headers: Iterable[tuple[bytes, bytes]], *names: bytes) -> None:
    """Refuses a request that says something twice: a proxy might have looked at the one, and we at the other."""
    seen = [name for name, _ in headers if name in names]
    if len(seen) > len(set(seen)):
        raise Refusal(BAD_DATA, "a header is there twice")


@lru_cache(maxsize=256)
def is_address(name: str) -> bool:
    """Whether a host is an address, and no name that somebody could let lead elsewhere."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether what listens at `host` can be reached from this machine alone."""
    return ip_address(host).is_loopback if is_address(host) else host == "localhost"


def _without_port(host: str) -> str:
    if host.startswith("["):
        address, _, port = host[1:].partition("]")
        return address if port[:1] in ("", ":") else host
    return host.partition(":")[0]
