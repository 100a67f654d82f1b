"""`rlhf-otel store`: what the store knows of itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import examples, json_option, print_json, print_table, reading, store_option
from rlhf_otel.cli.marks import full_moment

if TYPE_CHECKING:
    from rlhf_otel.store.ledger import Entry

ACTIONS = ("read", "export", "erase", "review", "login", "token")
LONGEST = 200
"""Characters of what was done in a table; all of it is what `--json` is for."""


@click.group("store", epilog=examples("rlhf-otel store audit"))
def command() -> None:
    """Look into the store itself: who has read, exported, erased."""


@command.command(
    "audit", epilog=examples("rlhf-otel store audit", "rlhf-otel store audit --action erase --since 30d --json")
)
@click.option("--action", type=click.Choice(ACTIONS), help="Only this.")
@click.option("--since", metavar="TIME", help="Only what was done in this time: 12h, 30d.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@json_option
@store_option
def audit(action: str | None, since: str | None, limit: int, as_json: bool, store: str | None) -> None:
    """Show who read calls on the pages of `rlhf-otel serve`, logged in, exported, erased or changed tokens."""
    with reading(store) as opened:
        entries = opened.audited(action=action, since_ns=_since(since), limit=limit)
    if as_json:
        print_json([{"time": full_moment(one.time_ns), **one._asdict()} for one in entries])
    elif entries:
        _print(entries)
    else:
        click.echo("nothing was noted", err=True)


def _since(text: str | None) -> int | None:
    from rlhf_otel.store.retention import oldest_ns
    from rlhf_otel.token import seconds

    try:
        return None if text is None else oldest_ns(seconds(text))
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _print(entries: list[Entry]) -> None:
    rows = [(full_moment(one.time_ns), one.who, one.action, _words(one.what)) for one in entries]
    print_table(("time", "who", "action", "what"), rows)


def _words(what: dict[str, Any]) -> str:
    told = ", ".join(f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in what.items())
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 1]}…"
