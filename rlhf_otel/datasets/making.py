"""The whole way from calls with their feedback to a dataset on disk: `make_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from rlhf_otel.datasets import drafts, plain, selection, single, writing
from rlhf_otel.datasets.decide import PAIRS, Judge
from rlhf_otel.datasets.drafts import Draft
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.gates.benchmark import Benchmark
from rlhf_otel.datasets.gates.duplicates import Clusters, NearDuplicates
from rlhf_otel.datasets.gates.finding import FAILED, PASSED, Finding, Gate
from rlhf_otel.datasets.gates.length import LengthBias
from rlhf_otel.datasets.gates.noise import LabelNoise
from rlhf_otel.datasets.gates.raters import Raters, hear_pairs
from rlhf_otel.datasets.gates.secrets import Secrets
from rlhf_otel.datasets.gates.size import size_finding
from rlhf_otel.datasets.gates.spread import Balance, Outliers
from rlhf_otel.datasets.gather import CALLS, FEEDBACK, Gatherer, Rated
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.datasets.rows import EVERY, Progress, Rows
from rlhf_otel.datasets.rules.pairing import rater_of
from rlhf_otel.datasets.shelf import Shelf, opened_shelf
from rlhf_otel.datasets.single import ANSWERS
from rlhf_otel.datasets.votes import by_pair


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        recipe: what was asked for.
        funnel: the counts of every stage, as JSON has them.
        findings: what each gate found.
        rows: how many rows each file has.
        rules: how many rows each rule made.
        period: when the first and the last call began.
        notes: what else there is to know of the calls, as `make_dataset` was told.
        path: where the dataset is; None where nothing was written.
        files: of each file its hash, size and rows; empty where nothing was written.
    """

    recipe: Recipe
    funnel: Sequence[Mapping[str, Any]]
    findings: Sequence[Finding]
    rows: Mapping[str, int]
    rules: Mapping[str, int] = field(default_factory=dict)
    period: Sequence[int] = ()
    notes: Sequence[str] = ()
    path: Path | None = None
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def failures(self) -> list[Finding]:
        """The gates that failed and were not overridden by name."""
        return [each for each in self.findings if each.status == FAILED and each.gate not in self.recipe.override]


class GateError(Exception):
    """A gate stops the export; nothing was written. `outcome` has what was found."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__("; ".join(f"{each.gate}: {each.says}" for each in outcome.failures))


class EmptyError(Exception):
    """No row came of it, and nothing was written. `outcome` has what became of the calls."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(f"no {outcome.recipe.format} rows: {why_empty(outcome)}")


def why_empty(outcome: Outcome) -> str:
    """At which stage nothing was left, and why."""
    reached = [stage for stage in outcome.funnel if stage["in"]]
    if not reached:
        return "the store has no calls that match"
    for stage in reached:
        if not stage["out"]:
            reasons = "; ".join(f"{count:,} {reason}" for reason, count in stage["dropped"].items())
            return f"of {stage['in']:,} {stage['stage']} none is left: {reasons}"
    if outcome.recipe.is_paired:
        return "no two answers to the same prompt were compared, or both rated"
    return "nothing that was said makes one"


def quiet(_what: str, _done: int, _of: int | None) -> None:
    """Tells nobody how far it has come."""


def make_dataset(
    records: Iterable[Rated],
    recipe: Recipe,
    out: Path | None = None,
    *,
    replace: bool = False,
    keep_empty: bool = True,
    unread: Callable[[], int] = int,
    notes: Sequence[str] = (),
    total: int | None = None,
    progress: Progress = quiet,
) -> Outcome:
    """Makes a dataset of calls and the feedback that counts on them.

    Args:
        records: calls in the order of their start, each with its feedback; read once.
        recipe: what is asked for.
        out: the folder to make; nothing is written where it is None.
        replace: whether a dataset that is there already makes way.
        keep_empty: whether a dataset without a row is written, too.
        unread: asked at the end how many calls without feedback were left out of `records`, for the summary.
        notes: what else there is to know of the calls, for the card.
        total: how many records there are, for the progress.
        progress: is told how far it has come.

    Returns:
        What came of it, with `path` and `files` where it was written.

    Raises:
        GateError: a gate stopped it; nothing was written.
        EmptyError: there is no row, and `keep_empty` is false; nothing was written.
        writing.WriteError: the folder is taken or cannot be written; nothing was written.
    """
    if out is not None:
        writing.check_place(out, replace=replace)
    counted = _counted(records, progress, total)
    if out is None:
        made = _made(counted, recipe, None, unread=unread, progress=progress)
        return _filled(replaced(made, notes=notes), keep_empty)
    with writing.folder(out, replace=replace) as place:
        made = _made(counted, recipe, place, unread=unread, progress=progress)
        return writing.finish(place, _filled(replaced(made, notes=notes), keep_empty), out)


def _counted(records: Iterable[Rated], progress: Progress, total: int | None) -> Iterator[Rated]:
    """`records`, and word of how far it has come."""
    for count, record in enumerate(records, start=1):
        yield record
        if count % EVERY == 0:
            progress("reading calls", count, total)


def _filled(outcome: Outcome, keep_empty: bool) -> Outcome:
    if not keep_empty and not sum(outcome.rows.values()):
        raise EmptyError(outcome)
    return outcome


def _checked(outcome: Outcome) -> Outcome:
    if outcome.failures:
        raise GateError(outcome)
    return outcome


def _made(
    records: Iterable[Rated], recipe: Recipe, place: Path | None, *, unread: Callable[[], int], progress: Progress
) -> Outcome:
    if recipe.is_plain:
        return _plain(records, recipe, place)
    return _rows(records, recipe, place, unread=unread, progress=progress)


def _plain(records: Iterable[Rated], recipe: Recipe, place: Path | None) -> Outcome:
    """Calls as they are, written as they come."""
    funnel = Funnel(CALLS)
    gates = (Secrets(), Benchmark(recipe.benchmarks))
    count = plain.write(plain.rows(records, recipe, funnel, gates), recipe, place)
    found = [after_dropping(gate.finding(), recipe) for gate in gates]
    return _checked(Outcome(recipe, funnel.as_json(), found, {"train": count}))


def _rows(
    records: Iterable[Rated], recipe: Recipe, place: Path | None, *, unread: Callable[[], int], progress: Progress
) -> Outcome:
    """Rows to train on: gathered, judged, and seen by the gates."""
    funnel = Funnel(CALLS, FEEDBACK, PAIRS if recipe.is_paired else ANSWERS, drafts.ROWS)
    with opened_shelf() as shelf:
        gatherer = Gatherer(shelf, recipe, funnel)
        for interaction, feedback in records:
            gatherer.add(interaction, feedback)
        funnel.dropped(CALLS, selection.NO_FEEDBACK, unread())
        raters = Raters()
        drafts.keep(shelf, _drafts(shelf, recipe, funnel, raters), recipe, funnel)
        made = Rows(shelf, recipe, funnel)
        findings = [
            *examined(shelf, made, recipe, progress),
            raters.finding(),
            size_finding(recipe, made.sizes(), made.worth()),
        ]
        stages, sizes = funnel.as_json(), made.sizes()
        outcome = _checked(Outcome(recipe, stages, findings, sizes, made.rules(), made.period()))
        if place is not None:
            for split in sizes:
                writing.write_split(place, split, made.lines(split))
        return outcome


def _drafts(shelf: Shelf, recipe: Recipe, funnel: Funnel, raters: Raters) -> Iterator[Draft]:
    """The rows that the feedback gives, and what it says of the raters."""
    if recipe.is_paired:
        judge = Judge(shelf, recipe, funnel)
        judge.hear()
        hear_pairs(raters, by_pair(shelf.votes()))
        yield from judge.pairs()
        if "corrections" in recipe.uses:
            yield from judge.corrections()
        return
    _hear_scores(shelf, raters)
    makers = {"kto": single.labelled, "prm": single.stepwise}
    yield from makers.get(recipe.format, single.imitated)(shelf, recipe, funnel)


def _hear_scores(shelf: Shelf, raters: Raters) -> None:
    for answer in shelf.answers():
        scores = {
            rater_of(each): each.score for each in answer.opinions if each.score is not None and each.step is None
        }
        if len(scores) > 1:
            raters.hear_scores(scores)


def examined(shelf: Shelf, made: Rows, recipe: Recipe, progress: Progress) -> list[Finding]:
    """Every row is seen by the gates twice: by those that may leave it out, then, of what is left, by the others."""
    secrets, benchmark, outliers = Secrets(), Benchmark(recipe.benchmarks), Outliers()
    near = NearDuplicates(shelf.db, wanted=recipe.near_duplicates)
    _look((secrets, benchmark, outliers, near), made, "looking at rows", progress)
    clusters = Clusters()
    near.join(clusters)
    first = [_or_left_out(gate, made, recipe) for gate in (secrets, benchmark, near, outliers)]
    made.tell_topics()
    made.balance()
    made.divide(clusters)
    rest: tuple[Gate, ...] = (LengthBias(), LabelNoise(), Balance())
    _look(rest, made, "judging rows", progress)
    found = [*first, made.split_finding(), *(gate.finding() for gate in rest)]
    return [made.placed(each) for each in found]


def _look(gates: Sequence[Gate], made: Rows, what: str, progress: Progress) -> None:
    total = made.count()
    for count, sample in enumerate(made.samples(), start=1):
        for gate in gates:
            gate.see(sample)
        if count % EVERY == 0:
            progress(what, count, total)


def _or_left_out(gate: Any, made: Rows, recipe: Recipe) -> Finding:
    """The finding of a gate, whose rows are left out where that was asked for."""
    if gate.name in recipe.drop:
        made.leave_out(gate.hits, f"{gate.name}: left out as asked")
    return after_dropping(gate.finding(), recipe)


def after_dropping(finding: Finding, recipe: Recipe) -> Finding:
    """The finding; where its rows are left out, that they are."""
    if finding.gate not in recipe.drop or finding.status == PASSED:
        return finding
    return Finding(finding.gate, PASSED, f"{finding.says}, left out as asked", finding.facts)
