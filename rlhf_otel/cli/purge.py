"""`rlhf-otel purge`: erases a person, a conversation, a trace or a call, wherever we keep it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, examples, json_option, print_json, store_option, store_path
from rlhf_otel.cli.purging import EXPORTS, Purging, Report
from rlhf_otel.cli.subjects import subject_of, subject_options
from rlhf_otel.cli.who import operator
from rlhf_otel.config import load

if TYPE_CHECKING:
    from rlhf_otel.store import Store
    from rlhf_otel.store.tombstones import Tombstone


@click.command(
    "purge",
    epilog=examples(
        "rlhf-otel purge --user u1 --dry-run",
        "rlhf-otel purge --user u1 --exports rewrite --yes",
        "rlhf-otel purge --session conv-42 --feedback-only",
        "rlhf-otel purge --list",
    ),
)
@subject_options
@click.option("--feedback-only", is_flag=True, help="Only what was said of the answers; the calls stay.")
@click.option("--exports", type=click.Choice(EXPORTS), default="list", show_default=True,
              help="What becomes of datasets with such rows.")  # fmt: skip
@click.option("--datasets", "folders", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True,
              help="Where datasets and models are. Repeatable. [the current folder]")  # fmt: skip
@click.option("--spool", metavar="FOLDER", help="The folder of the spool. [RLHF_OTEL_SPOOL; .rlhf-otel/spool]")
@click.option("--in-advance", is_flag=True, help="Refuse what may still come of it, though nothing is known of it.")
@click.option("--dry-run", is_flag=True, help="Only say what would be erased.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--list", "listing", is_flag=True, help="List what was erased before: hashes, and when.")
@click.option("--lift", metavar="HASH", help="Let come again what is refused for this one of the list.")
@json_option
@store_option
def command(listing: bool, lift: str | None, as_json: bool, store: str | None, **options: Any) -> None:
    """Erase a person, a conversation, a trace or a call for good: store, spool, and datasets if you ask for it.

    From then on whatever comes again of it is refused. A person may come back: what begins later is new. Exit code 1
    where nothing is known of it.
    """
    if listing or lift is not None:
        _tombstones(store, lift, as_json)
        return
    subject = subject_of(options)
    purging = Purging(store, subject, **{name: options[name] for name in (
        "feedback_only", "exports", "folders", "spool", "in_advance")})  # fmt: skip
    with purging:
        if options["dry_run"]:
            purging.look()
        else:
            _ask(purging, options["yes"])
            purging.run()
    if not options["dry_run"]:
        purging.look_for_the_id()
    print_json(asdict(purging.report)) if as_json else _print(purging.report, dry_run=options["dry_run"])


def _ask(purging: Purging, yes: bool) -> None:
    """Says what will go, and asks.

    Raises:
        click.Abort: the answer was no.
        click.UsageError: there is nobody to ask.
    """
    purging.look()
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nobody is here to be asked; --yes erases without asking, --dry-run says what it would")
    for line in _counts(purging.report):
        click.echo(line, err=True)
    click.confirm("Erase it for good?", abort=True, err=True)


def _tombstones(store: str | None, lift: str | None, as_json: bool) -> None:
    from rlhf_otel.store import Store, StoreError, erasing

    path = Path(store_path(load({"store": store})))
    if not path.exists():
        raise Problem(f"there is no store at {path}; name one with --store PATH")
    try:
        with Store.open(path) as opened:
            listed = erasing.tombstones(opened)
            if lift is not None:
                _lift(opened, listed, lift)
                return
    except StoreError as error:
        raise Problem(str(error)) from None
    rows = [_told(each) for each in listed]
    if as_json:
        print_json(rows)
    for row in () if as_json else rows:
        what = f"feedback on a {row['kind']}" if row["feedback_only"] else f"a {row['kind']}"
        click.echo(f"{row['hash']}  {row['time']}  {what}, {row['ids']:,} ids, {row['refused']:,} refused since")
    if not (as_json or rows):
        click.echo("nothing was erased here yet", err=True)


def _lift(opened: Store, listed: list[Tombstone], given: str) -> None:
    from rlhf_otel.store import erasing

    found = [each for each in listed if each.hash.startswith(given.lower())] if given else []
    if len({each.hash for each in found}) != 1:
        raise Problem(
            f"{given!r} is the start of {len(found) or 'no'} hash{'es' if len(found) > 1 else ''} of the list"
        )
    for each in found:
        opened.audit("erase", {"lifted": each.hash, "kind": each.kind}, who=operator())
        erasing.lift(opened, each.number)
    click.echo("what comes again of it is taken from now on; what was erased stays erased", err=True)


def _told(tombstone: Tombstone) -> dict[str, Any]:
    from rlhf_otel.views import iso

    told = tombstone._asdict()
    return {"time": iso(told.pop("laid_ns")), **{name: value for name, value in told.items() if name != "number"}}


def _print(report: Report, *, dry_run: bool) -> None:
    for line in _counts(report):
        click.echo(line)
    for each in report.datasets:
        click.echo(f"{each['path']}: {each['rows']:,} rows rest on it; {each['is']}")
    for each in report.models:
        click.echo(f"{each['path']}: a model that was trained on such rows; train it anew")
    if dry_run:
        click.echo("nothing was erased: this was to see what would be", err=True)
    for line in () if dry_run else _hints(report):
        click.echo(line, err=True)


def _counts(report: Report) -> Iterator[str]:
    told = [f"{count:,} {name}" for name, count in report.removed.items()]
    if told:
        yield f"store: {', '.join(told)}"
    if report.spool:
        yield f"spool: {report.spool['items'] + report.spool['left']:,} items"
    if report.review:
        yield f"waiting to be approved: {report.review:,}"


def _hints(report: Report) -> Iterator[str]:
    """What the one who erases has to know besides."""
    if report.spool.get("left"):
        yield f"{report.spool['left']:,} items in the spool are with processes that live, which erase before they send"
    if report.unread:
        yield f"{report.unread / 1e6:.0f} MB that were received are still to be read in; nothing of it will come out"
    if report.log_kept:
        yield "somebody was reading all the time, so the log of the store could not be emptied: once more does it"
    for path in report.still_in:
        yield f"the id still stands in {path}: in the words of others, or in what a process has not erased yet"
    if any(each["is"] == "stale" for each in report.datasets):
        yield "datasets are stale: --exports rewrite takes the rows out, --exports delete deletes them"
    if report.tombstone:
        yield f"from now on it is refused ({report.tombstone[:12]}); what it was sent to elsewhere is not ours to erase"
