"""`rlhf-otel stats`: how many calls there are, how many of them are rated, fail, and how long they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli import marks
from rlhf_otel.cli.common import examples, json_option, one_line, print_json, reading, store_option
from rlhf_otel.cli.export import progress_bar
from rlhf_otel.cli.traces import parse_since

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

_SESSIONS = 10
_EVERY = 1000


@click.command(
    "stats",
    epilog=examples(
        "rlhf-otel stats", "rlhf-otel stats --since 7d --model gpt-5-mini", "rlhf-otel stats --json | jq .feedback_rate"
    ),
)
@click.option("--since", "since_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls since then: 7d.")
@click.option("--until", "until_ns", callback=parse_since, metavar="AGE|DATE", help="Only calls before then.")
@click.option("--model", metavar="NAME", help="Only calls to this model.")
@click.option("--service", metavar="NAME", help="Only calls of this service.")
@click.option("--session", metavar="ID", help="Only calls of this conversation.")
@json_option
@store_option
def command(as_json: bool, store: str | None, **filters: Any) -> None:
    """Count calls: how many are rated, how many failed, how long they took; and the newest conversations."""
    with reading(store) as opened, progress_bar() as progress:
        figures = Figures()
        total = None if any(filters.values()) else opened.counts()["interactions"]
        for count, (interaction, feedback) in enumerate(opened.joined(newest_first=False, **filters), start=1):
            figures.add(interaction, feedback)
            if count % _EVERY == 0:
                progress("reading calls", count, total)
    if as_json:
        print_json(figures.as_json())
        return
    for line in figures.lines():
        click.echo(line)


class Figures:
    """Sums over calls, in the order of their start."""

    def __init__(self) -> None:
        from rlhf_otel.totals import Totals

        self._totals = Totals()
        self._kinds: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self._counted = Counter(interactions=0, errors=0, rated=0)
        self._period: list[int] = []

    def add(self, interaction: Interaction, feedback: Iterable[Feedback]) -> None:
        """Takes a call with what counts on it."""
        self._totals.interaction(interaction)
        given = list(feedback)
        kinds = [each.kind for each in given]
        for each in given:
            self._totals.feedback(replace(each, span_id=interaction.span_id))  # whichever way it named the call
        self._kinds.update(kinds)
        self._tokens.update(input=interaction.input_tokens or 0, output=interaction.output_tokens or 0)
        rated = any(kind != "signal" for kind in kinds)
        self._counted.update(interactions=1, errors=interaction.status == "error", rated=rated)
        self._period = [*self._period[:1], interaction.start_ns]

    def as_json(self) -> dict[str, Any]:
        """The figures, as `rlhf.stats()` names them; a comparison counts on each of its answers."""
        from rlhf_otel.views import iso

        moments = [iso(moment) for moment in self._period]
        return {
            **self._counted,
            "first": moments[0] if moments else None,
            "last": moments[-1] if moments else None,
            "feedback": dict(self._kinds.most_common()),
            "input_tokens": self._tokens["input"],
            "output_tokens": self._tokens["output"],
            **self._totals.shown(),
        }

    def lines(self) -> Iterator[str]:
        """The figures for a person."""
        told = self.as_json()
        if not told["interactions"]:
            yield "no calls"
            return
        yield f"calls     {told['interactions']:>9,}  {' to '.join(map(marks.moment, self._period))}"
        yield f"rated     {told['rated']:>9,}  {told['feedback_rate']:.1%}"
        yield f"failed    {told['errors']:>9,}  {told['error_rate']:.1%}"
        yield f"average   {told['average_duration_s']:>7.2f} s"
        yield f"tokens    {told['input_tokens']:>9,} in, {told['output_tokens']:,} out"
        if kinds := ", ".join(f"{count:,} {kind}" for kind, count in told["feedback"].items()):
            yield f"feedback  {sum(told['feedback'].values()):>9,}  {kinds}"
        newest = list(told["sessions"].items())[-_SESSIONS:]
        for name, session in reversed(newest):
            yield (
                f"session   {session['interactions']:>9,}  {session['rated']:,} rated, {session['errors']:,} failed:"
                f" {one_line(name)}"
            )
