"""Who may talk to the server, and what they may do there: `may(scope["rlhf_otel.principal"], "read")`."""

from rlhf_otel.server.access.principals import PRINCIPAL, RIGHTS, ROLES, Principal, Right, Role, may

__all__ = ["PRINCIPAL", "RIGHTS", "ROLES", "Principal", "Right", "Role", "may"]
