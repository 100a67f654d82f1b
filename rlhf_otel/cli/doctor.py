"""`rlhf-otel doctor`: why something is not recorded or not sent, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict

import click

from rlhf_otel.cli.common import console, examples, hanging, json_option, print_json, store_option
from rlhf_otel.config import ConfigError, load

_SIGNS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "fail": ("✗", "red")}


@click.command(
    "doctor",
    epilog=examples(
        "rlhf-otel doctor",
        "rlhf-otel doctor --endpoint http://localhost:4318",
        "rlhf-otel doctor --json | jq '.findings[] | select(.status != \"ok\")'",
    ),
)
@click.option("--endpoint", metavar="URL", help="Test this endpoint. [OTEL_EXPORTER_OTLP_ENDPOINT]")
@json_option
@store_option
@click.pass_context
def command(ctx: click.Context, endpoint: str | None, as_json: bool, store: str | None) -> None:
    """Look for what is wrong, and say what helps. Sends one test span and one test feedback event to the endpoint.

    Exit code 0 where nothing failed, 1 where something did. Keys are never printed.
    """
    from rlhf_otel.cli.checks import Finding, examine
    from rlhf_otel.cli.config import effective

    problems: list[tuple[str, ConfigError]] = []
    config = load({"endpoint": endpoint, "store": store}, problems=problems)
    findings = [Finding("setting", "fail", str(error), _remedy(source)) for source, error in problems]
    findings += examine(config)
    settings = effective(config)
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        print_json({"ok": not failed, "findings": [asdict(finding) for finding in findings], "config": settings})
    else:
        _print([(finding.check, finding.status, finding.detail, finding.remedy) for finding in findings])
    ctx.exit(1 if failed else 0)


def _remedy(source: str) -> str:
    """What helps against a setting from `source` that cannot be read."""
    return f"fix or unset {source}" if source.isupper() else f"put it right in {source}"


def _print(rows: list[tuple[str, str, str, str]]) -> None:
    from rich.text import Text

    out = console()
    for check, status, detail, remedy in rows:
        sign, colour = _SIGNS[status]
        label = Text.assemble((f"{sign} {status:<5}", colour), (f"{check:<19}", "bold"))
        lines = [*hanging(out, label, detail)]
        if remedy:
            lines += hanging(out, Text(f"{'':{label.cell_len - 1}}→ ", "yellow"), remedy, "yellow")
        for line in lines:
            out.print(line, soft_wrap=True)
    counted = [status for _, status, _, _ in rows]
    out.print(Text(f"{counted.count('fail')} failed, {counted.count('warn')} to look at, {counted.count('ok')} fine"))
