"""`rlhf-otel show`: one call, whole: what went in, what came out, how long it took, and what people said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rlhf_otel.cli.common import (
    Problem,
    console,
    examples,
    json_option,
    parse_target,
    print_json,
    printable,
    reading,
    store_option,
)
from rlhf_otel.cli.words import in_words
from rlhf_otel.semconv import REQUEST_MODEL, SERVICE_NAME, USAGE_COST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console
    from rich.text import Text

    from rlhf_otel.records import Feedback, Handle, Interaction, Message
    from rlhf_otel.store import Store

    Line = tuple[str, Text]
    """What a line begins with, and what is wrapped behind that."""


@click.command(
    "show",
    epilog=examples(
        "rlhf-otel show 00f067aa0ba902b7",
        "rlhf-otel show chatcmpl-AbC123 --json | jq .feedback",
        "rlhf-otel show 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
)
@click.argument("span_id")
@json_option
@store_option
def command(span_id: str, as_json: bool, store: str | None) -> None:
    """Show one call: its messages, answer, timing, usage, context and feedback.

    SPAN_ID is 16 hex digits, as `rlhf-otel traces` lists them; a traceparent or the response id will do as well.
    """
    target = parse_target(span_id)
    with reading(store) as opened:
        interaction = find(opened, target)
        if interaction is None:
            raise Problem(
                f"{span_id} is not in this store. `rlhf-otel traces` lists what is; a call that was just made may take"
                " a second to arrive"
            )
        current = opened.feedback_on([interaction])[interaction.span_id]
        history = opened.history(interaction)
    if as_json:
        from rlhf_otel.views import interaction_json

        print_json(interaction_json(interaction, current))
    else:
        _print(interaction, current, history)


def find(store: Store, target: Handle | str) -> Interaction | None:
    """The call that `target` names: a handle, or the provider's id of the response."""
    handle = store.find(response_id=target) if isinstance(target, str) else target
    return None if handle is None else store.interaction(handle.span_id, handle.trace_id or None)


def _print(one: Interaction, current: Sequence[Feedback], history: Iterable[Feedback]) -> None:
    out = console()
    for start, text in (*_head(one, current), _blank(), *_conversation(one), *_feedback(one, current, history)):
        for line in _hanging(out, start, text):
            out.print(line, soft_wrap=True)


def _hanging(out: Console, start: str, text: Text) -> Iterator[Text]:
    """The lines of `text` behind `start`, all as far in as the first."""
    from rich.text import Text

    room = max(20, out.width - len(start))
    for line in text.wrap(out, room) or [text]:
        whole = Text.assemble((start, "dim"), line)
        whole.rstrip()
        yield whole
        start = " " * len(start)


def _head(one: Interaction, current: Sequence[Feedback]) -> Iterator[Line]:
    from rich.text import Text

    from rlhf_otel.cli import marks

    model = one.response_model or one.request_model or ""
    yield "", Text.assemble((printable(f"{one.operation} {model}".strip()), "bold"), f"  {marks.outcome(one)}")
    yield _row("span id", one.span_id)
    yield _row("trace id", one.trace_id)
    rows = {
        "response id": one.response_id,
        "provider": one.provider,
        "service": _service(one),
        "started": marks.moment(one.start_ns),
        "error": one.error_message,
        "asked for": _options(one),
        "tools": ", ".join(str(tool.get("name") or tool.get("type")) for tool in one.tools or ()),
        "timing": _timing(one),
        "stream": _stream(one),
        "retries": str(one.retries) if one.retries else "",
        "tokens": _tokens(one),
        "cost": _cost(one),
        "score": _scores(current),
        "session": one.session,
        "user": one.user,
        "anonymous user": "" if one.user else one.anonymous_user,
        "message": one.message_id,
        "variant": one.variant,
        "consent": one.consent,
        "finish": ", ".join(one.finish_reasons),
        **{f"context.{name}": str(value) for name, value in one.context.items()},
    }
    for name, value in rows.items():
        if value:
            yield _row(name, value)


def _row(name: str, value: str) -> Line:
    from rich.text import Text

    return f"{printable(name):<14} ", Text(printable(value))


def _service(one: Interaction) -> str:
    """The application's name; what OpenTelemetry calls one that has none is no name."""
    name = str(one.resource.get(SERVICE_NAME) or "")
    return "" if name.startswith("unknown_service") else name


def _options(one: Interaction) -> str:
    """What was asked for beside the model, by the names of the conventions: `temperature 0.3, max tokens 200`."""
    from rlhf_otel.cli import marks

    start = REQUEST_MODEL.removesuffix("model")
    options = {key.removeprefix(start): value for key, value in one.attributes.items() if key.startswith(start)}
    return ", ".join(f"{name.replace('.', ' ').replace('_', ' ')} {marks.compact(options[name])}" for name in options)


def _timing(one: Interaction) -> str:
    from rlhf_otel.cli import marks

    network = marks.seconds(one.network_time_s)
    figures = (
        ("total", marks.seconds(one.duration_s)),
        ("headers after", marks.seconds(one.time_to_headers_s) + (f" ({network} of it network)" if network else "")),
        ("first reasoning after", marks.seconds(one.time_to_first_reasoning_s)),
        ("first token after", marks.seconds(one.time_to_first_token_s)),
    )
    return _listed(figures)


def _stream(one: Interaction) -> str:
    from rlhf_otel.cli import marks

    chunks = marks.count(one.stream_chunks, "chunk" if one.stream_chunks == 1 else "chunks")
    within = marks.seconds(one.stream_duration_s)
    figures = (
        ("", f"{chunks} within {within}" if within else chunks),
        ("longest wait", marks.seconds(one.stream_max_gap_s)),
        ("", marks.rate(one.tokens_per_second)),
    )
    return _listed(figures)


def _listed(figures: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}".strip() for name, value in figures if value)


def _cost(one: Interaction) -> str:
    from rlhf_otel.cli import marks

    cost = one.attributes.get(USAGE_COST)
    return "" if cost is None else f"{marks.compact(cost)}, as the provider says"


def _scores(current: Sequence[Feedback]) -> str:
    """What people said, and what their behaviour says, each on a scale of 0 to 1."""
    from rlhf_otel.views import EXPLICIT, mean_score

    explicit = mean_score(one for one in current if one.kind in EXPLICIT)
    implicit = mean_score(one for one in current if one.kind == "signal")
    figures = (("explicit", explicit), ("implicit", implicit))
    return ", ".join(f"{name} {score:.2f}" for name, score in figures if score is not None)


def _tokens(one: Interaction) -> str:
    from rlhf_otel.cli import marks

    figures = (
        marks.count(one.input_tokens, "in"),
        marks.count(one.cached_tokens, "from cache") + (f" ({one.cache_hit_ratio:.0%})" if one.cache_hit_ratio else ""),
        marks.count(one.cache_write_tokens, "into cache"),
        marks.count(one.output_tokens, "out"),
        marks.count(one.reasoning_tokens, "reasoning"),
        "estimated" if one.usage_estimated else "",
    )
    if not any(figures) and one.stream and one.status != "error":
        return f"not reported{_why_no_tokens(one)}"
    return ", ".join(figure for figure in figures if figure)


def _why_no_tokens(one: Interaction) -> str:
    """What can be done about a stream without usage."""
    if one.stream_end in ("abandoned", "cancelled"):
        return " (they come at the end of a stream, and this one was left before)"
    if "openai" in one.provider:
        return (
            ' (OpenAI streams report them with stream_options={"include_usage": True}, and'
            " RLHF_OTEL_INJECT_USAGE=true asks for you)"
        )
    return ""


def _conversation(one: Interaction) -> Iterator[Line]:
    from rich.text import Text

    if one.input is None and one.output is None:
        yield "", Text("(content was not captured)", "dim")
    if one.system:
        yield from _message({"role": "system", "parts": list(one.system)})
    for message in one.input or ():
        yield from _message(message)
    for message in one.output or ():
        yield from _message(message, answer=True)


def _message(message: Message, answer: bool = False) -> Iterator[Line]:
    from rich.text import Text

    role = printable(message.get("role", ""))
    yield "", Text(f"{role} (answer)" if answer else role, "bold green" if answer else "bold cyan")
    for part in message.get("parts", ()):
        yield "  ", Text(printable(in_words(part)))
    yield _blank()


def _blank() -> Line:
    from rich.text import Text

    return "", Text("")


def _feedback(call: Interaction, current: Sequence[Feedback], history: Iterable[Feedback]) -> Iterator[Line]:
    from rich.text import Text

    yield "", Text("Feedback", "bold")
    if not current:
        yield "  ", Text("none yet")
    for one in current:
        yield from _opinion(one, call)
    counting = {one.id for one in current}
    former = [one for one in history if one.id not in counting]
    if former:
        yield "", Text("Earlier, or taken back", "bold dim")
    for one in former:
        yield from _opinion(one, call, style="dim")


def _opinion(one: Feedback, call: Interaction, style: str = "") -> Iterator[Line]:
    from rich.text import Text

    from rlhf_otel.cli import marks

    by = f"by {one.rater}" if one.rater else f"from {one.source}"
    told = (
        f"{marks.mark(one, call.span_id)}{_others(one, call.span_id)}  {by}, {marks.moment(one.time_ns)}  id {one.id}"
    )
    yield "  ", Text(printable(told), style)
    told_of = (
        ("step", _step(one, call)),
        ("words", one.quote),
        ("comment", one.comment),
        ("correction", one.correction),
    )
    for name, text in told_of:
        if text:
            yield f"    {name}: ", Text(printable(text), style)


def _step(one: Feedback, call: Interaction) -> str:
    """The step that is meant, with its text where there is one."""
    from rlhf_otel.steps import steps_of

    if one.step is None:
        return ""
    steps = steps_of(call)
    return f"{one.step} ({steps[one.step].kind}) {steps[one.step].content}" if one.step < len(steps) else f"{one.step}"


def _others(one: Feedback, span_id: str) -> str:
    """The answers that this one was compared with."""
    if one.kind == "preference":
        other = f" over {one.rejected}" if one.chosen == span_id else f" for {one.chosen}"
        return f"{other} (margin {one.margin:g})" if one.margin is not None else other
    if one.kind == "ranking":
        return f" ({', '.join('this' if span == span_id else span for span in one.ranking)})"
    if one.kind == "signal" and one.score is not None:
        return f" (score {one.score:g})"
    return ""
