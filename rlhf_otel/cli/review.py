"""`rlhf-otel review`: what `review_before_submit` has wait for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.common import (
    Problem,
    console,
    examples,
    json_option,
    one_line,
    print_json,
    print_table,
    printable,
    store_option,
)
from rlhf_otel.config import load

if TYPE_CHECKING:
    from rlhf_otel.export.review.desk import Desk, Sent, Waiting

_IDS = click.argument("ids", nargs=-1, metavar="ID...")
_ALL = click.option("--all", "everything", is_flag=True, help="Everything that waits.")
_ASK = "[a]pprove, [e]dit, [r]edact a word, [d]iscard, [s]kip, [q]uit"
_START = "### "


@click.group(
    "review",
    invoke_without_command=True,
    epilog=examples(
        "rlhf-otel review                            one after the other, in a terminal",
        "rlhf-otel review list",
        "rlhf-otel review show 00f067aa",
        "rlhf-otel review redact 00f067aa Anna",
        "rlhf-otel review approve --all",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Look at what was recorded, and approve it before it goes anywhere.

    With RLHF_OTEL_REVIEW_BEFORE_SUBMIT=true calls and feedback wait beside the store, redacted, and are neither stored
    nor sent before you approve them. An ID may be the beginning of one.
    """
    if context.invoked_subcommand is None:
        context.invoke(walk)


@command.command("list", epilog=examples("rlhf-otel review list", "rlhf-otel review list --json"))
@json_option
@store_option
def list_waiting(as_json: bool, store: str | None) -> None:
    """List what waits, the oldest first."""
    with _desk(store) as desk:
        waiting = desk.waiting()
    if as_json:
        print_json([_as_json(each) for each in waiting])
    elif not waiting:
        console(stderr=True).print("Nothing waits.")
    else:
        print_table(("id", "what", "feedback", "edited"), (_cells(each) for each in waiting))


@command.command("show", epilog=examples("rlhf-otel review show 00f067aa"))
@_IDS
@_ALL
@json_option
@store_option
def show(ids: Sequence[str], everything: bool, as_json: bool, store: str | None) -> None:
    """Show every text of what waits, by name."""
    with _desk(store) as desk:
        chosen = _chosen(desk, ids, everything)
    if as_json:
        print_json([_as_json(each) for each in chosen])
    for each in () if as_json else chosen:
        _print(each)


@command.command(
    "edit",
    epilog=examples(
        "rlhf-otel review edit 00f067aa",
        "rlhf-otel review edit 00f067aa --set output.0.parts.0.content='In short: yes.'",
    ),
)
@_IDS
@click.option("--set", "settings", multiple=True, metavar="NAME=TEXT", help="What a text is to say. Repeatable.")
@click.option("--replace", "words", nargs=2, multiple=True, metavar="OLD NEW", help="In every text. Repeatable.")
@store_option
def edit(ids: Sequence[str], settings: Sequence[str], words: Sequence[tuple[str, str]], store: str | None) -> None:
    """Change texts, in your editor or by --set and --replace; what was changed says that it was edited."""
    if any("=" not in one for one in settings):
        raise click.UsageError("--set takes NAME=TEXT; `rlhf-otel review show ID` has the names")
    given = dict(one.split("=", 1) for one in settings)
    with _desk(store) as desk:
        for each in _chosen(desk, ids, everything=False):
            is_changed = desk.set(each, given) if given else False
            for old, new in words:
                is_changed = desk.replace_words(_again(desk, each), old, new) or is_changed
            if not given and not words:
                is_changed = _in_editor(desk, each)
            _say(f"{each.id} is {'edited' if is_changed else 'as it was'}.")


@command.command(
    "redact",
    epilog=examples("rlhf-otel review redact 00f067aa Anna 'Main Street 5'", "rlhf-otel review redact --all Anna"),
)
@click.argument("ids", nargs=-1, metavar="[ID] WORD...")
@_ALL
@store_option
def redact(ids: Sequence[str], everything: bool, store: str | None) -> None:
    """Put [REDACTED] in the place of words, in every text of one of those that wait, or of all."""
    chosen, words = (ids[:0], ids) if everything else (ids[:1], ids[1:])
    if not words:
        raise click.UsageError("name an ID (or --all), then the words")
    with _desk(store) as desk:
        for each in _chosen(desk, chosen, everything):
            found = [word for word in words if desk.replace_words(_again(desk, each), word)]
            _say(f"{each.id}: {', '.join(found) or 'none of these words'}{' redacted' if found else ''}.")


@command.command("approve", epilog=examples("rlhf-otel review approve 00f067aa 5b3c", "rlhf-otel review approve --all"))
@_IDS
@_ALL
@click.option("--anywhere", is_flag=True, help="Where the settings here say, if its application's said otherwise.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=10.0, metavar="SECONDS", show_default=True,
              help="Wait no longer for the destination; the spool keeps the rest.")  # fmt: skip
@json_option
@store_option
def approve(ids: Sequence[str], everything: bool, store: str | None, **options: Any) -> None:
    """Send calls on, with their feedback, the way that they would have gone."""
    with _desk(store) as desk:
        chosen = _chosen(desk, ids, everything)
        sent = desk.approve(chosen, options["timeout"], anywhere=options["anywhere"])
    if options["as_json"]:
        print_json({"sent": sent.sent, "kept": sent.kept})
    else:
        _say(_told(desk.counted(chosen), sent))


@command.command("discard", epilog=examples("rlhf-otel review discard 00f067aa", "rlhf-otel review discard --all"))
@_IDS
@_ALL
@json_option
@store_option
def discard(ids: Sequence[str], everything: bool, as_json: bool, store: str | None) -> None:
    """Throw calls away, with their feedback. Nothing of them is left."""
    with _desk(store) as desk:
        chosen = _chosen(desk, ids, everything)
        count = desk.discard(chosen)
    if as_json:
        print_json({"discarded": count})
    else:
        _say(f"Discarded {desk.counted(chosen)}.")


@command.command("walk", epilog=examples("rlhf-otel review"))
@store_option
def walk(store: str | None) -> None:
    """Go through what waits, one after the other."""
    with _desk(store) as desk:
        waiting = desk.waiting()
        if not waiting:
            _say("Nothing waits.")
        for number, each in enumerate(waiting, 1):
            _say(f"\n{number} of {len(waiting)}")
            if not _decided(desk, each):
                return


def _decided(desk: Desk, each: Waiting) -> bool:
    """Asks until a decision is made; False where the person has had enough."""
    while True:
        _print(each)
        said = click.prompt(_ASK, default="s", show_default=False, err=True).strip().lower()[:1]
        if said == "a":
            _say(_told(desk.counted([each]), desk.approve([each])))
        elif said == "d":
            desk.discard([each])
            _say(f"Discarded {desk.counted([each])}.")
        elif said == "e":
            _in_editor(desk, each)
        elif said == "r":
            desk.replace_words(each, click.prompt("The word", err=True))
        if said in "adsq":
            return said != "q"
        each = _again(desk, each)


@contextmanager
def _desk(store: str | None) -> Iterator[Desk]:
    """The queue, as the settings have it.

    Raises:
        Problem: something cannot be done.
    """
    from rlhf_otel.export.review.desk import Desk, ReviewError
    from rlhf_otel.store import StoreError

    config = load({"store": store, "review_before_submit": False})  # what is approved here goes on
    try:
        yield Desk(config)
    except (ReviewError, StoreError) as error:
        raise Problem(str(error)) from None


def _chosen(desk: Desk, ids: Sequence[str], everything: bool) -> list[Waiting]:
    if everything == bool(ids):
        raise click.UsageError("name one or more IDs, or --all; `rlhf-otel review list` has them")
    return desk.waiting() if everything else desk.named(ids)


def _again(desk: Desk, each: Waiting) -> Waiting:
    """The same as it is by now."""
    return desk.named([each.id])[0]


def _in_editor(desk: Desk, each: Waiting) -> bool:
    """Lets a person change the texts in their editor; whether they did."""
    head = (
        f"Change the texts below. Lines that begin with {_START.strip()} say which is which: leave them as they are.\n"
    )
    said = each.texts
    made = click.edit(head + "".join(f"{_START}{name}\n{text}\n" for name, text in said.items()), extension=".txt")
    if made is None:
        return False
    return desk.set(each, {name: text for name, text in _parted(made).items() if said.get(name) != text})


def _parted(text: str) -> dict[str, str]:
    """What stands behind each line that names a text."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.split("\n"):
        if line.startswith(_START):
            name = line.removeprefix(_START).strip()
            found[name] = []
        elif name:
            found[name].append(line)
    return {name: "\n".join(lines[:-1] if lines[-1:] == [""] else lines) for name, lines in found.items()}


def _as_json(each: Waiting) -> dict[str, Any]:
    from rlhf_otel.views import feedback_json, interaction_json

    return {
        "id": each.id,
        "edited": each.is_edited,
        "call": None if each.call is None else interaction_json(each.call),
        "feedback": [feedback_json(one) for one in each.feedback],
        "texts": each.texts,
    }


def _cells(each: Waiting) -> tuple[str, ...]:
    from rlhf_otel.codec import prompt_text

    what = "(only feedback)" if each.call is None else one_line(prompt_text(each.call), 60) or each.call.name
    said = one_line(", ".join(f"{one.name} {one.signal or one.value}" for one in each.feedback), 60)
    return each.id[:16], what, said, "yes" if each.is_edited else ""


def _print(each: Waiting) -> None:
    from rich.text import Text

    out = console()
    edited = ", edited" if each.is_edited else ""
    named = "feedback" if each.call is None else f"{each.call.name}, session {each.call.session or 'none'}"
    out.print(Text(f"{each.id}  {printable(named)}{edited}", "bold"), soft_wrap=True)
    for name, text in each.texts.items():
        out.print(Text(f"  {printable(name)}", "dim"), soft_wrap=True)
        out.print(Text(f"    {printable(text)}"), soft_wrap=True)
    for one in each.feedback:
        out.print(Text(f"  feedback {printable(one.name)}: {printable(str(one.value))}"), soft_wrap=True)


def _told(counted: str, sent: Sent) -> str:
    if sent.kept:
        return f"Approved {counted}; they wait in the spool for their destination: `rlhf-otel spool replay`."
    return f"Approved and sent {counted}."


_say: Callable[[str], None] = lambda text: click.echo(text, err=True)  # noqa: E731 - stdout is data
