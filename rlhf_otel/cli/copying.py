"""`rlhf-otel export --all`: the whole store in files that `rlhf-otel import` reads, exactly as it is."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, print_json, reading
from rlhf_otel.cli.who import note_export

if TYPE_CHECKING:
    from rlhf_otel.importers.exact import Exact

FORMS = ("jsonl", "csv")
FILES = {"interaction": "interactions", "feedback": "feedback"}


def copy(out: Path, form: str, store: str | None, *, as_json: bool) -> None:
    """Writes every call with all its fields, and everything that was ever said of any.

    Whoever made the calls may have consented to nothing: this is a copy for the owner of the store, and no dataset.

    Raises:
        Problem: it cannot be written; nothing is then.
    """
    from rlhf_otel.cli.export import progress_bar
    from rlhf_otel.datasets.writing import WriteError, check_place, folder

    try:
        check_place(out, replace=False)
        with reading(store) as opened, progress_bar() as progress, folder(out, replace=False) as place:
            counts = opened.counts()
            _note(opened.path, out, form, counts)
            of: dict[str, Iterator[Exact]] = {
                "interaction": opened.interactions(newest_first=False),
                "feedback": opened.all_feedback(),
            }
            counted = (counts["interactions"], counts["feedback"])
            written = {
                kind: _written(kind, _shown(FILES[kind], records, total, progress), place, form)
                for (kind, records), total in zip(of.items(), counted, strict=True)
            }
    except WriteError as error:
        raise Problem(str(error)) from None
    if as_json:
        print_json(
            {"path": str(out), "format": form, "written": {FILES[kind]: count for kind, count in written.items()}}
        )
    else:
        click.echo(f"{written['interaction']:,} calls and {written['feedback']:,} feedback in {out}")


def _note(path: str, out: Path, form: str, counts: Mapping[str, int]) -> None:
    """Notes who took everything, before it is taken."""
    from rlhf_otel.store import StoreError

    what = {"format": form, "out": str(out), "interactions": counts["interactions"], "feedback": counts["feedback"]}
    try:
        note_export(path, what)
    except StoreError as error:
        raise Problem(f"nothing was written, as it could not be noted who asked for it: {error}") from None


def _shown(what: str, records: Iterable[Exact], total: int, progress: Callable[..., Any]) -> Iterator[Exact]:
    for number, record in enumerate(records, 1):
        if number % 100 == 0 or number == total:
            progress(what, number, total)
        yield record


def _written(kind: str, records: Iterable[Exact], place: Path, form: str) -> int:
    from rlhf_otel.importers import exact

    count = 0
    with (place / f"{FILES[kind]}.{form}").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        if form == "csv":
            table.writerow(exact.COLUMNS[kind])
        for record in records:
            if form == "csv":
                table.writerow(exact.cells_of(record))
            else:
                file.write(f"{exact.line_of(record)}\n")
            count += 1
    return count
