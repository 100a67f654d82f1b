"""`rlhf-otel subject`: everything that is stored on a person, for that person."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    Problem,
    examples,
    json_option,
    print_json,
    printable,
    reading,
    store_option,
)
from rlhf_otel.cli.subjects import subject_of, subject_options
from rlhf_otel.cli.who import note_export
from rlhf_otel.config import Config, load

if TYPE_CHECKING:
    from rlhf_otel.store import Store
    from rlhf_otel.store.tombstones import Record, Subject

_FILES = {
    "calls": "what was asked and answered, with how long it took and what it cost",
    "feedback": "what the person said of answers (`by`), and what others said of the answers that they got (`on`)",
    "spans": "what else an application did on the way to an answer",
    "logs": "what an application noted meanwhile",
    "points": "measurements that name the person",
    "waiting": "what was recorded and has not been delivered, or not been approved, yet",
}


@click.command(
    "subject",
    epilog=examples(
        "rlhf-otel subject --user u1 --out u1-data",
        "rlhf-otel subject --session conv-42 --out conversation --json",
    ),
)
@subject_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--spool", metavar="FOLDER", help="The folder of the spool. [RLHF_OTEL_SPOOL; .rlhf-otel/spool]")
@json_option
@store_option
def command(out: Path, spool: str | None, as_json: bool, store: str | None, **options: Any) -> None:
    """Write everything that is stored on a person into a folder, as JSON lines: calls, feedback by and on them.

    Also of one conversation, trace or call. Nothing is half written, and only you can read it. Exit code 1 where
    nothing is stored.
    """
    from rlhf_otel.datasets.writing import WriteError, check_place, folder

    subject = subject_of(options)
    try:
        check_place(out, replace=False)
        with reading(store) as opened, folder(out, replace=False) as place:
            counts = _written(_told(opened, subject, load({"spool": spool, "store": store})), place, subject)
            if not counts:
                raise Problem(f"nothing is stored on the {subject.kind} {printable(subject.id)!r}")
            _note(opened.path, subject, counts)
        out.chmod(0o700)
    except WriteError as error:
        raise Problem(str(error)) from None
    if as_json:
        print_json({"path": str(out), "counts": counts})
    else:
        click.echo(f"{', '.join(f'{count:,} {name}' for name, count in counts.items())} in {out}")


def _told(opened: Store, subject: Subject, config: Config) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each thing by the name of the file that it belongs into, as it is written."""
    from rlhf_otel.export.review.queue import Queue, path_of
    from rlhf_otel.export.spool.erasing import Cover, in_review, waiting
    from rlhf_otel.store.finding import Finder, records_of

    with opened._reading() as connection:
        for name, record in records_of(connection, Finder(connection, subject).found()):
            yield name, _as_json(record, subject)
    cover = Cover(lambda kind, name: (kind, name) == subject, time.time_ns())
    queue = Queue(path_of(config), config.review_bytes, config.review_age)
    for record in (*waiting(Path(config.spool).expanduser(), cover), *(each for _, each in in_review(queue, cover))):
        yield "waiting", {"is": type(record).__name__, **_as_json(record, subject)}
    queue.rest()


def _as_json(record: Record, subject: Subject) -> dict[str, Any]:
    from rlhf_otel import views
    from rlhf_otel.records import Feedback, Interaction

    if isinstance(record, Interaction):
        return {**views.interaction_json(record), "anonymous_user": record.anonymous_user}
    if isinstance(record, Feedback):
        role = {"role": "by" if record.rater == subject.id else "on"} if subject.kind == "user" else {}
        return {**role, **views.feedback_json(record), "retracts": record.retracts}
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _written(told: Iterator[tuple[str, dict[str, Any]]], place: Path, subject: Subject) -> dict[str, int]:
    """Writes the files; how many lines each has."""
    from rlhf_otel.datasets.lines import json_line

    counts: Counter[str] = Counter()
    files: dict[str, Any] = {}
    try:
        for name, row in told:
            if name not in files:
                files[name] = (place / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n")
            files[name].write(f"{json_line(row)}\n")
            counts[name] += 1
    finally:
        for file in files.values():
            file.close()
    found = {name: counts[name] for name in _FILES if counts[name]}
    (place / "README.md").write_text(_page(found, subject), encoding="utf-8")
    (place / "counts.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for path in place.iterdir():
        path.chmod(0o600)
    return found


def _page(counts: dict[str, int], subject: Subject) -> str:
    lines = [f"# What is stored on the {subject.kind} `{printable(subject.id)}`", ""]
    lines += [f"- `{name}.jsonl`: {count:,} lines, {_FILES[name]}" for name, count in counts.items()]
    lines += ["", "One JSON object a line. Times are in UTC; where a name ends in `_ns`, nanoseconds since 1970."]
    return "\n".join(lines) + "\n"


def _note(path: str, subject: Subject, counts: dict[str, int]) -> None:
    """Notes who took it, before it is theirs."""
    from rlhf_otel.store import StoreError

    try:
        note_export(path, {"subject": subject.kind, **counts})
    except StoreError as error:
        raise Problem(f"it was not written, as it could not be noted who asked for it: {error}") from None
