"""The web component `<rlhf-feedback>` as it is served: `GET /feedback.js`."""

from __future__ import annotations

import functools
import gzip
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

PATH = "/feedback.js"
_SOURCE = Path(__file__).with_name("static") / "feedback.js"


@functools.cache
def text() -> bytes:
    """The script without the lines that are comments and without indentation: what they explain is for us.

    Lines are joined where no statement can end.
    """
    lines = (line.strip() for line in _SOURCE.read_text(encoding="utf-8").splitlines())
    kept = "\n".join(line for line in lines if line and not line.startswith("//"))
    return re.sub(r"(?<=[,;({[])\n", "", kept).encode()


@functools.cache
def _packed() -> bytes:
    return gzip.compress(text(), mtime=0)


@functools.cache
def _etag() -> str:
    return f'W/"{hashlib.sha256(text()).hexdigest()[:20]}"'


def answer(headers: Mapping[str, str]) -> tuple[int, bytes | None, dict[str, str]]:
    """Status, body and headers for a request with these headers: packed for who can unpack, nothing for who has it."""
    is_packed = "gzip" in headers.get("accept-encoding", "")
    sent = {
        "content-type": "text/javascript; charset=utf-8",
        "cache-control": "public, max-age=3600",
        "cross-origin-resource-policy": "cross-origin",
        "etag": _etag(),
        "vary": "accept-encoding",
    }
    if _etag() in headers.get("if-none-match", ""):
        return 304, None, sent
    if is_packed:
        sent["content-encoding"] = "gzip"
    return 200, _packed() if is_packed else text(), sent
