"""A person, a conversation, a trace or a call, as commands are told of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rlhf_otel.store.tombstones import Subject

Function = TypeVar("Function", bound=Callable[..., Any])
_HEX = {"trace": 32, "span": 16}
_BLOCK = 1 << 22


def subject_options(function: Function) -> Function:
    """Adds `--user`, `--session`, `--trace` and `--span`."""
    for name, text in (
        ("span", "One call, by its span id."),
        ("trace", "One trace."),
        ("session", "One conversation."),
        ("user", "One person, by the id that calls and feedback name them by."),
    ):
        function = click.option(f"--{name}", metavar="ID", help=text)(function)
    return function


def subject_of(options: Mapping[str, Any]) -> Subject:
    """What was asked for.

    Raises:
        click.UsageError: it was nothing, several things, or no id.
    """
    from rlhf_otel.store.tombstones import SUBJECT_KINDS, Subject

    given = {kind: options[kind] for kind in SUBJECT_KINDS if options.get(kind) is not None}
    if len(given) != 1:
        raise click.UsageError("name one person, conversation, trace or call: --user, --session, --trace or --span ID")
    ((kind, name),) = given.items()
    if not name.strip():
        raise click.UsageError(f"--{kind} is empty; an id is expected")
    if not name.strip("*?%_"):
        raise click.UsageError(f"--{kind} {name}: wildcards are not understood; name one id")
    if kind in _HEX:
        name = name.strip().lower()
        if not re.fullmatch(f"[0-9a-f]{{{_HEX[kind]}}}", name) or not name.strip("0"):
            raise click.UsageError(f"--{kind} {name}: {_HEX[kind]} hex digits are expected")
    return Subject(kind, name)  # type: ignore[arg-type]


def known(path: Path, needle: bytes) -> bool:
    """Whether `needle` stands anywhere in the file."""
    tail = b""
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                if needle in tail + block:
                    return True
                tail = block[-len(needle) + 1 :] if len(needle) > 1 else b""
    except OSError:  # gone meanwhile
        return False
    return False
