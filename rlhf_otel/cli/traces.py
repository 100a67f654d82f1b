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
        "rlhf-otel traces --limit 10000 --jsonl | jq .response_text",
    ),
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many calls, newest first."
)
@click.option("--session", metavar="ID", help="Only calls of this conversation.")
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
@store_option
def command(as_json: bool, jsonl: bool, store: str | None, **filters: Any) -> None:
    """List recorded calls with their feedback, newest first."""
    with reading(store) as opened:
        found = list(opened.interactions(**filters))
        feedback = opened.feedback_on(found)
    if as_json or jsonl:
        _print_as_json(found, feedback, jsonl)
    elif found:
        _print_table(found, feedback)
    else:
        click.echo("No call matches. To record some: rlhf-otel-instrument python app.py", err=True)


def _print_as_json(found: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]], lines: bool) -> None:
    from rlhf_otel.codec import interaction_json

    rows = (interaction_json(one, feedback.get(one.span_id, ())) for one in found)
    if lines:
        print_json_lines(rows)
    else:
        print_json(list(rows))


def _print_table(found: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), expand=True)
    table.add_column("Time\nSpan id", no_wrap=True, min_width=16)
    table.add_column("Model\nOutcome", no_wrap=True, overflow="ellipsis", max_width=17)
    table.add_column("Prompt\nAnswer", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("TTFT\nRate", no_wrap=True, justify="right")
    table.add_column("Tokens\nin, out", no_wrap=True, justify="right")
    table.add_column("Feedback", max_width=14)
    for one in found:
        table.add_row(*_cells(one, feedback.get(one.span_id, ())))
    console().print(table)


def _cells(one: Interaction, feedback: Sequence[Feedback]) -> list[Any]:
    from rich.text import Text

    from rlhf_otel.cli import marks
    from rlhf_otel.codec import prompt_text, response_text

    outcome = marks.outcome(one)
    colour = {"ok": "green", "abandoned": "yellow", "cancelled": "yellow"}.get(outcome, "red")
    answer = response_text(one) or one.error_message or _tool_calls(one)
    return [
        Text.assemble((marks.moment(one.start_ns), "dim"), "\n", (one.span_id, "bold")),
        Text.assemble(printable(one.response_model or one.request_model or one.name), "\n", (outcome, colour)),
        Text.assemble(_one_line(prompt_text(one)), "\n", (_one_line(answer), "dim")),
        Text(f"{marks.seconds(one.time_to_first_token_s)}\n{marks.rate(one.tokens_per_second)}"),
        Text(f"{marks.count(one.input_tokens, 'in')}\n{marks.count(one.output_tokens, 'out')}"),
        Text(marks.marks(feedback, one.span_id)),
    ]


def _tool_calls(one: Interaction) -> str:
    names = (p.get("name") for m in one.output or () for p in m.get("parts", ()) if p.get("type") == "tool_call")
    return ", ".join(f"{name}()" for name in names)


def _one_line(text: str) -> str:
    """The start of `text` on one line; the table cuts it to its width."""
    return printable(" ".join(text[:1000].split()))
