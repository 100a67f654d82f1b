"""`rlhf-otel stats`: how many calls there are, how many of them are rated, fail, and how long they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli import marks
from rlhf_otel.cli.common import examples, json_option, one_line, print_json, reading, store_option
from rlhf_otel.cli.export import progress_bar
from rlhf_otel.cli.traces import parse_since
from rlhf_otel.datasets.weights import weight

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

_SESSIONS = 10
MOST_SESSIONS = 1000
"""So many are told apart, the newest."""
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
        self._kinds: Counter[str] = Counter()
        self._counted: Counter[str] = Counter()
        self._seconds = 0.0
        self._made: dict[str, float] = dict.fromkeys(("calls", "rated", "errors"), 0.0)
        self._sessions: dict[str, Counter[str]] = {}
        self._period: list[int] = []

    def add(self, interaction: Interaction, feedback: Sequence[Feedback]) -> None:
        """Takes a call with what counts on it. What somebody did is no rating."""
        rated = any(each.kind != "signal" for each in feedback)
        failed = interaction.status == "error"
        self._kinds.update(each.kind for each in feedback)
        counts = {"interactions": 1, "errors": failed, "rated": rated}
        tokens = {"input_tokens": interaction.input_tokens or 0, "output_tokens": interaction.output_tokens or 0}
        self._counted.update({**counts, **tokens})
        self._seconds += interaction.duration_s
        self._period = [*self._period[:1], interaction.start_ns]
        if interaction.session is not None:
            session = self._sessions.pop(interaction.session, None) or Counter(interactions=0, errors=0, rated=0)
            session.update(counts)
            self._sessions[interaction.session] = session  # behind those that were used before
            if len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        stands_for = weight(interaction, feedback)
        for name, counts_here in (("calls", True), ("rated", rated), ("errors", failed)):
            self._made[name] += stands_for * counts_here

    def as_json(self) -> dict[str, Any]:
        """The figures, as `rlhf.stats()` names them; a comparison counts on each of its answers.

        Where only a share of the calls is kept, rates are of all that were made, by what each stands for.
        """
        from rlhf_otel.views import iso

        made, count = self._made["calls"], self._counted["interactions"]
        names = ("interactions", "errors", "rated", "input_tokens", "output_tokens")
        return {
            **{name: self._counted[name] for name in names},
            "made": round(made),
            "first": iso(self._period[0]) if count else None,
            "last": iso(self._period[-1]) if count else None,
            "feedback": dict(self._kinds.most_common()),
            "feedback_rate": self._made["rated"] / made if made else None,
            "error_rate": self._made["errors"] / made if made else None,
            "average_duration_s": self._seconds / count if count else None,
            "sessions": {name: dict(figures) for name, figures in self._sessions.items()},
        }

    def lines(self) -> Iterator[str]:
        """The figures for a person."""
        told = self.as_json()
        if not told["interactions"]:
            yield "no calls"
            return
        yield f"calls     {told['interactions']:>9,}  {' to '.join(map(marks.moment, self._period))}"
        if told["made"] != told["interactions"]:
            yield f"made      {told['made']:>9,}  of which a share was kept; the rates are of these"
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
