"""Folders, names of users and of this machine, in what errors say."""

from __future__ import annotations

import contextlib
import functools
import re
import sys
from pathlib import Path
from typing import Final

from rlhf_otel.redact.rule import Placeholder, compiled

_ROOTS: Final = (
    "home|Users|root|usr|opt|var|srv|app|apps|tmp|etc|mnt|media|data|workspaces?|private|Library|Applications|code|src"
    "|builds?|proc|dev|run|nix|venv|layers|Volumes|snap"
)
_PATH: Final = (
    rf"(?<![\w.:/@~-])(?P<folder>~?/(?:{_ROOTS})(?:/[^\s/\"'<>:|,;()\[\]{{}}]{{1,255}}){{0,64}}?/?|~/|file://[^\s\"'<>]{{1,500}}/)"
    r"(?P<file>[^\s/\"'<>:|,;()\[\]{}]{0,255})(?![^\s\"'<>:|,;()\[\]{}])"
    r"|(?<=File \")(?P<folder2>[^\"\n]{0,500}[/\\])(?P<file2>[^\"\n/\\]{1,255})(?=\")"
    r"|(?<![\w])(?P<folder3>(?:[A-Za-z]:\\|\\\\)(?:[^\s\\\"'<>:|,;*?]{1,255}\\)*)(?P<file3>[^\s\\\"'<>:|,;*?]{0,255})"
)
_IS_FILE: Final = r"[^/\\]+\.[A-Za-z]\w{0,7}\Z"


def hidden(text: str, mark: Placeholder) -> str:
    """`text` without folders, home folders and the name of this machine; the names of files stay."""

    def replaced(found: re.Match[str]) -> str:
        file = found["file"] or found["file2"] or found["file3"] or ""
        folder = found["folder"] or found["folder2"] or found["folder3"] or ""
        if not compiled(_IS_FILE).match(file):
            return mark("path", folder + file)
        return f"{mark('path', folder.rstrip('/' + chr(92)))}/{file}"

    for place in _own_folders():
        text = text.replace(place, "/home")
    text = compiled(_PATH).sub(replaced, text)
    host = _own_host()
    return host.sub(lambda found: mark("host", found[0]), text) if host is not None else text


@functools.lru_cache(maxsize=1)
def _own_folders() -> tuple[str, ...]:
    """Where this process lives, which may be anywhere: the longest first."""
    found = {sys.prefix, sys.base_prefix}
    for place in (Path.home, Path.cwd):
        with contextlib.suppress(OSError, RuntimeError):
            found.add(str(place()))
    return tuple(sorted((place for place in found if place.count("/") > 1), key=len, reverse=True))


@functools.lru_cache(maxsize=1)
def _own_host() -> re.Pattern[str] | None:
    import socket

    name = socket.gethostname()
    names = {name, name.partition(".")[0]} - {"", "localhost"}
    words = "|".join(re.escape(each) for each in sorted(names, key=len, reverse=True) if len(each) > 2)
    return re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])") if words else None
