"""What feedback is in the words that annotation APIs share: a name, a score, a label and an explanation on a span."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rlhf_otel.records import Feedback, Handle

_ASIDE = ("step", "range", "quote", "position", "margin", "turn", "signal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """One feedback on one span.

    Attributes:
        id: the same for the same feedback on the same span, wherever it is made.
        kind: of the feedback.
        score: from 0 to 1; None where it has none.
        label: a word for it.
        explanation: what was said, and the answer that should have been given.
        correction: that answer alone.
        annotator_kind: HUMAN, LLM or CODE.
        metadata: everything else, as plain values.
    """

    id: str
    trace_id: str
    span_id: str
    name: str
    kind: str
    time_ns: int
    score: float | None = None
    label: str | None = None
    explanation: str | None = None
    correction: str | None = None
    annotator_kind: str = "HUMAN"
    metadata: Mapping[str, Any] = field(default_factory=dict)


def annotation_of(feedback: Feedback, call: Handle) -> Annotation:
    """`feedback` as an annotation on `call`, which may be one of several that it is about."""
    label, score = _verdict(feedback, call.span_id)
    return Annotation(
        id=_id(feedback.id, call.span_id),
        trace_id=call.trace_id,
        span_id=call.span_id,
        name=feedback.name,
        kind=feedback.kind,
        time_ns=feedback.time_ns,
        score=score,
        label=label,
        explanation=_explanation(feedback),
        correction=feedback.correction,
        annotator_kind=feedback.annotator_kind,
        metadata=_metadata(feedback),
    )


def _id(feedback_id: str, span_id: str) -> str:
    return "rlhf-" + blake2b(f"{span_id}\0{feedback_id}".encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _verdict(feedback: Feedback, span_id: str) -> tuple[str | None, float | None]:
    """Label and score. A comparison is good news for one of its answers and bad news for another."""
    if feedback.kind == "preference":
        return ("chosen", 1.0) if span_id == feedback.chosen else ("rejected", 0.0)
    if feedback.kind == "ranking" and span_id in (order := list(feedback.ranking)):
        place = order.index(span_id)
        return f"{place + 1} of {len(order)}", 1 - place / max(1, len(order) - 1)
    return feedback.label or _word(feedback), feedback.score


def _word(feedback: Feedback) -> str | None:
    """A label for a value that came without one."""
    value = feedback.value
    if isinstance(value, bool):
        return "up" if value else "down"
    if feedback.kind == "rating" and feedback.scale is not None and isinstance(value, int | float):
        return f"{value:g}/{feedback.scale[1]:g}"
    return feedback.signal or (value if isinstance(value, str) else None)


def _explanation(feedback: Feedback) -> str | None:
    corrected = f"Correction: {feedback.correction}" if feedback.correction else None
    return "\n\n".join(filter(None, (feedback.comment, corrected))) or None


def _metadata(feedback: Feedback) -> dict[str, Any]:
    from rlhf_otel.views import iso

    said = {"feedback_id": feedback.id, "kind": feedback.kind, "source": feedback.source, "time": iso(feedback.time_ns)}
    optional: dict[str, Any] = {"rater": feedback.rater, "value": feedback.value}
    optional |= {name: getattr(feedback, name) for name in _ASIDE}
    optional |= {"scale": feedback.scale and list(feedback.scale), "metadata": dict(feedback.metadata) or None}
    optional["range"] = feedback.range and list(feedback.range)
    return said | {name: value for name, value in optional.items() if value is not None}
