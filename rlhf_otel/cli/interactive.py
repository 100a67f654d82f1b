"""`rlhf-otel feedback --interactive`: shows calls that nobody has rated, one after the other, and asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TextIO

import click

from rlhf_otel.cli.common import Problem, one_line, parse_target, print_json, printable, reading
from rlhf_otel.cli.words import in_short

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

AT_ONCE = 10
"""How many of the newest calls without feedback are asked about."""
LONGEST = 2000
"""Characters of an answer that are shown."""
NOTHING = "(content was not captured)"


def run(options: dict[str, Any], deliver: Callable[[Callable[[], list[Any]]], list[Any]]) -> None:
    """Asks about the call that was named, else about the newest without feedback, and sends what was said."""
    from rlhf_otel import hooks
    from rlhf_otel.feedback.asking import ask

    calls = _calls(options)
    if not calls:
        raise Problem("there is no call without feedback; `rlhf-otel traces` lists what there is")
    said = {name: options[name] for name in ("rater", "name", "source") if options[name] is not None}
    results: list[dict[str, str]] = []
    typed = _Typed(sys.stdin)
    by_keys = hooks.prompt is not None and hooks.prompt() is not None
    stdin = None if by_keys else typed
    if len(calls) > 1:
        click.echo(f"{len(calls)} calls that nobody has rated, the newest first. Ctrl-C ends.", err=True)
    for place, call in enumerate(calls, 1):
        _show(call, place, len(calls))
        results += deliver(
            lambda call=call: [{"span_id": call.span_id, "result": ask(call.handle, stdin=stdin, **said)}]  # type: ignore[misc, arg-type]
        )
        if typed.ended:
            click.echo(err=True)  # behind the question that nobody has answered
            break
    if options["as_json"]:
        print_json(results)
    else:
        submitted = sum(one["result"] == "submitted" for one in results)
        click.echo(f"{submitted} rated, {len(results) - submitted} skipped")


class _Typed:
    """What a person types, and whether that has come to its end: nobody is asked anything after it."""

    def __init__(self, stdin: TextIO) -> None:
        self._stdin = stdin
        self.ended = False

    def readline(self) -> str:
        """The next line; empty at the end."""
        line = self._stdin.readline()
        self.ended = not line
        return line


def _calls(options: dict[str, Any]) -> list[Interaction]:
    from rlhf_otel.cli.show import find

    with reading(options["store"]) as opened:
        if not options["span_id"]:
            answered = opened.joined(status="unset")
            return list(islice((call for call, given in answered if not any(map(_is_said, given))), AT_ONCE))
        call = find(opened, parse_target(options["span_id"]))
    if call is None:
        raise Problem(f"{options['span_id']} is not in this store; `rlhf-otel traces` lists what is")
    return [call]


def _is_said(feedback: Feedback) -> bool:
    """Whether somebody has said it: a signal, such as that another answer was asked for, is no reason not to ask."""
    return feedback.kind != "signal"


def _show(call: Interaction, place: int, of: int) -> None:
    from rlhf_otel.codec import prompt_text, response_text

    asked = prompt_text(call) or in_short(call.input) or NOTHING
    answer = response_text(call) or in_short(call.output) or NOTHING
    cut = answer[:LONGEST] + (f" ... ({len(answer):,} characters)" if len(answer) > LONGEST else "")
    click.echo(f"\n{place}/{of}  {call.span_id}  {call.response_model or call.request_model or ''}", err=True)
    click.echo(f"> {one_line(asked)}\n{printable(cut)}", err=True)
