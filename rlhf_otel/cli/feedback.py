"""`rlhf-otel feedback`: says what somebody thinks of an answer, from any process that knows its span id."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli import understood
from rlhf_otel.cli.common import (
    Problem,
    console,
    examples,
    json_option,
    parse_target,
    print_json,
    printable,
    reading,
    refuse_memory,
    store_option,
)
from rlhf_otel.config import Config, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rlhf_otel.records import Feedback

_THUMBS = {"up": True, "👍": True, "down": False, "👎": False}
MINUS = "\N{MINUS SIGN}"
_NEGATIVE = re.compile(r"-\.?\d[\d./]*")
_SOURCES = ("end_user", "annotator", "builder", "agent")


class _TakesNegativeNumbers(click.Command):
    """Takes `-1` for a value instead of for an option, so that it can be told what scale there is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with_value = {word for param in self.params if not getattr(param, "is_flag", True) for word in param.opts}
        before = ["", *args]
        taken = [
            arg.replace("-", MINUS, 1) if _NEGATIVE.fullmatch(arg) and before[place] not in with_value else arg
            for place, arg in enumerate(args)
        ]
        return super().parse_args(ctx, taken)


@click.command(
    "feedback",
    cls=_TakesNegativeNumbers,
    epilog=examples(
        "rlhf-otel feedback 00f067aa0ba902b7 up",
        'rlhf-otel feedback 00f067aa0ba902b7 4/5 --name helpfulness -m "right, but too long"',
        "rlhf-otel feedback 00f067aa0ba902b7 0.8 --rater judge-1 --id batch-7:1",
        'rlhf-otel feedback 00f067aa0ba902b7 off_topic --correction "The ideal answer."',
        "rlhf-otel feedback --interactive --rater ben",
        "rlhf-otel feedback --list csv > feedback.csv",
        "rlhf-otel feedback --pending",
        "rlhf-otel feedback --retract batch-7:1",
    ),
)
@click.argument("span_id", required=False)
@click.argument("value", required=False, metavar="[up|down|4/5|0.8|LABEL]")
@click.option("-m", "--comment", metavar="TEXT", help="Why.")
@click.option("--name", metavar="NAME", help="The aspect that is rated. [user_feedback]")
@click.option("--rater", metavar="ID", help="Who says so. The newest per call, name and rater counts.")
@click.option("--correction", metavar="TEXT", help="The answer that should have been given.")
@click.option("--id", "feedback_id", metavar="ID", help="Your own id: the same id again is the same feedback.")
@click.option("--source", type=click.Choice(_SOURCES), help="What kind of rater that is. [end_user]")
@click.option("--pending", is_flag=True, help="List feedback whose call is not in the store yet.")
@click.option("--interactive", is_flag=True, help="Show calls without feedback, one after the other, and ask.")
@click.option("--list", "form", type=click.Choice(("json", "jsonl", "csv")), help="Print all feedback that counts now.")
@click.option("--retract", metavar="ID", help="Take back the feedback with this id.")
@json_option
@store_option
def command(**options: Any) -> None:
    """Attach feedback to a call by its span id; days later and from another process will do.

    A value is up or down, a rating out of something (4/5), a score from 0 to 1 (0.8), or any word as a label.
    Goes to the endpoint where one is configured, else into the store.
    """
    if options["form"]:
        from rlhf_otel.cli.sheets import print_feedback

        _refuse_more(options, "form")
        print_feedback(options["store"], options["form"])
    elif options["interactive"]:
        _ask(options)
    elif options["pending"]:
        _refuse_more(options, "pending")
        _list_pending(options["store"], options["as_json"])
    elif options["retract"] is not None:
        _refuse_more(options, "retract")
        _retract(options["retract"], options["store"], options["as_json"])
    else:
        _give(options)


def parse_value(text: str) -> dict[str, Any]:
    """The arguments of `feedback.record` that `text` stands for.

    Raises:
        click.UsageError: a number that is on no scale.
    """
    word = text = text.strip().replace(MINUS, "-")
    if word.lower() in _THUMBS:
        return {"value": _THUMBS[word.lower()]}
    given, slash, top = word.partition("/")
    if slash and (numbers := (_number(given), _number(top))) and None not in numbers:
        return _rating(text, *numbers)
    number = _number(word)
    if number is None:
        if not word:
            raise click.UsageError("the value is empty; up, down, 4/5, 0.8 or a word is expected")
        return {"value": word, "kind": "categorical"}
    if not 0 <= number <= 1:
        raise click.UsageError(f"{text} is no score from 0 to 1; a rating has its scale with it, as in 4/5")
    return {"value": float(number), "kind": "score"}


def _rating(text: str, given: Any, top: Any) -> dict[str, Any]:
    if not 1 < top < float("inf"):
        raise click.UsageError(f"{text}: a scale runs from 1 to more than 1, as in 4/5")
    if not 1 <= given <= top:
        raise click.UsageError(f"{text} is off its scale; from 1/{top} to {top}/{top} is possible")
    return {"value": given, "scale": (1, top), "kind": "rating"}


def _number(text: str) -> int | float | None:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


def _refuse_more(options: dict[str, Any], alone: str, *allowed: str) -> None:
    others = set(options) - {alone, "store", "as_json", *allowed}
    if any(options[name] for name in others):
        raise click.UsageError(f"--{'list' if alone == 'form' else alone} stands alone")


def _ask(options: dict[str, Any]) -> None:
    from rlhf_otel.cli import interactive

    _refuse_more(options, "interactive", "span_id", "rater", "name", "source")
    config = _config(options["store"])
    interactive.run(options, lambda act: _deliver(config, act))


def _give(options: dict[str, Any]) -> None:
    """Checks everything before anything is written."""
    if not options["span_id"]:
        raise click.UsageError("which call? SPAN_ID is missing; `rlhf-otel traces` lists them")
    if options["value"] is None and options["comment"] is None and options["correction"] is None:
        raise click.UsageError("what of it? up, down, 4/5, 0.8, a word, -m COMMENT or --correction TEXT is missing")
    target = parse_target(options["span_id"])
    value = {} if options["value"] is None else parse_value(options["value"])
    where: dict[str, Any] = {"response_id": target}
    if not isinstance(target, str):
        where = {"span_id": target.span_id, "trace_id": target.trace_id or None}
    config = _config(options["store"])
    path = _store_in_use(config)
    meant = _meant(value, options)
    if path is not None:
        _try_out(path)
        _refuse_taken_ids(path, meant, where)
    given = _deliver(config, lambda: [_record(one, where) for one in meant])
    if options["as_json"]:
        return _print_refs(given)
    for one, ref in zip(meant, given, strict=True):
        what = understood.words(understood.feedback_of(one))
        click.echo(f"{what} {understood.fate(ref, path, config)} (id {printable(ref.id)})")
    return None


def _meant(value: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """The arguments of `feedback.record` and, for a correction beside a value, of `feedback.correct`."""
    said = {name: options[name] for name in ("name", "rater", "source") if options[name] is not None}
    given, meant = options["feedback_id"], []
    own = {} if given is None else {"id": given}
    if value or options["correction"] is None:
        meant.append({**value, **said, **own, "comment": options["comment"]})
        own = {} if given is None else {"id": f"{given}:correction"}
    if options["correction"] is not None:
        comment = None if meant else options["comment"]
        if meant:
            said.pop("name", None)  # under the same name it would supersede the value
        meant.append({**said, **own, "correction": options["correction"], "comment": comment})
    return meant


def _record(fields: dict[str, Any], where: dict[str, Any]) -> Any:
    from rlhf_otel import feedback

    fields = dict(fields)
    if "correction" in fields:
        return feedback.correct(text=fields.pop("correction"), **where, **fields)
    return feedback.record(**where, **fields)


def _refuse_taken_ids(path: str, meant: Sequence[dict[str, Any]], where: dict[str, Any]) -> None:
    """The same id is the same feedback: the store would keep the first and say nothing."""
    with reading(path) as opened:
        for fields in meant:
            there = opened.feedback(fields["id"]) if "id" in fields else None
            if there is not None and not understood.is_same(there, fields, where):
                raise Problem(
                    f"the id {printable(there.id)} is already taken, by {understood.words(there)}"
                    f"{understood.about(opened, there)}; nothing changed. Choose another --id, or take that one back:"
                    f" --retract {printable(there.id)}"
                )


def _retract(feedback_id: str, store: str | None, as_json: bool) -> None:
    from rlhf_otel import feedback

    config = _config(store)
    path, what = _store_in_use(config), ""
    if path is not None:
        if Path(path).expanduser().exists():
            _try_out(path)
        with reading(path) as opened:
            there = opened.feedback(feedback_id)
            if there is None:
                raise Problem(
                    f"no feedback in {path} has the id {printable(feedback_id)}, so nothing was taken back;"
                    " `rlhf-otel show SPAN_ID` and `rlhf-otel feedback --pending` list ids"
                )
            what = f": {understood.words(there)}{understood.about(opened, there)}"
    given = _deliver(config, lambda: [feedback.retract(id=feedback_id)])
    if as_json:
        _print_refs(given)
    else:
        click.echo(f"{printable(feedback_id)} is taken back{what}; it stays in the history and counts no longer")


def _config(store: str | None) -> Config:
    # Somebody waits to be told whether it has arrived; what has not is theirs to give again.
    config = load({"store": store, "durability": "memory"})
    if not config.enabled or os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        raise Problem("recording is switched off (RLHF_OTEL_ENABLED or OTEL_SDK_DISABLED), so nothing was written")
    return config


def _deliver(config: Config, act: Callable[[], list[Any]]) -> list[Any]:
    """Sets delivery up, does `act`, and waits until what it made has arrived."""
    import rlhf_otel
    from rlhf_otel import hooks
    from rlhf_otel.export import setup
    from rlhf_otel.feedback import FeedbackError

    hooks.strict = True  # a person waits for the answer; what goes wrong is theirs to know
    setup.configure(config)
    try:
        sent = act()
    except FeedbackError as error:
        raise click.UsageError(str(error)) from None
    patience_s = config.exit_timeout
    if not rlhf_otel.flush(timeout=patience_s):
        raise Problem(f"not confirmed within {patience_s:g} s that it arrived. `rlhf-otel doctor` finds out why")
    return sent


def _print_refs(refs: Sequence[Any]) -> None:
    print_json([{"id": ref.id, "target": dict(ref.target), "status": ref.status} for ref in refs])


def _store_in_use(config: Config) -> str | None:
    """The store that feedback goes into; None where it goes to a backend alone."""
    from rlhf_otel.export.own import store_path

    path = store_path(config)
    refuse_memory(path)
    return path


def _try_out(path: str) -> None:
    """An application runs on without its store; a person who types a command wants to know."""
    from rlhf_otel.store import Store, StoreError

    is_new = not Path(path).expanduser().exists()
    try:
        Store.open(path).close()
    except StoreError as error:
        raise Problem(f"nothing was written: {error}") from None
    if is_new:
        click.echo(
            f"no store was here, so {path} was made; did the application run in another folder? --store PATH", err=True
        )


def _list_pending(store: str | None, as_json: bool) -> None:
    from rlhf_otel.views import feedback_json

    with reading(store) as opened:
        waiting = opened.pending()
    if as_json:
        print_json([feedback_json(one) for one in waiting])
    elif waiting:
        _print_pending(waiting)
    else:
        click.echo("Nothing is pending: all feedback has found its call.", err=True)


def _print_pending(waiting: Sequence[Feedback]) -> None:
    from rich.table import Table
    from rich.text import Text

    from rlhf_otel.cli import marks

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for head in ("Waits for", "Feedback", "Given", "By", "Id"):
        table.add_column(head, overflow="fold")  # whatever is cut off cannot be typed again
    for one in waiting:
        target = one.span_id or one.response_id or one.message_id or one.session or "?"
        cells = (target, marks.mark(one), marks.moment(one.time_ns), one.rater or one.source, one.id)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console().print(table)
