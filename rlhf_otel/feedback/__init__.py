"""Feedback: what people, and their behaviour, say of a call. Verbs are in `api`, when to ask for it is in `asking`."""

from rlhf_otel.feedback.api import (
    FeedbackRef,
    arecord,
    correct,
    prefer,
    rank,
    record,
    retract,
    signal,
)
from rlhf_otel.feedback.asking import ask, dismissed, should_ask
from rlhf_otel.feedback.checks import FeedbackError

__all__ = [
    "FeedbackError",
    "FeedbackRef",
    "arecord",
    "ask",
    "correct",
    "dismissed",
    "prefer",
    "rank",
    "record",
    "retract",
    "should_ask",
    "signal",
]
