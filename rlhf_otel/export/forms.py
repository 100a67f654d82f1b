"""Feedback in forms that others read: a span for backends that take no events, and Microsoft Foundry's event.

Both carry all of ours as well, so that whoever reads ours gets the same feedback from either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from rlhf_otel import codec
from rlhf_otel import semconv as s
from rlhf_otel.export.events import numbers_of, target_context

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback

CARRIER, FOUNDRY = "carrier-span", "foundry"
_FOUNDRY_SOURCES = {"end_user": "end_user", "annotator": "builder", "builder": "builder"}


def carrier_attributes(feedback: Feedback) -> dict[str, Any]:
    """What a span has that carries `feedback`: OpenInference's annotation, and all that our event has."""
    said = codec.feedback_attributes(feedback)
    annotation: dict[str, Any] = {
        "name": feedback.name,
        "score": feedback.score,
        "label": said.get(s.EVALUATION_SCORE_LABEL) or feedback.signal,
        "explanation": feedback.comment or feedback.correction,
        "annotator_kind": feedback.annotator_kind,
        "identifier": feedback.rater,
        "metadata": codec.dumps(feedback.metadata) if feedback.metadata else None,
    }
    if not any(annotation[name] is not None for name in ("score", "label", "explanation")):
        annotation["label"] = feedback.kind  # an annotation has to have one of the three
    told = {f"{s.ANNOTATION}{name}": value for name, value in annotation.items() if value is not None}
    return {s.OPENINFERENCE_KIND: "EVALUATOR", **said, **told}


def foundry_attributes(feedback: Feedback) -> dict[str, Any]:
    """What Foundry expects beside the event's own attributes: of a yes or no, and of whole numbers on a scale."""
    scale = (0.0, 1.0) if feedback.kind == "binary" else feedback.scale if feedback.kind == "rating" else None
    if scale is None or not float(feedback.value).is_integer():
        return {}
    low, high = scale
    threshold = high if feedback.kind == "binary" else (low + high) / 2
    told = {
        "gen_ai.evaluation.type": "boolean" if feedback.kind == "binary" else "ordinal",
        "gen_ai.evaluation.min_value": str(float(low)),
        "gen_ai.evaluation.max_value": str(float(high)),
        "gen_ai.evaluation.threshold": str(float(threshold)),
        "gen_ai.evaluation.desirable_direction": "increase",
    }
    attributes = {
        s.FOUNDRY_EVENT_NAME: s.EVALUATION_EVENT,
        s.FOUNDRY_PROPERTIES: codec.dumps(told),
        s.EVALUATION_SCORE_LABEL: "pass" if feedback.value >= threshold else "fail",
        s.FOUNDRY_EVALUATION_ID: feedback.id,
        s.FOUNDRY_ACTOR: {"HUMAN": "human"}.get(feedback.annotator_kind, "ai"),
    }
    if (source := _FOUNDRY_SOURCES.get(feedback.source)) is not None:
        attributes[s.FOUNDRY_SOURCE] = source
    return attributes | {s.FOUNDRY_TAGS + name: str(value) for name, value in feedback.metadata.items()}


def event_attributes(feedback: Feedback, ways: Sequence[str]) -> dict[str, Any]:
    """What the event that carries `feedback` says."""
    attributes = codec.feedback_attributes(feedback)
    return attributes | foundry_attributes(feedback) if FOUNDRY in ways else attributes


def is_carried(feedback: Feedback, telemetry: Any) -> bool:
    """Sends `feedback` as a span where `telemetry` is to; whether that is enough, and nobody waits for the event.

    The embedded store always gets the event.
    """
    ways = telemetry.config.feedback_as
    if CARRIER not in ways or not _carry(telemetry.tracer(), feedback):
        return False
    own = getattr(telemetry, "own", None)
    return tuple(ways) == (CARRIER,) and not (own is not None and own.is_local)


def _carry(tracer: Any, feedback: Feedback) -> bool:
    """Sends a span beneath the one that `feedback` is about, and linked to it; whether that is recorded.

    It takes no time. Beneath a span that was sampled it is sampled as well.
    """
    about = target_context(*numbers_of(feedback.trace_id, feedback.span_id))
    target = trace.get_current_span(about).get_span_context()
    span = tracer.start_span(
        f"feedback {feedback.name}",
        about,
        attributes=carrier_attributes(feedback),
        links=[trace.Link(target)] if target.is_valid else [],
        start_time=feedback.time_ns,
    )
    recorded = bool(span.is_recording())
    span.end(feedback.time_ns)
    return recorded
