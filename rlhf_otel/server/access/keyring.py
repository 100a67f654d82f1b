"""Knows who holds what: the server's own token, the named ones and the sessions in the store."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from rlhf_otel.server.access.credentials import hashed, issue
from rlhf_otel.server.access.principals import Principal
from rlhf_otel.store import StoreError

if TYPE_CHECKING:
    from rlhf_otel.store import Store
    from rlhf_otel.store.ledger import Credential, CredentialKind

FRESH_S = 1.0
"""How long a token goes on working that another process has revoked."""
OWNER = Principal("server token", "admin")
"""Who bears `RLHF_OTEL_SERVER_TOKEN`."""
_log = logging.getLogger(__name__)


class Keyring:
    """Finds who a secret belongs to, in memory; what is in the store is read again every second that somebody asks.

    Args:
        store: has the tokens and the sessions.
        token: the server's own, which needs no row in the store; empty for none.

    Raises:
        StoreError: the store cannot be read.
    """

    def __init__(self, store: Store, token: str = "") -> None:
        self._store = store
        self._own = hashed(token) if token else None
        self._known: dict[bytes, Credential] = {}
        self._read_at = 0.0
        self.guards_ingest = self._own is not None
        """Whether there is a token that applications are meant to send with: then nobody may send without one."""
        self._read()
        if any(one.name == OWNER.name for one in self._known.values()):
            store.drop_credentials(OWNER.name)  # the token may be another one now
            self._read()

    async def freshen(self) -> None:
        """Reads what is in the store, where that was a while ago. Others go on with what is known meanwhile."""
        if time.monotonic() - self._read_at < FRESH_S:
            return
        self._read_at = time.monotonic()
        try:
            await asyncio.to_thread(self._read)
        except StoreError as error:
            _log.warning("the tokens cannot be read again: %s", error)

    def bearer(self, token: str) -> Principal | None:
        """Whose token this is; None where it is nobody's, or has expired."""
        found = hashed(token)
        return OWNER if found == self._own else self._holder(found, "token")

    def session(self, secret: str) -> Principal | None:
        """Whose session this is; None where it is nobody's, or is over."""
        return self._holder(hashed(secret), "session")

    def log_in(self, code: str, lasting_s: float) -> tuple[Principal, str] | None:
        """Opens a session with the code of a login URL, which is then used up; None where it is none that holds."""
        login = self._store.take_credential(hashed(code))
        if login is None:
            return None
        if login.kind != "login":
            self._store.add_credential(login)  # somebody put a token where a code belongs
            return None
        if not login.holds(time.time_ns()):
            return None
        principal = Principal(login.name, login.role)
        return principal, self.open_session(principal, lasting_s)

    def open_session(self, principal: Principal, lasting_s: float) -> str:
        """The secret of a new session, that of the browser's cookie."""
        self._store.audit("login", {"role": principal.role}, who=principal.name)
        secret = issue(self._store, "session", principal, lasting_s)
        self._read()
        return secret

    def close_session(self, secret: str) -> None:
        """Ends a session."""
        if self.session(secret) is not None:
            self._store.take_credential(hashed(secret))
            self._read()

    def _holder(self, found: bytes, kind: CredentialKind) -> Principal | None:
        credential = self._known.get(found)
        if credential is None or credential.kind != kind or not credential.holds(time.time_ns()):
            return None
        return Principal(credential.name, credential.role)

    def _read(self) -> None:
        self._read_at = time.monotonic()
        self._known = {each.hash: each for each in self._store.credentials()}
        self.guards_ingest |= any(one.kind == "token" and one.role == "ingest" for one in self._known.values())
