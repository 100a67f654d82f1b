"""Feedback: what people, and their behaviour, say of a call. Verbs are in `api`, implicit signals in `signals`."""

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
from rlhf_otel.feedback.checks import FeedbackError

__all__ = ["FeedbackError", "FeedbackRef", "arecord", "correct", "prefer", "rank", "record", "retract", "signal"]
