"""What the commands share: options, the store, span ids as people type them, and ways to say no."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rlhf_otel.codec import is_encodable
from rlhf_otel.config import DEFAULT_STORE, Config, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.text import Text

    from rlhf_otel.records import Handle
    from rlhf_otel.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])

PIPED_WIDTH = 100
"""How wide tables are where there is no terminal to ask, and no COLUMNS."""
NARROWEST = 40
READ_IN_S = 5.0
"""How long a command waits for calls that were received in a rush."""

SECRET_SETTINGS = ("server_token", "token_key", "redact_key")
"""What is a secret as a whole."""

JOINERS = "\u200c\u200d"
"""Unprintable by themselves, but a part of many emoji and of Persian and Indic words."""
HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
"""What a header may be called."""

RESPONSE_ID = re.compile(r"(chatcmpl|cmpl|resp|msg|gen|run)[-_][\w.:-]+")
SPAN_ID = re.compile(r"[0-9a-f]{16}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Problem(click.ClickException):
    """The command was understood but cannot be done; the message says what to do instead. Exit code 1."""

    exit_code = 1


def store_option(function: Function) -> Function:
    """Adds `--store`."""
    text = f"The store, a file. [RLHF_OTEL_STORE; {DEFAULT_STORE}]"
    return click.option("--store", metavar="PATH", help=text)(function)


def json_option(function: Function) -> Function:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(function)


def examples(*lines: str) -> str:
    """The epilog of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def store_path(config: Config) -> str:
    """Where the embedded store is, or would be."""
    return config.store or DEFAULT_STORE


def refuse_memory(path: str | Path | None) -> None:
    """Stops a command at a store that only its own process can see.

    Raises:
        Problem: it is in memory.
    """
    if str(path) == ":memory:":
        raise Problem("the store :memory: lives and dies with its process; name a file with --store PATH")


@contextlib.contextmanager
def reading(store: str | None) -> Iterator[Store]:
    """Opens the store for reading, and closes it.

    Raises:
        Problem: there is none, or it cannot be read.
    """
    from rlhf_otel.store import Store, StoreError

    path = store_path(load({"store": store}))
    refuse_memory(path)
    if not Path(path).exists():
        raise Problem(
            f"there is no store at {path}. To make one: rlhf-otel-instrument python app.py\n"
            "To read another: --store PATH or RLHF_OTEL_STORE" + "".join(f"\n{line}" for line in left_behind())
        )
    try:
        _read_in(path)
        with Store.open(path, read_only=True) as opened:
            yield opened
    except StoreError as error:
        raise Problem(str(error)) from None


@contextlib.contextmanager
def writing(store: str | None) -> Iterator[Store]:
    """Opens the store for writing, which is made where there is none, and closes it.

    Raises:
        Problem: it cannot be written.
    """
    from rlhf_otel.store import Store, StoreError

    path = store_path(load({"store": store}))
    refuse_memory(path)
    try:
        with Store.open(path) as opened:
            yield opened
    except StoreError as error:
        raise Problem(str(error)) from None


def left_behind() -> Iterator[str]:
    """A line where something is in no store yet: as a process was ended by force, or as it waits to be approved."""
    from rlhf_otel.export.spool.looking import is_left

    config = load()
    if waiting := _waiting_for_approval(config):
        yield f"{waiting} calls and feedback wait to be approved: `rlhf-otel review`"
    folder = config.spool
    if is_left(Path(folder).expanduser()):
        yield f"What a process that was killed has recorded waits in {folder}: `rlhf-otel spool replay` sends it"


def _waiting_for_approval(config: Config) -> int:
    from rlhf_otel.export.review.queue import Queue, path_of
    from rlhf_otel.store import StoreError

    try:
        return Queue(path_of(config), config.review_bytes, config.review_age).count()
    except StoreError:  # `rlhf-otel review` says what is wrong
        return 0


def _read_in(path: str) -> None:
    """Takes apart what `rlhf-otel serve` has confirmed and not looked into yet: who sent it may look for it now."""
    from rlhf_otel.store import StoreError
    from rlhf_otel.store.inbox import read_in_at

    with contextlib.suppress(StoreError):  # it can be read all the same, and what is wrong is said then
        if left := read_in_at(path, READ_IN_S):
            click.echo(f"{left / 1e6:.0f} MB that were received are still being read in, and not shown yet", err=True)


def parse_target(text: str) -> Handle | str:
    """What somebody typed to name a call: a handle for a span id or traceparent, a string for a response id.

    Raises:
        click.UsageError: it is none of these.
    """
    from rlhf_otel.records import Handle

    word = text.strip()
    lower = word.lower()
    if SPAN_ID.fullmatch(lower) and lower.strip("0"):
        return Handle("", lower)
    if match := TRACEPARENT.fullmatch(lower):
        return Handle(match[1], match[2])
    if RESPONSE_ID.fullmatch(word):
        return word
    raise click.UsageError(f"{text!r} names no call: {_what_is_wrong(lower)}; `rlhf-otel traces` lists span ids")


def _what_is_wrong(word: str) -> str:
    expected = "16 hex digits expected, as in 00f067aa0ba902b7"
    if word and not word.strip("0"):
        return f"{expected}, and not zeros alone"
    if re.fullmatch(r"[0-9a-f]+", word):
        what = "a trace id" if len(word) == 32 else f"{len(word)} digits"
        return f"{expected}; this is {what}"
    return f"{expected}, or a traceparent, or a response id such as chatcmpl-123"


def print_json(value: Any) -> None:
    """Prints `value` as indented JSON; text keeps its own characters."""
    click.echo(_json(value, indent=2))


def print_json_lines(values: Iterable[Any]) -> None:
    """Prints one JSON object a line, as they come."""
    for value in values:
        click.echo(_json(value))


def _json(value: Any, indent: int | None = None) -> str:
    """JSON; halves of characters, which no encoding has, are escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    return text if is_encodable(text) else json.dumps(value, indent=indent, default=str)


def console(stderr: bool = False) -> Console:
    """A console as wide as the terminal; elsewhere as COLUMNS says, or of a readable width. Honours NO_COLOR."""

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    made = Console(file=stream, highlight=False, soft_wrap=False)
    if not stream.isatty():
        columns = os.environ.get("COLUMNS", "")
        made.width = int(columns) if columns.isdecimal() and int(columns) else PIPED_WIDTH
    made.width = max(NARROWEST, made.width)
    return made


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Prints rows of plain text, of which nothing is taken for more than text."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def hanging(out: Console, label: Text, words: str, style: str = "") -> Iterator[Text]:
    """`words` behind `label`: on a terminal in lines below each other, elsewhere in one line that programs can find."""
    from rich.text import Text

    told = Text(printable(words), style)
    room = max(NARROWEST // 2, out.width - label.cell_len)
    for number, line in enumerate(told.wrap(out, room) if out.is_terminal else [told]):
        line.rstrip()
        yield Text.assemble(" " * label.cell_len if number else label, line)


def printable(text: str) -> str:
    """`text` without the control characters by which recorded content could drive the reader's terminal."""
    return "".join(char if _is_harmless(char) else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_harmless(char: str) -> bool:
    return char.isprintable() or char in "\n\t" or char in JOINERS or unicodedata.category(char) == "Zs"


def one_line(text: str, at_most: int = 1000) -> str:
    """The start of `text`, on one line."""
    return printable(" ".join(text[:at_most].split()))


def shortened(text: str, cells: int) -> str:
    """`text`, cut to so many cells of a terminal."""
    from rich.text import Text

    cut = Text(text)
    cut.truncate(cells, overflow="ellipsis")
    return cut.plain


def near(word: str, known: Iterable[str]) -> str:
    """What somebody who typed `word` may have meant, as the end of a sentence; empty where nothing is near."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), 1)
    return f"; did you mean {found[0]}?" if found else ""


def mask(text: str) -> str:
    """`text` as shown where it may be a secret."""
    return "****" if text else text


def without_secrets(name: str, value: Any) -> Any:
    """The value of a setting as it may be printed: the names of headers stay, what they say does not."""
    if name in SECRET_SETTINGS and value:
        return mask(value)
    if name == "headers" and value:
        return ",".join(map(_without_secret, str(value).split(",")))
    if name == "endpoint" and value:
        return re.sub(r"//[^/@]*@", "//", str(value))
    return list(value) if isinstance(value, tuple) else value


def _without_secret(header: str) -> str:
    """One header; all of it may be the secret where there is no name."""
    key, equals, secret = header.partition("=")
    if not equals or not HEADER.fullmatch(key.strip()):
        return mask(header)
    return f"{key.strip()}={mask(secret)}"
