"""What keeps browsers honest: the cookie of a session, where a request was made, and headers that bind our pages."""

from __future__ import annotations

from collections.abc import Mapping

COOKIE = "rlhf-otel-session"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
"""Scripts, styles and pictures from this server alone, none of them inside a page, and no page inside another's."""
ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer that is none of OTLP, where it does not say otherwise itself."""


def cookie_name(is_secure: bool, port: int | None) -> str:
    """What our cookie is called: browsers share cookies between the ports of a host, and servers should not.

    With TLS its name makes browsers refuse it from anybody but this very host.
    """
    return f"{'__Host-' if is_secure else ''}{COOKIE}-{port or 0}"


def set_cookie(name: str, secret: str, lasting_s: float, is_secure: bool) -> str:
    """The header that gives a browser its session; an empty one takes it away."""
    age = round(lasting_s) if secret else 0
    secure = "; Secure" if is_secure else ""
    return f"{name}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"


def read_cookie(header: str, name: str) -> str:
    """The value of the cookie called `name` in a `Cookie` header; empty where there is none."""
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return ""


def is_from_here(headers: Mapping[bytes, bytes], scheme: str) -> bool:
    """Whether the page that made a request is one of ours. Where the browser does not say, it is not."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in (b"same-origin", b"none")
    host = headers.get(b"host", b"").lower()
    return bool(host) and headers.get(b"origin", b"").lower() == b"%s://%s" % (scheme.encode(), host)


def is_followed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether somebody opens a link, and no page loads it as a picture, and no browser fetches it ahead."""
    ahead = headers.get(b"sec-purpose", b"") + headers.get(b"purpose", b"")
    return headers.get(b"sec-fetch-mode", b"navigate") == b"navigate" and b"prefetch" not in ahead
