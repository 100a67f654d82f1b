"""`rlhf-otel import`: calls and feedback out of the exports of other products, and of our own, into the store."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    Problem,
    console,
    examples,
    json_option,
    print_json,
    printable,
    refuse_memory,
    store_option,
    store_path,
)
from rlhf_otel.config import load

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.importers import Record, Unreadable
    from rlhf_otel.importers.votes import Vote
    from rlhf_otel.records import Feedback
    from rlhf_otel.store import Store

TOGETHER = 500
"""Records that are stored in one transaction."""
SHOWN = 20
"""Rows that nothing came of which are named one by one."""
_FORMATS = ("rlhf-otel", "langfuse", "langsmith", "phoenix", "open-webui", "argilla", "votes")
_WORDS = {"Interaction": "calls", "Feedback": "feedback", "SpanRecord": "other spans"}


def _scales(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Name and ends of each scale.

    Raises:
        click.BadParameter: it is none.
    """
    scales: dict[str, tuple[float, float]] = {}
    for text in given:
        name, _, ends = text.rpartition("=")
        low, _, high = ends.replace(":", "-").partition("-")
        try:
            scales[name] = float(low), float(high)
        except ValueError:
            name = ""
        if not name or scales[name][0] >= scales[name][1]:
            raise click.BadParameter(f"{text!r} is no scale; NAME=LOWEST-HIGHEST is expected, as in helpfulness=1-5")
    return scales


@click.command(
    "import",
    epilog=examples(
        "rlhf-otel import langfuse-export/",
        "rlhf-otel import runs.jsonl feedback.jsonl --scale helpfulness=1-5",
        "rlhf-otel import feedback-history-export.json --dry-run",
        "rlhf-otel import --from votes votes.csv",
        "rlhf-otel export --all --format jsonl --out copy && rlhf-otel import copy --store other.db",
    ),
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--from", "form", type=click.Choice(_FORMATS), help="Whose export it is. [each row tells]")
@click.option("--scale", "scales", metavar="NAME=1-5", multiple=True, callback=_scales,
              help="What numbers of this name go from and to, where the file does not say. Repeatable.")  # fmt: skip
@click.option("--thumbs", metavar="NAME", multiple=True, help="0 and 1 of this name are thumbs. Repeatable.")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@json_option
@store_option
def command(files: tuple[Path, ...], as_json: bool, store: str | None, **options: Any) -> None:
    """Take in calls and feedback from the exports of other products, plain votes, and what rlhf-otel itself writes.

    JSON, JSON lines, CSV, Parquet or Arrow, also gzipped; of a folder all that is in it. Read are exports of Langfuse,
    LangSmith, Phoenix, Open WebUI and Argilla.

    What is there already stays as it is, so importing twice changes nothing. Exit code 1 where something could not be
    read; all the rest is in the store then.
    """
    from rlhf_otel.importers.rows import FileError

    done = _Done()
    try:
        _import(files, load({"store": store}), done, options)
    except FileError as error:
        done.fault = str(error)
    except KeyboardInterrupt:
        done.fault = "interrupted"
    told = done.told(options["dry_run"], options["scales"])
    if as_json:
        print_json(told)
    else:
        _print(told, done)
    if done.fault or done.unreadable:
        raise Problem(_what_is_missing(done, options["dry_run"]))


def _import(files: Iterable[Path], config: Config, done: _Done, options: Mapping[str, Any]) -> None:
    """Reads all files twice: what a number means shows when all have been seen."""
    from rlhf_otel.importers import Unreadable, files_of, settled

    found, form = files_of(files), options["form"]
    with _progress() as moving:
        for each in _read(found, form, moving("looking", found)):
            if not isinstance(each, Unreadable):
                done.survey.see(each)
        readable = done.readable(_read(found, form, moving("importing", found)))
        taken = (settled(each, done.survey, options["scales"], options["thumbs"]) for each in readable)
        if options["dry_run"]:
            done.records.update(type(each).__name__ for each in taken)
        else:
            _keep(taken, config, done)


class _Done:
    """What has become of the rows so far."""

    def __init__(self) -> None:
        from rlhf_otel.importers import Survey

        self.survey = Survey()
        self.records: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self.unreadable: list[Unreadable] = []
        self.count_unreadable = 0
        self.fault = ""

    def readable(self, found: Iterable[Record | Unreadable]) -> Iterator[Record]:
        """The records; what is none is remembered."""
        from rlhf_otel.importers import Unreadable

        for each in found:
            if not isinstance(each, Unreadable):
                yield each
                continue
            self.count_unreadable += 1
            if len(self.unreadable) < SHOWN:
                self.unreadable.append(each)

    def told(self, dry_run: bool, scales: Mapping[str, Any]) -> dict[str, Any]:
        """What `--json` prints."""
        read = {word: self.records[name] for name, word in _WORDS.items()}
        return {
            "read": read,
            "new": None if dry_run else {word: self.new[name] for name, word in _WORDS.items()},
            "skipped": self.count_unreadable,
            "problems": [{"file": str(each.path), "line": each.line, "why": each.why} for each in self.unreadable],
            "without_scale": {name: list(ends) for name, ends in self.survey.without_scale(scales).items()},
            "stopped": self.fault or None,
        }


def _read(found: list[Path], form: str | None, moved: Callable[[Path, int], None]) -> Iterator[Record | Unreadable]:
    from rlhf_otel.importers import records

    for path in found:
        yield from records(path, _built, form, lambda at, path=path: moved(path, at))  # type: ignore[misc]
        moved(path, path.stat().st_size)


def _built(vote: Vote) -> Feedback:
    """The feedback that a vote gives, checked as the verbs check it.

    Raises:
        FeedbackError: it cannot be taken.
    """
    from rlhf_otel.feedback import build

    verbs: Mapping[str, Callable[..., Feedback]] = {
        "record": build.recorded, "correct": build.corrected, "prefer": build.preferred, "rank": build.ranked,
        "signal": build.signalled, "retract": build.retracted,
    }  # fmt: skip
    return verbs[vote.verb](**vote.fields)


def _keep(taken: Iterator[Record], config: Config, done: _Done) -> None:
    """Stores batch after batch, each in one transaction, without what is to be redacted.

    Raises:
        Problem: the store does not take them.
    """
    from rlhf_otel.redact import redactor_for
    from rlhf_otel.store import Store, StoreError

    path, redactor = store_path(config), redactor_for(config)
    refuse_memory(path)
    try:
        with Store.open(path) as opened:
            before = _counts(opened)
            try:
                while batch := list(islice(taken, TOGETHER)):
                    _add(opened, batch, redactor)
                    done.records.update(type(each).__name__ for each in batch)
            finally:
                done.new.update({name: now - before[name] for name, now in _counts(opened).items()})
    except StoreError as error:
        raise Problem(f"{error}\n{_kept(done)}") from None


def _add(opened: Store, batch: list[Record], redactor: Any) -> None:
    from rlhf_otel.otel_records import SpanRecord
    from rlhf_otel.records import Feedback, Interaction

    calls = [each for each in batch if isinstance(each, Interaction)]
    given = [each for each in batch if isinstance(each, Feedback)]
    spans = [each for each in batch if isinstance(each, SpanRecord)]
    if redactor is not None:
        calls = [redactor(each) for each in calls]
        given = [redactor.redact_feedback(each) for each in given]
        spans = [_redacted(each, redactor) for each in spans]
    opened.add(calls, given, spans)


def _redacted(span: Any, redactor: Any) -> Any:
    import dataclasses

    return dataclasses.replace(span, attributes=redactor.value(span.attributes), events=redactor.value(span.events),
                               status_message=redactor.text(span.status_message))  # fmt: skip


def _counts(opened: Store) -> dict[str, int]:
    counts = opened.counts()
    return {"Interaction": counts["interactions"], "Feedback": counts["feedback"], "SpanRecord": counts["spans"]}


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, list[Path]], Callable[[Path, int], None]]]:
    """A bar for each time that the files are read, by their bytes."""
    from rlhf_otel.cli.export import progress_bar

    with progress_bar() as progress:

        def moving(what: str, found: list[Path]) -> Callable[[Path, int], None]:
            sizes = {path: path.stat().st_size for path in found}
            read = dict.fromkeys(found, 0)
            total = sum(sizes.values())

            def moved(path: Path, at: int) -> None:
                if at - read[path] > total // 200 or at >= sizes[path]:
                    read[path] = at
                    progress(what, sum(read.values()), total)

            return moved

        yield moving


def _print(told: Mapping[str, Any], done: _Done) -> None:
    """The counts on stdout; what could not be read, and what to do about numbers without a scale, on stderr."""
    talk = console(stderr=True)
    for each in done.unreadable:
        talk.print(printable(f"{each.path}:{each.line}: {each.why}"), soft_wrap=True, markup=False)
    if done.count_unreadable > len(done.unreadable):
        talk.print(f"... and {done.count_unreadable - len(done.unreadable):,} more", style="dim")
    for name, (low, high) in told["without_scale"].items():
        talk.print(
            printable(f"numbers of {name} go from {low:g} to {high:g}, and nothing says on which scale: they are kept "
                      "without a score. To say it, with the first import into a store: "
                      f"--scale {name}={_like(low, high)}"),
            style="dim", soft_wrap=True, markup=False,
        )  # fmt: skip
    for word, count in told["read"].items():
        if count or word != "other spans":
            new = "" if told["new"] is None else f", {told['new'][word]:,} new"
            click.echo(f"{count:,} {word}{new}")


def _like(low: float, high: float) -> str:
    """The usual scale that has room for the numbers, as an example."""
    top = next((each for each in (1, 5, 10, 100) if high <= each), high)
    return f"{min(low, 0 if low < 1 or top == 100 else 1):g}-{top:g}"


def _kept(done: _Done) -> str:
    return f"{sum(done.records.values()):,} records were stored before that; importing again goes on where it stopped"


def _what_is_missing(done: _Done, dry_run: bool) -> str:
    rows = "row" if done.count_unreadable == 1 else "rows"
    told = [f"{done.count_unreadable:,} {rows} could not be read: passed over"] if done.count_unreadable else []
    if done.fault:
        told.append(f"{done.fault}. {_kept(done)}" if done.records and not dry_run else done.fault)
    return "; ".join(told)
