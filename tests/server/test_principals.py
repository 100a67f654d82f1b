"""What each role permits."""

from __future__ import annotations

from rlhf_otel.server.access import RIGHTS, ROLES, Principal, may


def test_each_role_permits_what_it_says() -> None:
    """An admin all, an annotator to vote and to read, a reader to read, an application to send and to rate."""
    rights = ("ingest", "rate", "read", "administer")
    assert {role: [right for right in rights if may(Principal("x", role), right)] for role in ROLES} == {
        "admin": ["ingest", "rate", "read", "administer"],
        "annotator": ["rate", "read"],
        "reader": ["read"],
        "ingest": ["ingest", "rate"],
    }
    assert set(RIGHTS) == set(ROLES)


def test_nobody_and_unknown_roles_may_nothing() -> None:
    """What a newer version wrote into the store lets nobody in here."""
    assert not may(None, "read")
    assert not may(Principal("x", "owner"), "read")
