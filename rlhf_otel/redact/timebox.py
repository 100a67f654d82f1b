"""Patterns of the user, which may take for ever: nobody waits longer than a moment for one.

Python's matching holds the interpreter and cannot be interrupted. So a pattern that is plainly cheap is matched here,
and any other in a process of its own, which is started when it is first needed, ends with this one, and is ended where
a look takes too long (`matching.py`).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import struct
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel import hooks
from rlhf_otel.redact.cheap import is_cheap
from rlhf_otel.redact.rule import TooSlow

if TYPE_CHECKING:
    import subprocess

Spans = list[tuple[int, int]]
_WAIT_S: Final = 2.0
"""The longest that anybody waits for an answer, on however busy a machine."""
_REMEMBERED: Final = 256
_PROGRAM: Final = Path(__file__).with_name("matching.py")


class BoxedPattern:
    """A pattern whose looks have an end."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern
        self.is_cheap = is_cheap(pattern)

    def spans(self, text: str) -> Spans:
        """Where it matches.

        Raises:
            TooSlow: it took too long.
        """
        if self.is_cheap:
            return [found.span() for found in self.pattern.finditer(text)]
        return _elsewhere.spans(self.pattern, text)

    def is_all_of(self, text: str) -> bool:
        """Whether it matches `text` from end to end; False where nobody can tell in time."""
        try:
            return (0, len(text)) in self.spans(text)
        except TooSlow:
            return False


class _Elsewhere:
    """The process that matches for us."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._hopeless: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._renew()
        hooks.after_fork(self._renew)
        atexit.register(self.end)

    def _renew(self) -> None:
        """In the child of a fork: the process is the parent's."""
        self._lock = threading.Lock()
        if self._process is not None:
            self._process.returncode = 0  # not ours to wait for
            self._process = None

    def spans(self, pattern: re.Pattern[str], text: str) -> Spans:
        """Where `pattern` matches, as the process says."""
        known = (pattern.pattern, hash(text))
        with self._lock:
            if known in self._hopeless:
                raise TooSlow(pattern.pattern)
            try:
                return self._asked({"pattern": pattern.pattern, "flags": pattern.flags, "text": text})
            except (OSError, ValueError, struct.error) as error:
                self._end()
                self._hopeless[known] = None  # a conversation is sent again with every turn
                if len(self._hopeless) > _REMEMBERED:
                    self._hopeless.popitem(last=False)
                raise TooSlow(pattern.pattern) from error

    def _asked(self, request: dict[str, Any]) -> Spans:
        process = self._process = self._process or _started()
        assert process.stdin is not None and process.stdout is not None
        watch = threading.Timer(_WAIT_S, process.kill)
        watch.daemon = True
        watch.start()
        try:
            body = json.dumps(request).encode()
            process.stdin.write(struct.pack(">I", len(body)) + body)
            process.stdin.flush()
            (length,) = struct.unpack(">I", process.stdout.read(4))
            return [(start, end) for start, end in json.loads(process.stdout.read(length))]
        finally:
            watch.cancel()

    def end(self) -> None:
        """Ends the process, if there is one."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(Exception):  # it has ended already, or ends when it likes
            process.kill()
            process.wait(_WAIT_S)
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


_elsewhere = _Elsewhere()


def _started() -> subprocess.Popen[bytes]:
    """A fresh process.

    Raises:
        OSError: none can be started, as in a program that was frozen into one file.
    """
    import subprocess

    return subprocess.Popen(
        [_interpreter(), "-I", "-S", str(_PROGRAM)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=os.sep,
    )  # fmt: skip


def _interpreter() -> str:
    """Python itself: `sys.executable` may be a server that has Python in it."""
    name = Path(sys.executable or "").name.lower()
    if getattr(sys, "frozen", False) or not name.startswith(("python", "pypy")):
        raise FileNotFoundError("there is no interpreter to run")
    return sys.executable
