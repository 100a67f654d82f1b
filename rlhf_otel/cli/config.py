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
        _print(rows)


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


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.text import Text

    out = console()
    for row in rows:
        chosen = row["source"] != "default"
        source = (
            "" if not chosen else "  from the environment" if row["source"] == row["env"] else f"  from {row['source']}"
        )
        value = _shown(row["value"])
        out.print(Text.assemble((f"{row['name']:<24}", "bold"), (value, "green" if chosen else ""), (source, "dim")))
        out.print(Text(f"    {row['doc']}\n    {row['env']}: {row['takes']}", "dim"), soft_wrap=True)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
