"""`rlhf-otel datasets`: what datasets there are, what is in one, how two differ, and what the gates say of one."""

from __future__ import annotations

import contextlib
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
    store_path,
)
from rlhf_otel.cli.export import as_report, make, print_findings, print_outcome, progress_bar
from rlhf_otel.cli.recipe_options import recipe_of, recipe_options
from rlhf_otel.config import load

if TYPE_CHECKING:
    from rlhf_otel.datasets.catalog import Known, Lookup, Staleness
    from rlhf_otel.store import Store

_FOLDER = click.Path(exists=True, path_type=Path)


@click.group(
    "datasets",
    epilog=examples(
        "rlhf-otel datasets list",
        "rlhf-otel datasets audit",
        "rlhf-otel datasets audit pairs --benchmark mmlu.jsonl",
        "rlhf-otel datasets diff pairs pairs-new",
    ),
)
def command() -> None:
    """Look at datasets that were made, or at what the store would give."""


@command.command(
    "list",
    short_help="List datasets, and which of them are stale.",
    epilog=examples("rlhf-otel datasets list", "rlhf-otel datasets list /data/sets --mark"),
)
@click.argument("folder", type=_FOLDER, default=Path())
@click.option("--mark", is_flag=True, help="Have the manifests of stale datasets say so.")
@json_option
@store_option
def list_(folder: Path, mark: bool, as_json: bool, store: str | None) -> None:
    """List the datasets in FOLDER and below, and which of them rest on calls or feedback that are gone."""
    from rlhf_otel.datasets import catalog

    found = list(catalog.below(folder))
    with _store_to_compare_with(store, needed=mark) as opened:
        stale = [_staleness(each, opened) for each in found]
    if mark:
        for dataset, state in zip(found, stale, strict=True):
            catalog.mark(dataset, state or catalog.Staleness())
    if as_json:
        print_json([_as_json(*each) for each in zip(found, stale, strict=True)])
        return
    if not found:
        where = folder.resolve()
        click.echo(f"There are no datasets in {where} or below. To make one: rlhf-otel export --out DIR", err=True)
        return
    rows = [(str(each.path), each.manifest["format"], f"{each.rows:,}") for each in found]
    paths, formats, counts = (max(map(len, column)) for column in zip(*rows, strict=True))
    for (path, format_, count), state in zip(rows, stale, strict=True):
        click.echo(f"{path:<{paths}}  {format_:<{formats}}  {count:>{counts}} {_rows(count)}  {_state(state)}")


@command.command(
    "show",
    short_help="Show what is in a dataset: its card, and whether it is stale.",
    epilog=examples("rlhf-otel datasets show pairs", "rlhf-otel datasets show pairs --json | jq .manifest.recipe"),
)
@click.argument("folder", type=_FOLDER)
@json_option
@store_option
def show(folder: Path, as_json: bool, store: str | None) -> None:
    """Show what is in the dataset in FOLDER: its card, and whether it is stale."""
    from rlhf_otel.datasets import writing

    dataset = _known(folder)
    with _store_to_compare_with(store) as opened:
        state = _staleness(dataset, opened)
    if as_json:
        print_json({**_as_json(dataset, state), "manifest": dict(dataset.manifest)})
        return
    card = (folder / writing.CARD).read_text(encoding="utf-8")
    click.echo(printable(card.partition("\n---\n")[2].strip()))
    click.echo(f"\nNow: {_state(state)}")


@command.command(
    "diff",
    short_help="Say how two datasets differ.",
    epilog=examples("rlhf-otel datasets diff pairs pairs-new"),
)
@click.argument("before", type=_FOLDER)
@click.argument("after", type=_FOLDER)
@json_option
def diff(before: Path, after: Path, as_json: bool) -> None:
    """Say how the dataset in AFTER differs from the one in BEFORE."""
    from rlhf_otel.datasets import catalog

    told = catalog.difference(_known(before), _known(after))
    if as_json:
        print_json(told)
        return
    for line in _difference(told):
        click.echo(line)


@command.command(
    "audit",
    short_help="Run the gates over a dataset, a file of JSON lines, or the store.",
    epilog=examples(
        "rlhf-otel datasets audit",
        "rlhf-otel datasets audit --format kto --since 30d",
        "rlhf-otel datasets audit pairs --benchmark mmlu.jsonl",
    ),
)
@click.argument("path", type=_FOLDER, required=False)
@recipe_options
@json_option
@store_option
def audit(path: Path | None, as_json: bool, store: str | None, **options: Any) -> None:
    """Run the gates over the rows in PATH, a dataset or a file of JSON lines.

    Without PATH, over the rows that the store would give.

    Exit code 1 where a gate fails.
    """
    recipe = recipe_of(options)
    if path is None:
        outcome, stopped = make(recipe, store, None)
        print_json(as_report(outcome, stopped=stopped)) if as_json else print_outcome(outcome)
        if stopped:
            raise Problem("a gate fails")
        return
    from rlhf_otel.datasets import RecipeError
    from rlhf_otel.datasets.auditing import audit as audited

    try:
        with progress_bar() as progress:
            findings = audited(path, recipe, progress)
    except RecipeError as error:
        raise Problem(str(error)) from None
    print_json([each.as_json() for each in findings]) if as_json else print_findings(findings, recipe.override)
    if any(each.status == "failed" and each.gate not in recipe.override for each in findings):
        raise Problem("a gate fails")


@contextlib.contextmanager
def _store_to_compare_with(store: str | None, *, needed: bool = False) -> Iterator[Store | None]:
    """The store, where there is one: a dataset that somebody was given can be looked at without."""
    if store is None and not needed and not Path(store_path(load())).exists():
        yield None
        return
    with reading(store) as opened:
        yield opened


def _staleness(dataset: Known, store: Store | None) -> Staleness | None:
    from rlhf_otel.datasets import catalog

    return None if store is None else catalog.staleness(dataset, lookup(store))


def lookup(store: Store) -> Lookup:
    """Asks `store` for the feedback that counts on answers."""

    def current(span_ids: Any) -> set[str] | None:
        calls = [store.interaction(span_id) for span_id in span_ids]
        if any(call is None for call in calls):
            return None
        by_span = store.feedback_on([call for call in calls if call is not None])
        return {feedback.id for given in by_span.values() for feedback in given}

    return current


def _known(folder: Path) -> Known:
    from rlhf_otel.datasets import catalog

    try:
        return catalog.known(folder)
    except catalog.CatalogError as error:
        raise Problem(str(error)) from None


def _as_json(dataset: Known, state: Staleness | None) -> dict[str, Any]:
    """All about staleness is null where there is no store to compare with."""
    return {
        "path": str(dataset.path),
        "format": dataset.manifest["format"],
        "rows": dict(dataset.manifest.get("rows", {})),
        "stale": state and state.is_stale,
        "erased": state and state.erased,
        "superseded": state and state.superseded,
        "stale_rows": state and list(state.rows),
    }


def _rows(count: str) -> str:
    return "row " if count == "1" else "rows"


def _state(state: Staleness | None) -> str:
    if state is None:
        return "no store here to compare it with"
    if not state.is_stale:
        return "up to date with the store"
    parts = [f"{state.erased:,} rows rest on calls that are gone"] if state.erased else []
    parts += [f"{state.superseded:,} on feedback that no longer counts"] if state.superseded else []
    return f"stale: {', '.join(parts)}; export it anew with --replace"


def _or_none(value: Any) -> Any:
    return "none" if value is None else value


def _difference(told: dict[str, Any]) -> Iterator[str]:
    before, after = told["rows"]
    yield f"rows: {before:,} before, {after:,} after: {told['added']:,} added, {told['removed']:,} removed"
    for name in ("rules", "recipe", "gates"):
        for key, (was, is_) in told[name].items():
            yield f"{name}: {key} was {_or_none(was)}, is {_or_none(is_)}"
    for word in ("removed", "added"):
        if told[f"{word}_rows"]:
            yield f"{word}: {', '.join(told[f'{word}_rows'])}"
