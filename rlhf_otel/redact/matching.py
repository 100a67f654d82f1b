"""A program of its own: finds what patterns match, so that one that never ends can be ended. See `timebox.py`.

It reads requests from stdin and answers on stdout, each a length in four bytes and that much JSON. Nothing of the
package is imported here: this file is run by itself.
"""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from typing import Any

_CPU_S, _PER_MEGABYTE_S = 0.2, 1.0
"""How long a look at a text may take, and how much longer at a large one."""


def main() -> None:
    """Answers until stdin ends; ended by the system where a look takes too long."""
    while (request := _received()) is not None:
        _limit(_CPU_S + len(request["text"]) / 1e6 * _PER_MEGABYTE_S)
        found = re.compile(request["pattern"], request["flags"]).finditer(request["text"])
        spans = [match.span() for match in found]
        _limit(0)
        _send(spans)


def _limit(seconds: float) -> None:
    """Has this process end after so much time of the processor, which nothing in Python could do within a match."""
    if sys.platform != "win32":
        import signal

        signal.setitimer(signal.ITIMER_PROF, seconds)


def _received() -> Any:
    head = _read(4)
    return json.loads(_read(struct.unpack(">I", head)[0])) if len(head) == 4 else None


def _read(length: int) -> bytes:
    pieces = []
    while length > 0 and (piece := os.read(0, length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _send(answer: Any) -> None:
    body = json.dumps(answer).encode()
    data = memoryview(struct.pack(">I", len(body)) + body)
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
