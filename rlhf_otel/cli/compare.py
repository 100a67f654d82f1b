"""`rlhf-otel compare`: variants or models side by side, with intervals that hold however often one looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import Problem, console, examples, json_option, one_line, print_json, reading, store_option
from rlhf_otel.cli.traces import parse_since
from rlhf_otel.datasets.recipe import SOURCES

if TYPE_CHECKING:
    from rlhf_otel.datasets.arms import Arm, Comparison, Contrast

_WORDS = {
    "score": "mean score", "win_rate": "win rate", "error_rate": "error rate", "duration": "duration",
    "ttft": "time to first token", "cost": "cost",
}  # fmt: skip

_HEADS = ("calls", "rated", "up", "down", "mean score", "errors", "took", "TTFT", "cost")
_UNKNOWN = "-"
"""What nothing is known of; a column that has nothing else is left out."""
_INTERVALS_BESIDE_FROM = 90
"""Narrower than this, an interval stands below its mean."""
_OPEN_SHOWN = 6
"""With many arms most pairs are open for long: so many are listed."""


@click.command(
    "compare",
    epilog=examples(
        "rlhf-otel compare --by variant",
        "rlhf-otel compare --by model --since 7d --name helpfulness",
        "rlhf-otel compare --by variant --json",
        "rlhf-otel compare --by variant --plot compared.svg",
    ),
)
@click.option(
    "--by", default="variant", show_default=True, metavar="KEY", help="variant, model, service or context.NAME."
)
@click.option("--since", "since_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls since then.")
@click.option("--until", "until_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls before then.")
@click.option("--model", metavar="NAME", help="Only calls to this model.")
@click.option("--service", metavar="NAME", help="Only calls of this service.")
@click.option("--name", "names", metavar="NAME", multiple=True, help="Only feedback of this name. Repeatable.")
@click.option(
    "--source",
    "sources",
    type=click.Choice(SOURCES),
    multiple=True,
    default=("human",),
    show_default=True,
    help="Whose feedback counts. Repeatable.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    help="How often any of the winners may be none.",
)
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw the differences into an SVG file.")
@json_option
@store_option
def command(by: str, plot: Path | None, as_json: bool, store: str | None, **options: Any) -> None:
    """Compare variants or models: how they are rated and preferred, errors, speed, cost.

    A winner is named where an interval excludes no difference. The intervals are right together: over all measures, all
    pairs of arms, and all the times that you look.
    """
    from rlhf_otel.datasets.arms import TooManyArmsError, compare

    if by not in ("variant", "model", "service") and not by.startswith("context."):
        raise click.UsageError(f"--by is {by!r}; it is variant, model, service or context.NAME")
    choices = {name: options.pop(name) for name in ("alpha", "sources", "names")}
    with reading(store) as opened:
        try:
            made = compare(opened.joined(newest_first=False, **options), by, **choices)
        except TooManyArmsError as error:
            raise Problem(str(error)) from None
    contrasts = made.contrasts()
    if plot is not None:
        _draw(plot, contrasts)
    if as_json:
        print_json({"by": by, "alpha": made.alpha, "arms": [arm.as_json() for arm in _arms(made)],
                    "contrasts": [each.as_json() for each in contrasts]})  # fmt: skip
    elif made.arms:
        _print(made, contrasts)
    else:
        click.echo(f"No call has a {by}. To record one: rlhf.context(variant=...)", err=True)


def _arms(made: Comparison) -> list[Arm]:
    return [made.arms[name] for name in sorted(made.arms)]


def _print(made: Comparison, contrasts: list[Contrast]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    beside = " " if out.width >= _INTERVALS_BESIDE_FROM else "\n"
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    names = [one_line(arm.name) for arm in _arms(made)]
    table.add_column(made.by, overflow="fold", min_width=min(8, max(map(len, names))))
    columns = zip(_HEADS, *(_cells(arm, beside) for arm in _arms(made)), strict=True)
    known = [column for column in columns if set(column[1:]) != {_UNKNOWN}]
    for head, *_ in known:
        table.add_column(head, justify="right", no_wrap=True)
    for name, *cells in zip(names, *(cells for _, *cells in known), strict=True):
        table.add_row(Text(name), *cells)
    out.print(table)
    out.print()
    left_out = [contrast for contrast in contrasts if not contrast.winner][_OPEN_SHOWN:]
    for contrast in contrasts:
        if contrast not in left_out:
            out.print(Text(" ".join(_told(contrast)), "bold" if contrast.winner else ""), soft_wrap=True)
    if left_out:
        out.print(Text(f"and {len(left_out)} more that are open: --json has them", "dim"), soft_wrap=True)
    if len(made.arms) == 1:
        console(stderr=True).print(Text(f"there is one {made.by} alone; nothing to compare it with", "dim"))


def _cells(arm: Arm, beside: str) -> Iterator[str]:
    yield from (f"{count:,}" for count in (arm.calls, arm.counts["score"], arm.positive, arm.negative))
    low, high = arm.sequences["score"].interval()
    score = arm.mean("score")
    yield _UNKNOWN if score is None else f"{score:.2f}{beside}[{low:.2f}, {high:.2f}]"
    yield f"{arm.mean('error_rate') or 0.0:.1%}"
    for measure in ("duration", "ttft"):
        value = arm.mean(measure)
        yield _UNKNOWN if value is None else f"{value:.2f} s"
    cost = arm.mean("cost")
    yield _UNKNOWN if cost is None else f"{cost:.6g}"


def _told(contrast: Contrast) -> Iterator[str]:
    """One contrast as a sentence."""
    yield f"{_WORDS[contrast.measure]}: {one_line(contrast.one)} against {one_line(contrast.other)}"
    yield _numbers(contrast)
    if contrast.winner:
        yield f"- {one_line(contrast.winner)} is better"
    elif contrast.more:
        yield f"- open; about {contrast.more:,} more of each may tell"
    else:
        yield "- open; no difference to be seen"


def _numbers(contrast: Contrast) -> str:
    from rlhf_otel.datasets.arms import RATIOS

    if contrast.measure in RATIOS:
        low, high = (f"{end:.2f}" for end in (contrast.low, contrast.high))
        return f"{contrast.difference:.2f} times as much [{low}, {high}], {_pairs(contrast)}"
    if contrast.measure == "win_rate":
        return f"{contrast.difference:.0%} [{contrast.low:.0%}, {contrast.high:.0%}] of {contrast.count:,}"
    return f"{contrast.difference:+.3f} [{contrast.low:+.3f}, {contrast.high:+.3f}], {_pairs(contrast)}"


def _pairs(contrast: Contrast) -> str:
    return f"{contrast.count:,} pair{'' if contrast.count == 1 else 's'}"


def _draw(path: Path, contrasts: list[Contrast]) -> None:
    from rlhf_otel.datasets.drawing import forest

    try:
        path.write_text(forest(contrasts), encoding="utf-8")
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror or error}") from None
