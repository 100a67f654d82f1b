"""Feedback, times and figures in the few characters that a list has for them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rlhf_otel.cli.common import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlhf_otel.records import Feedback, Interaction

DEFAULT_NAME = "user_feedback"
GOOD, BAD, COMMENT, CORRECTION = "👍", "👎", "💬", "✎"
LEGEND = {GOOD: "good", BAD: "bad", COMMENT: "with a comment", CORRECTION: "with a correction"}
"""What the signs mean; words and ratings speak for themselves."""
LONGEST_MARK = 40
"""Cells of one mark in a list; the whole of it is what `rlhf-otel show` is for."""


def mark(feedback: Feedback, span_id: str = "") -> str:
    """One piece of feedback: 👍, 4/5, 0.8, a word, ✎ for a correction; with its name where it is not the usual one.

    `span_id` is the call that it is shown on, which a preference and a ranking name as one of several.
    """
    signs = " ".join(_signs(feedback, span_id or feedback.span_id))
    return f"{printable(feedback.name)} {signs}" if _is_named(feedback) else signs


def marks(feedback: Iterable[Feedback], span_id: str = "") -> str:
    """Several of them, equal ones counted: signs first, then what takes words, with commas between."""
    signs: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for one in feedback:
        for sign in [mark(one, span_id)] if _is_named(one) else _signs(one, span_id or one.span_id):
            (words if any(map(str.isalpha, sign)) else signs)[sign] += 1
    voted = signs[GOOD] + signs[BAD] > 1
    counted = [" ".join(_times(sign, number, voted) for sign, number in signs.items() if number)]
    counted += [_times(shortened(word, LONGEST_MARK), number) for word, number in words.items()]
    return ", ".join(filter(None, counted))


def legend(shown: Iterable[str]) -> str:
    """What the signs in `shown` mean; empty where there are none."""
    text = "".join(shown)
    return "  ".join(f"{sign} {meaning}" for sign, meaning in LEGEND.items() if sign in text)


def _times(sign: str, number: int, voted: bool = False) -> str:
    if number == 1 and not (voted and sign in (GOOD, BAD)):
        return sign
    return f"{sign}{number}" if sign in LEGEND else f"{sign} ×{number}"


def _is_named(f: Feedback) -> bool:
    return f.name not in (DEFAULT_NAME, f.kind, f.signal)


def _signs(f: Feedback, span_id: str) -> list[str]:
    """The value, and what came with it."""
    signs = [_value(f, span_id)]
    if f.comment and f.kind != "comment":
        signs.append(COMMENT)
    if f.correction and f.kind != "correction":
        signs.append(CORRECTION)
    return signs


def _value(f: Feedback, span_id: str) -> str:
    if f.kind == "correction":
        return CORRECTION
    if f.kind == "comment":
        return COMMENT
    if f.kind == "retraction":
        return "retracted"
    if f.kind == "preference":
        return "chosen" if f.chosen == span_id else "rejected"
    if f.kind == "ranking":
        return place(f, span_id)
    if f.signal:
        return printable(f.signal)
    return given(f)


def given(f: Feedback) -> str:
    """The value as it was given, whatever it is."""
    if isinstance(f.value, bool):
        return GOOD if f.value else BAD
    if isinstance(f.value, int | float):
        return f"{f.value:g}/{f.scale[1]:g}" if f.scale else f"{f.value:g}"
    if f.value is not None and not isinstance(f.value, str):
        return printable(compact(f.value))
    return printable(str(f.label or f.value or f.kind))


def place(f: Feedback, span_id: str) -> str:
    """Where the call stands in a ranking."""
    if span_id not in f.ranking:
        return "ranked"
    return f"ranked {list(f.ranking).index(span_id) + 1} of {len(f.ranking)}"


def compact(value: Any) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def seconds(value: float | None) -> str:
    """A duration as people say it; empty where there is none."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def rate(value: float | None) -> str:
    """Tokens per second."""
    return "" if value is None else f"{value:,.0f} tok/s"


def count(value: int | None, unit: str) -> str:
    """A number with its unit; empty where there is none."""
    return "" if value is None else f"{value:,} {unit}"


def outcome(interaction: Interaction) -> str:
    """How the call ended, in a word."""
    if interaction.status == "error":
        return printable(interaction.error_type or "error")
    if interaction.stream_end in ("abandoned", "cancelled"):
        return interaction.stream_end
    if interaction.error_type and interaction.status == "unset" and not interaction.stream:
        return "cancelled"  # nothing failed, and nothing was answered
    return "ok"


def full_moment(time_ns: int) -> str:
    """A time in full, to the second, with the difference of local time to UTC."""
    return datetime.fromtimestamp(time_ns / 1e9).astimezone().isoformat(timespec="seconds")


def moment(time_ns: int) -> str:
    """A time of this day as the clock shows it, an older one with its date, in at most 11 columns; local time."""
    local, now = datetime.fromtimestamp(time_ns / 1e9).astimezone(), datetime.now().astimezone()
    if local.date() == now.date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%m-%d %H:%M" if local.year == now.year else "%Y-%m-%d")
