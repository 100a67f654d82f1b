"""What a fuzzer does to something valid: small damage anywhere, and values that nobody expects in the right places."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

TEXTS = [
    "",
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "\ufeff",
    "é" * 300,
    "x" * 5000,
    "null",
    "-1",
    "1e999",
    "../" * 9,
    "%s%n",
    "'; DROP TABLE feedback; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\r\nSet-Cookie: x=1",
    "rlt_",
    "rls_",
    "0" * 16,
    "f" * 32,
    "00f067aa0ba902b7",
    "retraction",
    "preference",
    "true",
]
VALUES: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: False,
    lambda: 0,
    lambda: -1,
    lambda: 2**31,
    lambda: 2**63,
    lambda: -(2**63) - 1,
    lambda: 10**400,
    lambda: 1e308,
    lambda: -0.0,
    lambda: 5e-324,
    list,
    dict,
    lambda: [[]] * 50,
    lambda: {"": {"": ""}},
    lambda: nested(150),
    lambda: {"stringValue": 5},
    lambda: {"arrayValue": {"values": [None]}},
    lambda: [None] * 200,
]
WORDS = [
    b"\x00",
    b"\xff",
    b"\xff\xff\xff\xff\x0f",
    b"\x80" * 10,
    b"\r\n",
    b"{}",
    b"[]",
    b'"',
    b"null",
    b"\xed\xa0\x80",
    b"rlt_",
    b"\x0a\xff\xff\xff\x7f",
    b"%00",
    b"=",
    b";",
    b",",
    b"../",
    b"\xef\xbb\xbf",
]


def nested(depth: int) -> Any:
    """A list in a list, many times."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def damaged(rng: random.Random, raw: bytes) -> bytes:
    """The same bytes, a few of them flipped, missing, doubled, swapped or replaced by what parsers trip over."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = rng.choice(WORDS)
        elif kind == 4:
            data[at:at] = data[at : at + rng.randrange(1, 40)] * rng.choice((1, 2, 50))
        elif kind == 5:
            del data[at:]
        elif data:
            other = rng.randrange(len(data))
            data[at : at + 8], data[other : other + 8] = data[other : other + 8], data[at : at + 8]
    return bytes(data)


def strange(rng: random.Random, value: Any) -> Any:
    """The same JSON value with something unexpected in a few places."""
    made = json.loads(json.dumps(value))
    for _ in range(rng.choice((1, 1, 2, 3))):
        made = _changed(rng, made)
    return made


def _changed(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return _changed_object(rng, value, key)
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        value[at] = _changed(rng, value[at])
        return value * rng.choice((1, 1, 1, 3))
    return rng.choice(TEXTS) if rng.random() < 0.5 else rng.choice(VALUES)()


def _changed_object(rng: random.Random, value: dict[str, Any], key: str) -> Any:
    kind = rng.randrange(10)
    if kind == 0:
        del value[key]
    elif kind == 1:
        value[rng.choice(TEXTS)] = value[key]
    elif kind == 2:
        value[rng.choice(list(value))] = value[key]
    else:
        value[key] = _changed(rng, value[key])
    return value
