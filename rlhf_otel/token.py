"""The signed feedback token: permission to say something of one call, for one person, for a while.

The application mints it where it made the call, without asking anybody, and hands it to the page; whoever has the key
can tell that it is genuine, without asking anybody either. Its form is fixed and binary: there is no algorithm to
choose and nothing to parse before the signature holds.

    version 1 | key id 4 | trace id 16 | span id 8 | start 8 | expiry 4 | rater 8 | names, UTF-8 with commas | HMAC 16

in URL-safe base64 behind `rlt_`. The HMAC is SHA-256, cut to 128 bits, over all that stands before it.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import struct
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import NamedTuple

from rlhf_otel import keys
from rlhf_otel.keys import Key
from rlhf_otel.records import Handle

PREFIX = "rlt_"
LONGEST_NAMES = 512
"""Bytes that the names in a token may take, commas included."""
_VERSION = 1
_HEAD = struct.Struct(">B4s16s8sQI8s")
_MAC = 16
_ANYBODY = bytes(8)
_SHORTEST, _LONGEST = len(PREFIX) + 87, len(PREFIX) + 4 * (LONGEST_NAMES + 70) // 3
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")  # the standard's own signs would be another spelling: refused
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class InvalidToken(ValueError):  # noqa: N818 - what it is called in the contract
    """A token that proves nothing.

    Attributes:
        reason: `malformed`, `signature` (altered, or made with a key that is not ours) or `expired`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Claims(NamedTuple):
    """What a token says.

    Attributes:
        trace_id: of the call; empty where whoever minted the token did not know it.
        span_id: of the call.
        start_ns: when the call began; 0 where unknown.
        expires: until when it holds, in seconds since the epoch.
        rater: hash of whoever may use it, 16 hex digits; None for anybody.
        names: what may be rated with it; empty for everything.
        key_id: names the key that signed it.
    """

    trace_id: str
    span_id: str
    start_ns: int
    expires: int
    rater: str | None
    names: tuple[str, ...]
    key_id: str

    @property
    def handle(self) -> Handle:
        """The call."""
        return Handle(self.trace_id, self.span_id, None, self.start_ns)

    def allows(self, name: str) -> bool:
        """Whether `name` may be rated."""
        return not self.names or name in self.names

    def is_for(self, rater: str) -> bool:
        """Whether `rater` may use it: the id that it was minted for, or the hash of that."""
        return self.rater is None or rater == self.rater or rater_hash(rater) == self.rater


def mint(
    handle: Handle,
    *,
    rater: str | None = None,
    names: Sequence[str] | None = None,
    ttl: float | str = "30d",
    key: Key | None = None,
    now: float | None = None,
) -> str:
    """A token for feedback on one call.

    Args:
        handle: the call.
        rater: who may use it; the token has a hash of that alone. Anybody where not given.
        names: what may be rated with it, such as `user_feedback` and `accuracy`; everything where not given.
        ttl: how long it holds: seconds, or `"30d"`, `"12h"`, `"15m"`.
        key: the secret, of several the newest first; by default `RLHF_OTEL_TOKEN_KEY`, else the key file beside the
            store, which is made where there is none.
        now: stands for the time, in seconds since the epoch.

    Raises:
        ValueError: a name, the ttl or the key is not possible.
    """
    secret = keys.usable(key)[0] if key is not None else keys.signing()
    expires = int((time.time() if now is None else now) + seconds(ttl))
    if not 0 < expires < 2**32:
        raise ValueError(f"a token cannot hold for {ttl!r}")
    body = _HEAD.pack(
        _VERSION, keys.key_id(secret), bytes.fromhex(handle.trace_id or "0" * 32), bytes.fromhex(handle.span_id),
        handle.start_ns if 0 <= handle.start_ns < 2**64 else 0, expires,
        bytes.fromhex(rater_hash(rater)) if rater else _ANYBODY,
    ) + _listed(names)  # fmt: skip
    return PREFIX + urlsafe_b64encode(body + _signature(secret, body)).decode().rstrip("=")


def verify(token: str, key: Key | None = None, *, now: float | None = None) -> Claims:
    """What `token` says, once it has proved to be genuine and to hold still.

    Args:
        token: as it was minted.
        key: the secret, or several; by default `RLHF_OTEL_TOKEN_KEY`, else the key file beside the store.
        now: stands for the time, in seconds since the epoch.

    Raises:
        InvalidToken: it is malformed, altered, signed with another key, or has expired.
    """
    body, signature = _parts(token)
    secret = keys.verifying(body[1:5], key)
    if secret is None or not hmac.compare_digest(_signature(secret, body), signature):
        raise InvalidToken("signature", "the token was altered, or signed with another key")
    claims = _claims(body)
    if claims.expires <= (time.time() if now is None else now):
        raise InvalidToken("expired", "the token has expired")
    return claims


def unverified(token: str) -> Claims:
    """What `token` says, whether that is true or not: to look at, never to rely on.

    Raises:
        InvalidToken: it is malformed.
    """
    return _claims(_parts(token)[0])


def is_token(text: str) -> bool:
    """Whether `text` is meant as a token."""
    return text.startswith(PREFIX)


def rater_hash(rater: str) -> str:
    """What a token has in the place of the rater's id; the same under every key, so that votes stay one person's."""
    return hashlib.sha256(b"rlhf-otel rater\0" + rater.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def seconds(ttl: float | str) -> float:
    """A time to live in seconds, from a number or from `"30d"`, `"12h"`, `"15m"`, `"45s"`, `"2w"`.

    Raises:
        ValueError: it is neither, or not above 0.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*", ttl.lower()) if isinstance(ttl, str) else None
    value = float(match[1]) * _UNITS[match[2] or "s"] if match else ttl
    if isinstance(value, str | bool) or not 0 < value < 2**32:
        raise ValueError(f'a ttl is {ttl!r}; seconds above 0 are expected, or "30d", "12h", "15m"')
    return value


def _listed(names: Sequence[str] | None) -> bytes:
    given = (names,) if isinstance(names, str) else tuple(names or ())
    if wrong := [name for name in given if not name or "," in name]:
        raise ValueError(f"a token's names are words without a comma, not {wrong[0]!r}")
    listed = ",".join(given).encode()
    if len(listed) > LONGEST_NAMES:
        raise ValueError(f"a token's names take {len(listed)} bytes; {LONGEST_NAMES} is the most")
    return listed


def _signature(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, "sha256")[:_MAC]


def _parts(token: str) -> tuple[bytes, bytes]:
    """What was signed, and the signature. One token has one spelling: what decodes alike is not the same."""
    try:
        if not (isinstance(token, str) and _SHORTEST <= len(token) <= _LONGEST and token.startswith(PREFIX)):
            raise ValueError
        text = token[len(PREFIX) :].encode("ascii").translate(_TO_STANDARD)
        padded = text + b"=" * (-len(text) % 4)
        raw = binascii.a2b_base64(padded)
        is_canonical = binascii.b2a_base64(raw, newline=False) == padded
    except (ValueError, TypeError):
        is_canonical = False
    if not is_canonical or raw[0] != _VERSION:
        raise InvalidToken("malformed", "not a feedback token")
    return raw[:-_MAC], raw[-_MAC:]


def _claims(body: bytes) -> Claims:
    _, key_id, trace, span, start_ns, expires, rater = _HEAD.unpack_from(body)
    listed = body[_HEAD.size :].decode("utf-8", "replace")
    return Claims(
        "" if trace == bytes(16) else trace.hex(),
        span.hex(),
        start_ns,
        expires,
        None if rater == _ANYBODY else rater.hex(),
        tuple(listed.split(",")) if listed else (),
        key_id.hex(),
    )
