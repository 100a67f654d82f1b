"""What other emitters call things, in the words of the GenAI conventions of today: one small file each.

A translator takes away what it has understood and leaves what it does not know: nothing is kept twice, and nothing is
lost. Where an attribute of today's name is there already, it holds.
"""

from __future__ import annotations

from typing import Any

from rlhf_otel import semconv
from rlhf_otel.store.dialects import genai, langfuse, logfire, openinference, openllmetry
from rlhf_otel.store.dialects.evaluations import carried, feedback_in, feedback_of, may_carry_feedback
from rlhf_otel.store.dialects.sound import sound, typed
from rlhf_otel.store.dialects.speech import Speech

__all__ = [
    "Speech",
    "carried",
    "feedback_in",
    "feedback_of",
    "keep_rest",
    "may_carry_feedback",
    "sound",
    "translate",
    "typed",
]

# Those whose words are the most telling come first: what one has translated, the next finds in place.
_TRANSLATORS = (
    openinference.translate, langfuse.translate, openllmetry.translate, genai.translate, logfire.translate,
)  # fmt: skip


def translate(speech: Speech) -> None:
    """Translates `speech` into today's words, in place."""
    for translator in _TRANSLATORS:
        translator(speech)
    answers = speech.attributes.get(semconv.OUTPUT_MESSAGES)
    if isinstance(answers, list):
        reasons = [answer["finish_reason"] for answer in answers if answer.get("finish_reason")]
        speech.give(semconv.RESPONSE_FINISH_REASONS, reasons)


def keep_rest(speech: Speech, links: Any) -> None:
    """Puts what an interaction has no field for among its attributes: who made the span, its events and links."""
    if speech.scope:
        speech.give(semconv.SCOPE_NAME, speech.scope)
    failures = [event["attributes"] for event in speech.events if event["name"] == "exception"]
    if failures and isinstance(kind := failures[-1].get("exception.type"), str):
        speech.give(semconv.ERROR_TYPE, kind.rpartition(".")[2])
    if speech.events:
        speech.give(semconv.SPAN_EVENTS, list(speech.events))
    if links:
        speech.give(semconv.SPAN_LINKS, list(links))
