"""Feedback, times and figures in the few characters that a table has for them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rlhf_otel.cli.common import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rlhf_otel.records import Feedback, Interaction

DEFAULT_NAME = "user_feedback"
_WORDS = {"correction": "✎", "comment": "💬", "ranking": "ranked", "retraction": "retracted"}


def mark(feedback: Feedback, span_id: str = "") -> str:
    """One piece of feedback: 👍, 4/5, 0.8, a label, ✎ for a correction; with its name where it is not the usual one.

    `span_id` is the call that it is shown on, which a preference names as one of two.
    """
    text = _value(feedback, span_id or feedback.span_id)
    if feedback.comment and feedback.kind != "comment":
        text += "💬"
    if feedback.correction and feedback.kind != "correction":
        text += "✎"
    return (
        text
        if feedback.name in (DEFAULT_NAME, feedback.kind, feedback.signal)
        else f"{printable(feedback.name)} {text}"
    )


def marks(feedback: Iterable[Feedback], span_id: str = "") -> str:
    """Several of them, one after the other."""
    return " ".join(mark(one, span_id) for one in feedback)


def _value(f: Feedback, span_id: str) -> str:
    if isinstance(f.value, bool):
        return "👍" if f.value else "👎"
    if f.kind == "preference":
        return "chosen" if f.chosen == span_id else "rejected"
    if f.kind in _WORDS:
        return _WORDS[f.kind]
    if isinstance(f.value, int | float):
        return f"{f.value:g}/{f.scale[1]:g}" if f.scale else f"{f.value:g}"
    return printable(str(f.signal or f.label or f.value or f.kind))


def seconds(value: float | None) -> str:
    """A duration as people say it; empty where there is none."""
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def rate(value: float | None) -> str:
    """Tokens per second."""
    return "" if value is None else f"{value:.0f} tok/s"


def count(value: int | None, unit: str) -> str:
    """A number with its unit; empty where there is none."""
    return "" if value is None else f"{value} {unit}"


def outcome(interaction: Interaction) -> str:
    """How the call ended, in a word."""
    if interaction.status == "error":
        return printable(interaction.error_type or "error")
    if interaction.stream_end in ("abandoned", "cancelled"):
        return interaction.stream_end
    return "ok"


def moment(time_ns: int) -> str:
    """A time of this day as the clock shows it, another with its date; in the reader's time zone."""
    local = datetime.fromtimestamp(time_ns / 1e9).astimezone()
    today = datetime.now().astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M")
