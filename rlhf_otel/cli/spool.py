"""`rlhf-otel spool`: what is on the disk because no backend has taken it yet."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, console, examples, json_option, print_json, print_json_lines, store_option
from rlhf_otel.config import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from rlhf_otel.export.spool.looking import Seen


def _folder_option(function: Callable[..., Any]) -> Callable[..., Any]:
    text = "The folder of the spool. [RLHF_OTEL_SPOOL; .rlhf-otel/spool]"
    return click.option("--spool", metavar="FOLDER", help=text)(function)


@click.group(
    "spool",
    epilog=examples(
        "rlhf-otel spool ls",
        "rlhf-otel spool replay --endpoint http://localhost:4318",
        "rlhf-otel spool export --jsonl > left.jsonl",
    ),
)
def command() -> None:
    """See, send or print what was recorded and has not been delivered yet.

    An application sends by itself what it has left, with its first call after the next start.
    """


@command.command("ls", epilog=examples("rlhf-otel spool ls", "rlhf-otel spool ls --json"))
@_folder_option
@json_option
def list_segments(spool: str | None, as_json: bool) -> None:
    """List what waits: how much, since when, and for which destination."""
    from rlhf_otel.export.spool.looking import seen

    rows = list(seen(_folder(spool)))
    if as_json:
        print_json([_row(each) for each in rows])
    elif not rows:
        console(stderr=True).print(f"Nothing waits in {_folder(spool)}.", soft_wrap=True)
    else:
        _print(rows)


@command.command("replay", epilog=examples("rlhf-otel spool replay", "rlhf-otel spool replay --store calls.db"))
@_folder_option
@click.option("--endpoint", metavar="URL", help="Send it there. [OTEL_EXPORTER_OTLP_ENDPOINT]")
@store_option
@click.option("--timeout", type=click.FloatRange(min=0.1), default=60.0, metavar="SECONDS", show_default=True,
              help="Give up after so long; what has not been sent stays.")  # fmt: skip
@json_option
def replay(spool: str | None, endpoint: str | None, store: str | None, timeout: float, as_json: bool) -> None:
    """Send what was left behind to where the settings say now, whatever its application's said.

    What belongs to a process that lives is left to that process. Exit code 0 where nothing is left, 1 else.
    """
    from rlhf_otel import hooks

    folder = _folder(spool)
    config = load({"spool": str(folder), "endpoint": endpoint, "store": store, "durability": "disk"})
    before = _delivered()
    left = _sent(config, timeout)
    sent = _delivered() - before
    if as_json:
        print_json({"sent": sent, "left": left, "skipped": hooks.counters["spool_skipped"]})
    else:
        console(stderr=True).print(f"Sent {sent}; {left} wait in {folder}.", soft_wrap=True)
    if left:
        raise Problem("not all of it was taken; `rlhf-otel doctor` finds out why")


@command.command("export", epilog=examples("rlhf-otel spool export --jsonl > left.jsonl"))
@_folder_option
@click.option("--jsonl", is_flag=True, help="One request a line, as the collector's otlpjsonfile receiver reads it.")
@json_option
def export(spool: str | None, jsonl: bool, as_json: bool) -> None:
    """Print every item as an OTLP request in JSON. Deletes nothing."""
    from rlhf_otel.export.spool.looking import requests

    found = (request for _, request in requests(_folder(spool)))
    if as_json and not jsonl:
        print_json(list(found))
    else:
        print_json_lines(found)


def _folder(given: str | None) -> Path:
    return Path(load({"spool": given}).spool).expanduser().absolute()


def _sent(config: Any, timeout: float) -> int:
    """Sends what nobody owns; how many items are left of it."""
    from rlhf_otel.export.own import OwnProviders
    from rlhf_otel.export.pipeline import Pipeline
    from rlhf_otel.export.spool.looking import seen
    from rlhf_otel.redact import redactor_for

    own = OwnProviders(config)
    own.pipeline = Pipeline(lambda: redactor_for(config))
    if own.spool is None:
        raise Problem("there is nowhere to send it: name an endpoint with --endpoint or a store with --store")
    nobodys = {each.found.path for each in seen(own.spool.folder) if not each.is_owned}
    until = time.monotonic() + timeout
    own.worker.replay(until - time.monotonic())
    own.intake.close(max(1.0, until - time.monotonic()))
    left = seen(own.spool.folder)  # what a request that is still under way has of it seems to have an owner: us
    return sum(each.items for each in left if not each.is_owned or each.found.path in nobodys)


def _delivered() -> int:
    from rlhf_otel import hooks

    return sum(count for name, count in dict(hooks.counters).items() if name.startswith("delivered_"))


def _row(each: Seen) -> dict[str, Any]:
    found = each.found
    return {
        "file": str(found.path), "holds": found.holds, "items": each.items, "bytes": found.size,
        "since": found.time_ns / 1e9, "process": found.pid, "is_owned": each.is_owned, "damaged": each.damaged,
        "to": list(each.to),
    }  # fmt: skip


def _print(rows: list[Seen]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("holds", "items", "KB", "age", "process", "goes to"):
        table.add_column(name, justify="right" if name in ("items", "KB", "age") else "left", overflow="fold")
    for each in rows:
        state = f"{each.found.pid}" if each.is_owned else f"{each.found.pid}, ended"
        items = f"{each.items}" + (f" ({each.damaged} damaged)" if each.damaged else "")
        table.add_row(each.found.holds, items, f"{each.found.size / 1024:.0f}", _age(each.found.time_ns), state,
                      "\n".join(each.to) or "unknown")  # fmt: skip
    out = console()
    out.print(table)
    if not all(each.is_owned for each in rows):
        console(stderr=True).print("What processes that have ended left: `rlhf-otel spool replay` sends it.")


def _age(time_ns: int) -> str:
    seconds = max(0.0, time.time() - time_ns / 1e9)
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
