"""`rlhf-otel export`: from recorded calls and feedback to a dataset, with a summary that a person can judge by."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, console, examples, hanging, json_option, print_json, reading, store_option
from rlhf_otel.cli.recipe_options import is_filtered, read, recipe_of, recipe_options
from rlhf_otel.cli.who import note_export

if TYPE_CHECKING:
    from rlhf_otel.datasets import Finding, Outcome, Recipe
    from rlhf_otel.datasets.rows import Progress
    from rlhf_otel.store import Store

_COLOURS = {"passed": "green", "warned": "yellow", "failed": "red", "not run": "dim"}


@click.command(
    "export",
    epilog=examples(
        "rlhf-otel export --out pairs",
        "rlhf-otel export --format kto --out thumbs --split 0.1",
        "rlhf-otel export --since 30d --model gpt-5-mini --dry-run",
        "rlhf-otel export --source human --source signal --benchmark mmlu.jsonl --out pairs",
        "rlhf-otel export --all --format jsonl --out copy",
    ),
)
@click.option("--out", type=click.Path(path_type=Path), help="The folder to make.")
@click.option("--replace", is_flag=True, help="Make a dataset that is there already anew.")
@click.option("--dry-run", is_flag=True, help="Only say what would come of it.")
@click.option("--all", "everything", is_flag=True, help="Copy the whole store, for `import`: --format jsonl or csv.")
@recipe_options
@json_option
@store_option
def command(out: Path | None, replace: bool, dry_run: bool, as_json: bool, store: str | None, **options: Any) -> None:
    """Make a dataset of recorded calls and what people thought of them.

    Explicit feedback by people on calls with consent to training, unless you ask for more. Nothing is half written: the
    folder appears when all is well. Exit code 1 where a gate stops the export or there is no row.
    """
    if options.pop("everything"):
        _copy_all(out, options["format"], store, as_json)
        return
    if out is None and not dry_run:
        raise click.UsageError("name the folder to make with --out DIR, or try it with --dry-run")
    recipe = recipe_of(options)
    outcome, stopped = make(recipe, store, None if dry_run else out, replace=replace)
    if as_json:
        print_json(as_report(outcome, stopped=stopped))
    else:
        print_outcome(outcome)
    if stopped:
        raise Problem(_how_to_go_on(outcome))
    if not sum(outcome.rows.values()):
        raise Problem(_nothing_to_write(outcome))


def _copy_all(out: Path | None, form: str, store: str | None, as_json: bool) -> None:
    from click.core import ParameterSource

    from rlhf_otel.cli import copying

    ctx = click.get_current_context()
    chosen = [name for name in ctx.params if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if more := sorted(set(chosen) - {"everything", "format", "out", "as_json", "store"}):
        raise click.UsageError(f"--all copies everything as it is; {more[0].replace('_', '-')} has no place beside it")
    if out is None:
        raise click.UsageError("name the folder to make with --out DIR")
    if form not in copying.FORMS:
        raise click.UsageError("--all goes with --format jsonl or --format csv")
    copying.copy(out, form, store, as_json=as_json)


def make(recipe: Recipe, store: str | None, out: Path | None, *, replace: bool = False) -> tuple[Outcome, bool]:
    """Makes the dataset; whether a gate stopped it.

    Raises:
        Problem: it cannot be made.
    """
    from rlhf_otel.datasets import EmptyError, GateError, RecipeError, WriteError, make_dataset

    with reading(store) as opened, progress_bar() as progress:
        total = opened.counts()["interactions"]
        unread = 0 if recipe.needs_unrated or is_filtered(recipe) else total
        try:
            counted = _Counted(read(opened, recipe))
            outcome = make_dataset(
                counted, recipe, out, replace=replace, keep_empty=replace,
                unread=lambda: max(0, unread - counted.count), notes=list(_notes(opened, recipe)),
                total=total if recipe.needs_unrated else None, progress=progress,
            )  # fmt: skip
        except GateError as error:
            return error.outcome, True
        except EmptyError as error:
            return error.outcome, False
        except (WriteError, RecipeError) as error:
            raise Problem(str(error)) from None
        if outcome.path is not None:
            _note(opened.path, outcome)
    return outcome, False


def _note(path: str, outcome: Outcome) -> None:
    """Has the store remember who exported what. One that cannot be written, as a copy somewhere, has no such list."""
    from rlhf_otel.store import StoreError

    what = {"format": outcome.recipe.format, "rows": dict(outcome.rows), "out": str(outcome.path)}
    try:
        note_export(path, what)
    except StoreError as error:
        click.echo(f"who exported this was not noted: {error}", err=True)


def _notes(store: Store, recipe: Recipe) -> Iterator[str]:
    """What the calls of a store do not say of themselves: that those are missing which nobody rated."""
    from rlhf_otel.views import iso

    thinned = store.thinned_ns()
    if recipe.needs_unrated and thinned is not None and (recipe.since_ns or 0) < thinned:
        yield (
            f"Of calls before {iso(thinned)[:19]}Z only those are left that somebody rated: the others made room. "
            "What is true of all calls shows since then alone (--since)"
        )


class _Counted:
    """An iterable that knows how many have come of it."""

    def __init__(self, records: Iterator[Any]) -> None:
        self._records = records
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for record in self._records:
            self.count += 1
            yield record


@contextlib.contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar on stderr while the block runs, where a person looks at it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    talk = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def progress(what: str, done: int, of: int | None) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield progress


def as_report(outcome: Outcome, *, stopped: bool = False) -> dict[str, Any]:
    """What came of it, as `--json` prints it."""
    from rlhf_otel.datasets.selection import held_back

    return {
        "path": None if outcome.path is None else str(outcome.path),
        "format": outcome.recipe.format,
        "recipe": outcome.recipe.choices(),
        "rows": dict(outcome.rows),
        "rules": dict(outcome.rules),
        "notes": list(outcome.notes),
        "stages": list(outcome.funnel),
        "held_back": held_back(outcome.funnel),
        "gates": [each.as_json() for each in outcome.findings],
        "stopped_by": [each.gate for each in outcome.failures] if stopped else [],
        "files": dict(outcome.files),
    }


def print_outcome(outcome: Outcome) -> None:
    """Prints the counts of every stage, the gates, and where the rows are."""
    from rich.text import Text

    out = console()
    for line in _stages(outcome):
        out.print(Text(line), soft_wrap=True)
    out.print()
    if sum(outcome.rows.values()):
        print_findings(outcome.findings, outcome.recipe.override)
        out.print()
    sizes = ", ".join(f"{count:,} {split}" for split, count in outcome.rows.items())
    where = "written nowhere" if outcome.path is None else f"in {outcome.path}"
    out.print(Text(f"{outcome.recipe.format} rows: {sizes}, {where}", "bold"), soft_wrap=True)
    for line in _hints(outcome):
        console(stderr=True).print(Text(line, "dim"), soft_wrap=True)


def print_findings(findings: Any, overridden: tuple[str, ...] = ()) -> None:
    """Prints one line for each gate."""
    from rich.text import Text

    out = console()
    width = max((len(each.gate) for each in findings), default=0)
    for each in findings:
        status = "overridden" if each.status == "failed" and each.gate in overridden else each.status
        label = Text.assemble(f"{each.gate:<{width}}  ", (f"{status:<10}", _COLOURS.get(status, "red")), "  ")
        for line in hanging(out, label, each.says):
            out.print(line, soft_wrap=True)


def _stages(outcome: Outcome) -> Iterator[str]:
    for stage in outcome.funnel:
        yield f"{stage['stage']:<9} {stage['in']:>9,} in  {stage['out']:>9,} out"
        for reason, count in stage["dropped"].items():
            yield f"{'':<9} {count:>9,} {reason}"


def _hints(outcome: Outcome) -> Iterator[str]:
    """What somebody should know who did not get the rows that they expected."""
    from rlhf_otel.datasets.selection import NO_CONSENT, NO_FEEDBACK

    yield from outcome.notes
    dropped = {reason: count for stage in outcome.funnel for reason, count in stage["dropped"].items()}
    if count := dropped.get(NO_CONSENT):
        yield (
            f"{count:,} call{' was' if count == 1 else 's were'} held back because nothing is known of consent. "
            "To record it: rlhf.context(consent='train'). Where you have it otherwise: --unset-consent train"
        )
    if sum(outcome.rows.values()):
        return
    if set(dropped) == {NO_FEEDBACK}:
        yield "nobody has said anything of these calls yet: `rlhf-otel feedback --interactive` asks"
    yield from _other_feedback(outcome.recipe, dropped)
    if not dropped:
        yield "the store has nothing to make rows of. To record calls: rlhf-otel-instrument python app.py"


def _other_feedback(recipe: Recipe, dropped: Collection[str]) -> Iterator[str]:
    """How to make rows of what people said otherwise: in this format, or else in another."""
    from rlhf_otel.datasets.recipe import FORMATS, USES, Recipe

    unused = [use for use in USES for reason in dropped if reason.startswith(f"{use}, human")]
    usable = [use for use in unused if use in recipe.usable]
    if usable:
        yield f"there is other feedback: {' '.join(f'--from {use}' for use in usable)}"
    elif unused:
        takes = [name for name in FORMATS if not set(unused).isdisjoint(Recipe(format=name).uses)]
        yield f"there is only feedback of which {recipe.format} makes no rows; --format {', '.join(takes)} would"


def _nothing_to_write(outcome: Outcome) -> str:
    from rlhf_otel.datasets.making import why_empty

    where = "nothing was written" if outcome.path is None else f"{outcome.path} is empty now"
    return f"no {outcome.recipe.format} rows, so {where}: {why_empty(outcome)}"


def _how_to_go_on(outcome: Outcome) -> str:
    told = _named(outcome.failures)
    ways = "; ".join(
        f"--drop {each.gate} leaves those rows out, --override {each.gate} exports them all the same"
        for each in outcome.failures
    )
    return f"stopped by {told}. Nothing was written. {ways}"


def _named(findings: list[Finding]) -> str:
    return ", ".join(f"the gate {each.gate} ({each.says})" for each in findings)
