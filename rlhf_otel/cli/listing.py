"""How `rlhf-otel traces` lays calls out: a table where there is room for one, a few lines for each call elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from rlhf_otel.cli import marks
from rlhf_otel.cli.common import console, one_line
from rlhf_otel.cli.words import in_short
from rlhf_otel.codec import prompt_text, response_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rlhf_otel.records import Feedback, Interaction, Message

TABLE_FROM = 110
"""Narrower than this, a table leaves prompt and answer too little."""
GAP = 2
WIDEST_MODEL, WIDEST_FEEDBACK = 17, 24
_COLOURS = {"ok": "green", "abandoned": "yellow", "cancelled": "yellow"}


class Row(NamedTuple):
    """What is shown of one call."""

    time: Text
    span_id: Text
    model: Text
    outcome: Text
    prompt: Text
    answer: Text
    took: Text
    first_token: Text
    rate: Text
    tokens_in: Text
    tokens_out: Text
    feedback: Text


def print_calls(calls: Sequence[Interaction], feedback: Mapping[str, Sequence[Feedback]]) -> str:
    """Prints `calls` as wide as there is room for; returns the legend of the marks that were shown, if any."""
    out = console()
    rows = [_row(one, feedback.get(one.span_id, ())) for one in calls]
    for line in (table if out.width >= TABLE_FROM else blocks)(rows, out.width):
        line.rstrip()
        out.print(line, soft_wrap=True)
    return marks.legend(row.feedback.plain for row in rows)


def _row(one: Interaction, feedback: Sequence[Feedback]) -> Row:
    outcome = marks.outcome(one)
    asked = _told(prompt_text(one), _last_question(one)) or in_short(one.input)
    answered = _told(response_text(one) or one.error_message or "", (one.output or ())[:1]) or in_short(one.output)
    if one.input is None and one.output is None and not answered:
        asked = "(content was not captured)"
    return Row(
        time=Text(marks.moment(one.start_ns), "dim"),
        span_id=Text(one.span_id, "bold"),
        model=Text(one_line(_model(one))),
        outcome=Text(outcome, _COLOURS.get(outcome, "red")),
        prompt=Text(one_line(asked)),
        answer=Text(one_line(answered), "dim"),
        took=Text(marks.seconds(one.duration_s)),
        first_token=Text(marks.seconds(one.time_to_first_token_s)),
        rate=Text(marks.rate(one.tokens_per_second)),
        tokens_in=Text(marks.count(one.input_tokens, "in")),
        tokens_out=Text(marks.count(one.output_tokens, "out")),
        feedback=Text(marks.marks(feedback, one.span_id)),
    )


def _told(words: str, messages: Sequence[Message]) -> str:
    """The words, and behind them what came with them."""
    return " ".join(filter(None, (words, in_short(messages))))


def _last_question(one: Interaction) -> Sequence[Message]:
    """The last message of the person, where there is one."""
    return [message for message in one.input or () if message.get("role") == "user"][-1:]


def _model(one: Interaction) -> str:
    """The model that answered; as it was asked for where the answer only adds a date to that."""
    asked, answered = one.request_model or "", one.response_model or ""
    return asked if asked and answered.startswith(f"{asked}-") else answered or asked or one.name


# --- A table, two lines a call ----------------------------------------------------------------------------------------


HEADS = (("Time", "Span id"), ("Model", "Outcome"), ("Prompt", "Answer"), ("Took", "TTFT"), ("Tokens", "in, out"),
         ("Rate",), ("Feedback",))  # fmt: skip
TEXT, FEEDBACK = 2, 6
RIGHT = (3, 4, 5)


def table(rows: Sequence[Row], width: int) -> Iterator[Text]:
    """Columns with a head; prompt and answer get what the others leave."""
    cells = [_cells(row) for row in rows]
    widths = [max(map(len, head)) for head in HEADS]
    for place in range(len(HEADS)):
        widths[place] = max(widths[place], *(text.cell_len for row in cells for text in row[place]))
    widths[1], widths[FEEDBACK] = min(widths[1], WIDEST_MODEL), min(widths[FEEDBACK], WIDEST_FEEDBACK)
    widths[TEXT] += width - sum(widths) - GAP * (len(HEADS) - 1)
    yield from _lines([[Text(word, "bold") for word in head] for head in HEADS], widths)
    yield Text("─" * width, "dim")
    for row in cells:
        row[FEEDBACK] = list(row[FEEDBACK][0].wrap(console(), widths[FEEDBACK]))
        yield from _lines(row, widths)


def _cells(row: Row) -> list[list[Text]]:
    return [
        [row.time, row.span_id],
        [row.model, row.outcome],
        [row.prompt, row.answer],
        [row.took, row.first_token],
        [row.tokens_in, row.tokens_out],
        [row.rate],
        [row.feedback],
    ]


def _lines(cells: Sequence[Sequence[Text]], widths: Sequence[int]) -> Iterator[Text]:
    """The lines of one row: two, unless its feedback takes more."""
    for number in range(max(map(len, cells))):
        line = Text()
        for place, texts in enumerate(cells):
            text = texts[number] if number < len(texts) else Text()
            line.append_text(_fitted(text, widths[place], place in RIGHT)).append(" " * GAP)
        yield line


def _fitted(text: Text, width: int, right: bool = False) -> Text:
    """A copy of `text` that is exactly so wide."""
    made = text.copy()
    made.truncate(width, overflow="ellipsis")
    missing = " " * (width - made.cell_len)
    return Text.assemble(missing, made) if right else Text.assemble(made, missing)


# --- Blocks, three lines a call ---------------------------------------------------------------------------------------

MARGIN = " " * (GAP * 2 + 16)
"""What prompt and answer stand behind: as wide as a span id with its gaps."""
FIGURES = ("Time", "Model", "Outcome", "Took", "TTFT", "Rate", "Tokens")
TTFT = FIGURES.index("TTFT")


def blocks(rows: Sequence[Row], width: int) -> Iterator[Text]:
    """For each call a line of figures, and below it span id and prompt, then the answer."""
    figures = [_figures(row) for row in rows]
    heads = [Text(word if any(cells[place].plain for cells in figures) else "") for place, word in enumerate(FIGURES)]
    stops = _stops([heads, *figures])
    if stops[-1] <= width:
        heads.append(Text("Feedback" if any(row.feedback.plain for row in rows) else ""))
        yield from (_styled(line, "dim") for line in list(_flow(heads, stops, width))[:1])
    else:
        stops = [0] * len(stops)
        for cells in figures:  # where no head tells the two durations apart
            cells[TTFT] = Text("TTFT ").append_text(cells[TTFT]) if cells[TTFT].plain else cells[TTFT]
    for row, cells in zip(rows, figures, strict=True):
        *lines, last = _flow(cells, stops, width)
        room = width - row.feedback.cell_len
        fits = last.cell_len + GAP <= room
        if fits:
            aligned = max(last.cell_len + GAP, stops[-1])
            last.append(" " * (min(aligned, room) - last.cell_len)).append_text(row.feedback)
        yield from (*lines, last)
        yield _cut(Text.assemble(" " * GAP, row.span_id, " " * GAP, row.prompt), width)
        if row.answer.plain:
            yield _cut(Text.assemble(MARGIN, row.answer), width)
        if not fits:
            yield from (Text.assemble(MARGIN, line) for line in row.feedback.wrap(console(), width - len(MARGIN)))


def _styled(text: Text, style: str) -> Text:
    text.stylize(style)
    return text


def _figures(row: Row) -> list[Text]:
    tokens = Text(", ").join(part for part in (row.tokens_in, row.tokens_out) if part.plain)
    model = _fitted(row.model, min(row.model.cell_len, WIDEST_MODEL))
    return [row.time, model, row.outcome, row.took, row.first_token, row.rate, tokens]


def _stops(figures: Sequence[Sequence[Text]]) -> list[int]:
    """Where each column begins, and after the last where feedback does.

    A failed call has an outcome as long as the name of its error and no figures after it: it may reach into theirs.
    """
    stops, place = [], 0
    for column in range(len(figures[0])):
        stops.append(place)
        counting = (cells[column].cell_len for cells in figures if column != 2 or any(text.plain for text in cells[3:]))
        if widest := max(counting, default=0):
            place += widest + GAP
    return [*stops, place]


def _flow(cells: Sequence[Text], stops: Sequence[int], width: int) -> Iterator[Text]:
    """`cells` at their stops, on as few lines as they fit on."""
    line = Text()
    for stop, text in zip(stops, cells, strict=False):
        if not text.plain:
            continue
        start = max(stop, line.cell_len + GAP if line.plain else 0)
        if line.plain and start + text.cell_len > width:
            yield line
            line, start = Text(" " * GAP), GAP
        line.append(" " * (start - line.cell_len)).append_text(text)
    yield line


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text
