"""Who asks, and what they may do."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

Role = Literal["admin", "annotator", "reader", "ingest"]
Right = Literal["ingest", "rate", "read", "administer"]

ROLES: tuple[Role, ...] = get_args(Role)
RIGHTS: dict[str, frozenset[Right]] = {
    "admin": frozenset(get_args(Right)),
    "annotator": frozenset({"rate", "read"}),
    "reader": frozenset({"read"}),
    "ingest": frozenset({"ingest", "rate"}),
}
"""Role -> what it permits. `ingest` is an application: it sends calls, and rates those whose ids it has."""
PRINCIPAL = "rlhf_otel.principal"
"""Where in an ASGI scope the principal of a request is; None for somebody who has shown nothing."""


class Principal(NamedTuple):
    """Somebody who has proved who they are.

    Attributes:
        name: of the token, or of whoever opened the session.
        role: admin, annotator, reader or ingest.
    """

    name: str
    role: str


def may(principal: Principal | None, right: Right) -> bool:
    """Whether somebody is permitted to do something: nobody is, and a role that we do not know permits nothing."""
    return principal is not None and right in RIGHTS.get(principal.role, frozenset())
