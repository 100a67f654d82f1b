"""Who may talk to the server at all: by its name, against pages that a browser shows, and by a bearer token."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from ipaddress import ip_address

from rlhf_otel.server.access import Principal
from rlhf_otel.server.answers import FORBIDDEN, UNKNOWN_SENDER, Refusal

LOCAL_NAMES = ("localhost", "host.docker.internal")
"""Names that nobody can register: what they lead to is this machine."""


class Guard:
    """Looks at the headers of a request, before anything else of it is read.

    A page on the internet can have its own name lead to this machine (DNS rebinding), and its scripts then reach every
    server here. The name is all that gives it away, so only addresses and known names are answered. Who sends the
    token is no such page, and may use any name.

    Args:
        token: what every request must bear; empty where none is needed.
        hosts: names beside `localhost` by which this server goes.
    """

    def __init__(self, token: str = "", hosts: Iterable[str] = ()) -> None:
        self._token = token.encode()
        self._hosts = {*LOCAL_NAMES, *(host.lower() for host in hosts)}

    def check(self, authorization: str, host: str | None) -> Principal | None:
        """Lets a request with these headers pass. Who it is from, where that is proved.

        Args:
            authorization: the header of that name.
            host: the header of that name; None over gRPC, which no browser speaks.

        Raises:
            Refusal: it may not.
        """
        if self._token:
            scheme, _, told = authorization.partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(told.strip().encode(), self._token):
                words = "send the header authorization: Bearer TOKEN with the token of rlhf-otel serve"
                raise Refusal(UNKNOWN_SENDER, words, ((b"www-authenticate", b"Bearer"),))
            return Principal("server token", "admin")
        if host is not None and not self._is_ours(host):
            raise Refusal(FORBIDDEN, "the host name of the URL is unknown here; add it to RLHF_OTEL_SERVER_HOSTS")
        return None

    def _is_ours(self, host: str) -> bool:
        name = _without_port(host.strip().lower()).rstrip(".")
        return name in self._hosts or name.endswith(".localhost") or is_address(name)


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
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
