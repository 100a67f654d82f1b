"""The secrets by which people and programs come in: long, random, and kept as hashes alone."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import TYPE_CHECKING

from rlhf_otel.store.ledger import Credential, CredentialKind

if TYPE_CHECKING:
    from rlhf_otel.server.access.principals import Principal
    from rlhf_otel.store import Store

PREFIX = "rls_"
"""How a named token begins, so that people and scanners know one when they see it."""
LOGIN_S = 3600.0
"""How long a login URL waits to be opened."""


def hashed(secret: str) -> bytes:
    """What the store has of a secret. It is random and of 256 bits: nobody can try them all, so no salt is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def issue(store: Store, kind: CredentialKind, principal: Principal, ttl_s: float | None) -> str:
    """A new secret, which lets somebody in until it expires; this is the only time that it is told.

    Raises:
        StoreError: there is a token of this name already, or the store cannot be written.
    """
    secret = f"{PREFIX if kind == 'token' else ''}{secrets.token_urlsafe(32)}"
    now = time.time_ns()
    expires = None if ttl_s is None else now + int(ttl_s * 1e9)
    store.add_credential(Credential(hashed(secret), kind, principal.name, principal.role, now, expires))
    return secret
