"""`rlhf-otel config`: every setting, what it is, and who said so."""

from __future__ import annotations

from typing import Any

import click

from rlhf_otel.cli.common import console, examples, json_option, print_json, printable, without_secrets
from rlhf_otel.config import SETTINGS, Config, load

WIDEST_VALUE = 32
"""Longer values push their source out of its column."""


@click.command(
    "config",
    epilog=examples(
        "rlhf-otel config", "rlhf-otel config --verbose", "RLHF_OTEL_SAMPLE_RATE=0.1 rlhf-otel config --json"
    ),
)
@json_option
@click.option("-v", "--verbose", is_flag=True, help="Say also what each setting does, and its variable.")
def command(as_json: bool, verbose: bool) -> None:
    """Print every setting: its value, and where that comes from.

    An argument in code beats the environment, that beats rlhf-otel.toml or [tool.rlhf-otel] in pyproject.toml, that
    beats the default. What a header says is never printed.
    """
    rows = effective(load())
    if as_json:
        print_json(rows)
    else:
        _print(rows, verbose)


def effective(config: Config) -> list[dict[str, Any]]:
    """One row for each setting, without secrets."""
    found = {setting.name: config.values[setting.name].value for setting in SETTINGS} | _by_default(config)
    return [
        {
            "name": setting.name,
            "value": without_secrets(setting.name, found[setting.name]),
            "source": config.values[setting.name].source,
            "env": setting.env,
            "takes": setting.takes,
            "doc": setting.doc,
        }
        for setting in SETTINGS
    ]


def _by_default(config: Config) -> dict[str, Any]:
    """What holds where nobody has set something, and other settings say what."""
    from rlhf_otel.export.own import store_path

    return {} if config.store else {"store": store_path(config)}


def _print(rows: list[dict[str, Any]], verbose: bool) -> None:
    from rich.text import Text

    out = console()
    shown = [_shown(row["value"]) for row in rows]
    names, values = max(len(row["name"]) for row in rows), min(WIDEST_VALUE, max(map(len, shown)))
    for row, value in zip(rows, shown, strict=True):
        style = "" if row["source"] == "default" else "green"
        line = Text.assemble((f"{row['name']:<{names}}", "bold"), "  ", (f"{value:<{values}}", style), "  ")
        out.print(line.append(row["source"], "dim"), soft_wrap=True)
        if verbose:
            out.print(Text(f"    {row['doc']}\n    {row['env']}: {row['takes']}", "dim"), soft_wrap=True)


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
