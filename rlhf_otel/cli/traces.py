"""`rlhf-otel traces`: what was asked, what was answered, how fast, and what people thought of it."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    console,
    examples,
    json_option,
    left_behind,
    print_json,
    print_json_lines,
    printable,
    reading,
    store_option,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rlhf_otel.records import Feedback, Interaction

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_since(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """A moment in nanoseconds, from an age such as 1h, a date, or a date and time, in the reader's zone by default.

    Raises:
        click.BadParameter: it is none of these.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower()):
        return time.time_ns() - int(float(match[1]) * _UNITS[match[2]] * 1e9)
    try:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is neither an age such as 30m, 1h or 7d nor a date such as 2026-11-21"
        ) from None
    return int(moment.astimezone().timestamp() * 1e9)


@click.command(
    "traces",
    epilog=examples(
        "rlhf-otel traces",
        "rlhf-otel traces --since 1h --no-feedback",
        "rlhf-otel traces --session conv-42 --json",
        "rlhf-otel traces --user ann --since 7d",
        "rlhf-otel traces --limit 10000 --jsonl | jq .response_text",
        "rlhf-otel traces --limit 10000 --csv > calls.csv",
    ),
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many calls, newest first."
)
@click.option("--session", metavar="ID", help="Only calls of this conversation.")
@click.option("--user", metavar="ID", help="Only calls of this person.")
@click.option("--model", metavar="NAME", help="Only calls to this model.")
@click.option(
    "--since",
    "since_ns",
    callback=parse_since,
    metavar="AGE|DATE",
    help="Only calls since then: 30m, 1h, 7d or 2026-11-21.",
)
@click.option("--has-feedback/--no-feedback", default=None, help="Only calls with feedback, or only those without.")
@json_option
@click.option("--jsonl", is_flag=True, help="Print one JSON object a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets.")
@store_option
def command(as_json: bool, jsonl: bool, as_csv: bool, store: str | None, **filters: Any) -> None:
    """List recorded calls with their feedback, newest first."""
    limit = filters.pop("limit")
    with reading(store) as opened:
        found = list(opened.interactions(limit=limit + 1, **filters))
        more, found = len(found) > limit, found[:limit]
        feedback = opened.feedback_on(found)
        total = opened.counts()["interactions"]
    if as_csv:
        _print_as_csv(found, feedback)
    elif as_json or jsonl:
        _print_as_json(found, feedback, jsonl)
    elif found:
        _print_list(found, feedback, _rest(filters, limit, total) if more else "")
    else:
        click.echo("\n".join((_nothing(filters, total), *left_behind())), err=True)


def _print_list(found: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]], rest: str) -> None:
    """The calls, and on stderr what there is to say of them."""
    from rich.text import Text

    from rlhf_otel.cli.listing import print_calls

    talk = console(stderr=True)
    for line in (print_calls(found, feedback), rest, *left_behind()):
        if line:
            talk.print(Text(line, "dim"), soft_wrap=True)


def _rest(filters: Mapping[str, Any], limit: int, total: int) -> str:
    of = "" if any(value is not None for value in filters.values()) else f" of {total:,}"
    return f"{limit:,}{of} calls; --limit N for more"


def _nothing(filters: Mapping[str, Any], total: int) -> str:
    """Why the list is empty."""
    if not total:
        return "The store has no calls yet. To record some: rlhf-otel-instrument python app.py"
    calls = "The one call does not match" if total == 1 else f"None of the {total:,} calls matches"
    return f"{calls} {' '.join(_typed(name, value) for name, value in filters.items() if value is not None)}"


def _typed(name: str, value: Any) -> str:
    """A filter as it was typed, or nearly so."""
    if name == "has_feedback":
        return "--has-feedback" if value else "--no-feedback"
    if name == "since_ns":
        return f"--since '{datetime.fromtimestamp(value / 1e9):%Y-%m-%d %H:%M}'"
    return f"--{name} {printable(value)}"


def _print_as_json(found: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]], lines: bool) -> None:
    from rlhf_otel.views import interaction_json

    rows = (interaction_json(one, feedback.get(one.span_id, ())) for one in found)
    if lines:
        print_json_lines(rows)
    else:
        print_json(list(rows))


def _print_as_csv(found: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]]) -> None:
    from rlhf_otel.cli.sheets import CALLS, print_csv
    from rlhf_otel.views import interaction_json

    print_csv((interaction_json(one, feedback.get(one.span_id, ())) for one in found), CALLS)
