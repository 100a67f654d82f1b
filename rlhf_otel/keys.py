"""The secrets that sign feedback tokens: where they come from, and how a new one takes over.

`RLHF_OTEL_TOKEN_KEY` has one, or several with commas, the newest first: the first signs, all of them verify. Without it
they are the lines of a file beside the store, which only its owner can read and which is made when first needed.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from rlhf_otel import config, hooks

Key = str | bytes | Sequence[str | bytes]
"""One secret, or several, the newest first."""

FILE = "token.key"
KEPT = 3
"""How many keys a file keeps when a new one is added, that one included."""
SHORTEST = 16
_FRESH_S, _RETRY_S = 30.0, 1.0
_cached: tuple[float, dict[bytes, bytes]] | None = None
"""When the secrets were read, and each by its key id, the newest first."""
_for_this_process: tuple[bytes, ...] = ()
"""Stands for the file where that cannot be written."""


class UnusableKey(ValueError):  # noqa: N818 - says what it is
    """A secret that nobody should rely on; the message does not have it."""


def usable(key: Key) -> tuple[bytes, ...]:
    """The secrets in `key` as bytes.

    Raises:
        ValueError: there is none, or one is shorter than 16 bytes.
    """
    given = [key] if isinstance(key, str | bytes) else list(key)
    found = tuple(each.encode() if isinstance(each, str) else bytes(each) for each in given)
    if not found or min(map(len, found)) < SHORTEST:
        raise UnusableKey(f"a key for tokens has at least {SHORTEST} bytes; `rlhf-otel token --new-key` makes one")
    return found


@functools.lru_cache(maxsize=64)
def key_id(secret: bytes) -> bytes:
    """Four bytes that name a secret without telling it."""
    return hashlib.sha256(b"rlhf-otel key id\0" + secret).digest()[:4]


def signing() -> bytes:
    """The newest secret of this installation; made where there is none."""
    return next(iter((_known() or _made()).values()))


def verifying(named: bytes, key: Key | None = None) -> bytes | None:
    """The secret with this key id, among `key` or those of this installation; None where it is not there.

    One that another process has just added to the file is looked for once a second at most.
    """
    if key is not None:
        return _given(key if isinstance(key, str | bytes) else tuple(key)).get(named)
    return _known().get(named) or _known(fresh_s=_RETRY_S).get(named)


def add_to_file() -> Path:
    """Puts a new secret in front of those in the key file, which tokens are signed with from then on.

    Raises:
        OSError: the file cannot be written.
    """
    path = file_path()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    kept = [secrets.token_hex(32).encode(), *_read(path)][:KEPT]
    _written(path, kept).replace(path)
    forget()
    return path


def file_path() -> Path:
    """The key file: beside the store in use."""
    store = str(_settings().store or config.DEFAULT_STORE)
    return Path(config.DEFAULT_STORE if store == ":memory:" else store).expanduser().parent / FILE


def forget() -> None:
    """Has the secrets looked up anew."""
    global _cached
    _cached = None


def _settings() -> config.Config:
    return hooks.settings or config.load(problems=[])


def _known(fresh_s: float = _FRESH_S) -> dict[bytes, bytes]:
    """The secrets of this installation by their id, the newest first; read again every now and then."""
    global _cached
    if _cached is None or time.monotonic() - _cached[0] > fresh_s:
        words = [word.strip() for word in (_settings().token_key or "").split(",") if word.strip()]
        _cached = time.monotonic(), _by_id(usable(words) if words else _read(file_path()) or _for_this_process)
    return _cached[1]


@functools.lru_cache(maxsize=64)
def _given(key: str | bytes | tuple[str | bytes, ...]) -> dict[bytes, bytes]:
    return _by_id(usable(key))


def _by_id(found: Sequence[bytes]) -> dict[bytes, bytes]:
    return {key_id(secret): secret for secret in found}


def _made() -> dict[bytes, bytes]:
    """A key file with a first secret; of several processes that make one at once, one wins.

    Where it cannot be written, a secret that lasts as long as this process.
    """
    global _cached, _for_this_process
    path = file_path()
    fresh: tuple[bytes, ...] = (secrets.token_hex(32).encode(),)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _written(path, fresh)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
        fresh = _read(path) or fresh
    except OSError as error:
        hooks.say("token key", "%s cannot be written (%s): tokens hold for this process alone", path, error.strerror)
        _for_this_process = fresh
    _cached = time.monotonic(), _by_id(fresh)
    return _cached[1]


def _written(path: Path, lines: Sequence[bytes]) -> Path:
    """A new file with `lines` beside `path`, which only its owner can read from the first moment on."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return temporary


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        lines = path.read_bytes().split()
        if os.name == "posix" and path.stat().st_mode & 0o077:
            hooks.say("token key", "%s can be read by others; `chmod 600` it", path)
    except OSError:
        return ()
    return tuple(line for line in lines if len(line) >= SHORTEST)
