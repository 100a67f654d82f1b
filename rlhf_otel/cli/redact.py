"""`rlhf-otel redact`: what redaction would take out of a text, and by which rule."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rlhf_otel.config import Config
    from rlhf_otel.redact import Redactor

FOUND = 1
_AROUND = 30
"""Characters shown on either side of a find."""
_MOST = 20
"""Finds of one rule that are shown; the rest is counted."""


@click.command("redact")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--check", is_flag=True, help="Look at FILE, or at stdin, which is what happens without it, too.")
@click.option("--rules", "rules_file", metavar="FILE", help="Rules of your own, instead of those of the settings.")
@click.option("--list", "listing", is_flag=True, help="Show every rule.")
@click.option("--show", is_flag=True, help="Show what was found; without it, only what stands around it.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(file: str | None, *, check: bool, rules_file: str | None, listing: bool, show: bool, as_json: bool) -> None:
    """Show what redaction takes out of FILE: a text, JSON, lines of JSON or an export; - for stdin.

    Nothing is changed. Exit code 0: nothing was found; 1: something was; 2: the file or the rules cannot be read.

    \b
    Examples:
      rlhf-otel redact prompts.jsonl                    what would be taken out of it?
      echo "mail me: ann@example.com" | rlhf-otel redact -
      rlhf-otel redact --rules rules.toml notes.txt     with rules of your own
      rlhf-otel redact --list                           which rules are there?
    """
    from rlhf_otel import config as settings

    config = settings.load()
    if rules_file is not None:
        config = replace(config, values={**config.values, "redact_file": settings.Value(rules_file, "--rules")})
    _refuse_what_is_broken(config)
    if listing:
        _list(config, as_json)
        return
    if file is None and not check and sys.stdin.isatty():
        raise click.UsageError("name a FILE, - for stdin, or --list")
    looked = _Look(config)
    with click.open_file(file or "-", encoding="utf-8", errors="surrogateescape") as opened:
        looked.at(opened)
    _say(looked, show=show, as_json=as_json)
    if looked.counts:
        click.get_current_context().exit(FOUND)


def _refuse_what_is_broken(config: Config) -> None:
    """An application goes on by the built-in rules; whoever checks rules wants to know."""
    if not config.redact_file:
        return
    from rlhf_otel.redact import DEFAULT_RULES, rulefile

    if faults := rulefile.read(config.redact_file, DEFAULT_RULES).faults:
        raise click.UsageError("\n".join(faults))


def _redactor(config: Config) -> Redactor:
    from rlhf_otel.redact import redactor_for

    return redactor_for(config, always=True)


class _Look:
    """What was found, line by line."""

    def __init__(self, config: Config) -> None:
        self.counts: Counter[str] = Counter()
        self.finds: list[tuple[str, int, str, str, str]] = []
        """Rule, line, what stands before, what it is, what stands behind; one character more than is shown."""
        self._redactor = _redactor(config)
        self._redactor.mark_with(self._marked)
        self._values: list[tuple[str, str]] = []

    def _marked(self, name: str, value: str) -> str:
        self._values.append((name, value))
        return f"\x00{len(self._values) - 1}\x00"

    def at(self, opened: IO[Any]) -> None:
        """Looks at all of a file."""
        text = opened.read()
        for line, value in _values(text):
            self._values.clear()
            clean = self._redactor.value(value)
            if self._values:
                self._keep(line, clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False))

    def _keep(self, line: int, clean: str) -> None:
        pieces = clean.replace("\\u0000", "\x00").split("\x00")
        for at in range(1, len(pieces), 2):
            name, value = self._values[int(pieces[at])]
            line += pieces[at - 1].count("\n")
            before, behind = pieces[at - 1].rpartition("\n")[2], pieces[at + 1].partition("\n")[0]
            self.counts[name] += 1
            self.finds.append((name, line, before[-_AROUND - 1 :], value, behind[: _AROUND + 1]))
            line += value.count("\n")


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """What a file holds, with the line on which it begins: one JSON value, one on each line, or a text."""
    whole = _parsed(text)
    if whole is not None:
        yield 1, whole
        return
    lines = text.splitlines()
    parsed = [_parsed(line) for line in lines]
    if any(value is not None for value in parsed):
        yield from ((number, line if value is None else value)
                    for number, (line, value) in enumerate(zip(lines, parsed, strict=True), start=1))  # fmt: skip
    else:
        yield 1, text


def _parsed(text: str) -> Any:
    """The object or list that `text` is in JSON; None where it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _say(looked: _Look, *, show: bool, as_json: bool) -> None:
    if as_json:
        found = [
            {"rule": name, "line": line, "before": before[-_AROUND:], "behind": behind[:_AROUND],
             **({"value": value} if show else {})}
            for name, line, before, value, behind in looked.finds
        ]  # fmt: skip
        click.echo(json.dumps({"counts": dict(sorted(looked.counts.items())), "found": found}, ensure_ascii=True))
        return
    shown: Counter[str] = Counter()
    for name, line, before, value, behind in looked.finds:
        shown[name] += 1
        if shown[name] <= _MOST:
            what = click.style(_line(value) if show else f"[REDACTED:{name}]", fg="red", bold=True)
            where = f"line {line}, {name}" if show else f"line {line}"
            left = f"…{before[1:]}" if len(before) > _AROUND else before
            right = f"{behind[:-1]}…" if len(behind) > _AROUND else behind
            click.echo(f"{click.style(where, fg='cyan')}: {_line(left)}{what}{_line(right)}")
    for name, count in sorted(looked.counts.items()):
        more = f", {_MOST} of them shown" if count > _MOST else ""
        click.echo(f"{count} {name}{more}", err=True)
    if not looked.counts:
        click.echo("nothing would be taken out", err=True)


def _line(text: str) -> str:
    from rlhf_otel.cli.common import printable

    return printable(text.replace("\n", "\\n"))


def _list(config: Config, as_json: bool) -> None:
    """Every rule with its group; those that hold."""
    redactor = _redactor(config)
    rows = [{"name": step.name, "group": step.group} for step in redactor.steps]
    rows = [row for at, row in enumerate(rows) if row not in rows[:at]]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for group in dict.fromkeys(row["group"] for row in rows):
        names = [row["name"] for row in rows if row["group"] == group]
        click.echo(click.style(group, bold=True))
        for name in names:
            click.echo(f"  {name}")
