"""The part of the store that is about people: who did what, and by what they may come in."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from rlhf_otel.store.connection import Doors
from rlhf_otel.store.errors import StoreError
from rlhf_otel.store.sql import at_most, query

if TYPE_CHECKING:
    from collections.abc import Mapping

CredentialKind = Literal["token", "login", "session"]


class Entry(NamedTuple):
    """A line of the audit log.

    Attributes:
        time_ns: when.
        who: a person or program by the name under which it came, such as `cli:ada` or the name of a token.
        action: read, export, erase, review, login or token.
        what: ids, counts and names; never content.
    """

    time_ns: int
    who: str
    action: str
    what: dict[str, Any]


class Credential(NamedTuple):
    """By what somebody may come in.

    Attributes:
        hash: of the secret, which is nowhere.
        kind: a named token, the code of a login URL that works once, or the session of a browser.
        name: whose it is. Sessions bear the name of what they were opened with, and end with it.
        role: what it permits.
        created_ns: since when.
        expires_ns: until when; None for a token that holds until it is revoked.
    """

    hash: bytes
    kind: CredentialKind
    name: str
    role: str
    created_ns: int
    expires_ns: int | None

    def holds(self, now_ns: int) -> bool:
        """Whether it has not expired."""
        return self.expires_ns is None or now_ns < self.expires_ns


class Ledger(Doors):
    """What `Store` adds to the records of calls."""

    def audit(self, action: str, what: Mapping[str, Any], *, who: str) -> None:
        """Notes that somebody did something; on the disk when it returns.

        Args:
            action: read, export, erase, review, login or token.
            what: ids, counts and names; never content.
            who: under which name they came; `cli:` and the system's name for a user of the commands.

        Raises:
            StoreError: it was not noted, and so should not happen.
        """
        told = json.dumps(what, ensure_ascii=True, default=str)
        with self._writing() as connection:
            connection.execute(query("audit_add"), (time.time_ns(), _text(who), action, told))

    def audited(
        self, *, action: str | None = None, since_ns: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        """What was noted, the newest first."""
        given: dict[str, Any] = {} if action is None else {"action": action}
        given |= {} if since_ns is None else {"since_ns": since_ns}
        with self._reading() as connection:
            text = query("audit_page", *sorted(given))
            rows = connection.execute(text, {**given, "limit": at_most(limit)})
            return [Entry(row["time_ns"], row["who"], row["action"], json.loads(row["what"])) for row in rows]

    def credentials(self) -> list[Credential]:
        """All by which somebody may come in, the oldest first; those that have expired too, until they are removed."""
        with self._reading() as connection:
            return [Credential(*row) for row in connection.execute(query("credential_list"))]

    def add_credential(self, credential: Credential) -> None:
        """Lets somebody in from now on; forgets logins and sessions that have expired.

        Raises:
            StoreError: there is a token of this name already.
        """
        try:
            with self._writing() as connection:
                connection.execute(query("credential_drop_old"), (time.time_ns(),))
                connection.execute(query("credential_add"), credential._replace(name=_text(credential.name)))
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise StoreError(f"there is a token named {credential.name} already; revoke it first") from None
            raise

    def take_credential(self, hash: bytes) -> Credential | None:
        """Removes one, and returns it where it was there: of several who try at once, one gets it."""
        with self._writing() as connection:
            row = connection.execute(query("credential_find"), (hash,)).fetchone()
            connection.execute(query("credential_drop_one"), (hash,))
            return None if row is None else Credential(*row)

    def drop_credentials(self, name: str) -> int:
        """Lets nobody in any more under this name: its token, logins and sessions. How many there were."""
        with self._writing() as connection:
            return connection.execute(query("credential_drop"), (_text(name),)).rowcount


def _text(text: str) -> str:
    """`text` as a column can hold it: half a character of UTF-16 is shown as what it is."""
    return text.encode("utf-8", "backslashreplace").decode()
