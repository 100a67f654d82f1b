"""Logfire, which speaks the conventions, but writes lists as JSON and a stream as two spans."""

from __future__ import annotations

from rlhf_otel import semconv as s
from rlhf_otel.store.dialects.speech import Speech

_TYPE = "logfire.span_type"
_DUPLICATES = ("logfire.json_schema", "gen_ai.usage.raw", "request_data", "response_data")


def translate(speech: Speech) -> None:
    """Of a stream, the span that is written at its end is the call: it knows the answer, and when it began."""
    kind = speech.attributes.get(_TYPE)
    if kind is None or s.OPERATION_NAME not in speech.attributes:
        return
    if kind == "pending_span":
        speech.is_call = False
        return
    duration = speech.attributes.get("duration")
    if kind == "log" and isinstance(duration, int | float) and s.RESPONSE_ID in speech.attributes:
        speech.start_ns = speech.end_ns - int(duration * 1e9)
        speech.give(s.REQUEST_STREAM, True)
    elif _is_opening(speech):
        speech.is_call = False
        return
    if s.INPUT_MESSAGES in speech.attributes:
        for name in _DUPLICATES:
            speech.take(name)


def _is_opening(speech: Speech) -> bool:
    """Whether this is the span of a stream's opening: it has no answer, and did not fail."""
    failed = any(event["name"] == "exception" for event in speech.events)
    is_chat = speech.attributes[s.OPERATION_NAME] in ("chat", "text_completion")
    return is_chat and not failed and s.RESPONSE_ID not in speech.attributes and speech.scope.startswith("logfire.")
