"""Feedback: what people, and their behaviour, say of a call. The verbs are in `api`, the implicit signals in `signals`."""

from rlhf_otel.feedback.api import (
    FeedbackError,
    FeedbackRef,
    arecord,
    correct,
    prefer,
    rank,
    record,
    retract,
    signal,
)

__all__ = ["FeedbackError", "FeedbackRef", "arecord", "correct", "prefer", "rank", "record", "retract", "signal"]
