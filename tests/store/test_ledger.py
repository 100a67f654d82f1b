"""Who did what, and by what people come in."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from rlhf_otel.store import Store, StoreError
from rlhf_otel.store.ledger import Credential

HASH = hashlib.sha256(b"a secret").digest()
SOON = time.time_ns() + 3_600_000_000_000


def test_what_was_done_is_kept_in_its_order(path: Path) -> None:
    """The newest first, and what it says comes back as it went in."""
    with Store.open(path) as store:
        store.audit("read", {"span_id": "00f067aa0ba902b7"}, who="ada")
        store.audit("erase", {"calls": 3, "name": "\ud800é"}, who="cli:bob")
    with Store.open(path, read_only=True) as store:
        first, second = store.audited()
        assert (first.who, first.action, first.what) == ("cli:bob", "erase", {"calls": 3, "name": "\ud800é"})
        assert (second.who, second.action, second.what) == ("ada", "read", {"span_id": "00f067aa0ba902b7"})
        assert [entry.action for entry in store.audited(action="read")] == ["read"]
        assert store.audited(since_ns=first.time_ns + 1) == []
        assert [entry.action for entry in store.audited(limit=1)] == ["erase"]


def test_retention_leaves_what_was_done(path: Path) -> None:
    """Who has read a call can be told when the call is gone."""
    with Store.open(path) as store:
        store.audit("read", {"span_id": "00f067aa0ba902b7"}, who="ada")
        store.retain(max_age_s=1, now_ns=time.time_ns() + 10**18)
        assert len(store.audited()) == 1


def test_a_name_that_is_no_text_is_kept_in_a_form_that_is(path: Path) -> None:
    """Half a character of UTF-16 in a name stops nothing."""
    with Store.open(path) as store:
        store.audit("login", {}, who="\ud800")
        assert store.audited()[0].who == "\\ud800"


def test_a_name_has_one_token(path: Path) -> None:
    """A second one is refused with what to do."""
    with Store.open(path) as store:
        store.add_credential(Credential(HASH, "token", "ada", "reader", 1, None))
        with pytest.raises(StoreError, match="there is a token named ada already; revoke it first"):
            store.add_credential(Credential(HASH[::-1], "token", "ada", "reader", 1, None))
        assert [one.hash for one in store.credentials()] == [HASH]


def test_what_is_taken_is_gone(path: Path) -> None:
    """A login works once."""
    login = Credential(HASH, "login", "ada", "reader", 1, SOON)
    with Store.open(path) as store:
        store.add_credential(login)
        assert store.take_credential(HASH) == login
        assert store.take_credential(HASH) is None


def test_revoking_ends_all_that_goes_by_the_name(path: Path) -> None:
    """The token, its logins and its sessions, and nobody else's."""
    with Store.open(path) as store:
        for number, kind in enumerate(("token", "login", "session")):
            store.add_credential(Credential(bytes([number]), kind, "ada", "reader", 1, SOON))  # type: ignore[arg-type]
        store.add_credential(Credential(HASH, "token", "bob", "reader", 1, None))
        assert store.drop_credentials("ada") == 3
        assert [one.name for one in store.credentials()] == ["bob"]


def test_old_sessions_are_forgotten(path: Path) -> None:
    """When the next one comes; a token that has expired stays, so that people see why it does not work."""
    with Store.open(path) as store:
        store.add_credential(Credential(b"1", "session", "ada", "reader", 1, 2))
        store.add_credential(Credential(b"2", "token", "ada", "reader", 1, 2))
        store.add_credential(Credential(HASH, "session", "ada", "reader", 3, SOON))
        assert [(one.kind, one.holds(3)) for one in store.credentials()] == [("token", False), ("session", True)]
