"""`rlhf-otel config`: every setting, what it is, and who said so."""

from __future__ import annotations

from typing import Any

import click

from rlhf_otel.cli.common import console, examples, json_option, print_json, printable, without_secrets
from rlhf_otel.config import SETTINGS, Config, load


@click.command("config", epilog=examples("rlhf-otel config", "RLHF_OTEL_SAMPLE_RATE=0.1 rlhf-otel config --json"))
@json_option
def command(as_json: bool) -> None:
    """Print every setting: its value, where that comes from, its variable and what it does.

    An argument in code beats the environment, that beats rlhf-otel.toml or [tool.rlhf-otel] in pyproject.toml, that
    beats the default. What a header says is never printed.
    """
    rows = effective(load())
    if as_json:
        print_json(rows)
    else:
        _print_table(rows)


def effective(config: Config) -> list[dict[str, Any]]:
    """One row for each setting, without secrets."""
    return [
        {
            "name": setting.name,
            "value": without_secrets(setting.name, config.values[setting.name].value),
            "source": config.values[setting.name].source,
            "env": setting.env,
            "takes": setting.takes,
            "doc": setting.doc,
        }
        for setting in SETTINGS
    ]


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("Setting", no_wrap=True)
    table.add_column("Value", overflow="fold")
    table.add_column("From, variable and meaning", overflow="fold")
    for row in rows:
        chosen = "" if row["source"] == "default" else "bold green"
        source = "default" if row["source"] == "default" else f"from {row['source']}"
        about = Text.assemble((f"{source}; {row['env']}\n", chosen), (row["doc"], "dim"))
        table.add_row(row["name"], Text(_shown(row["value"]), chosen), about)
    console().print(table)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
