"""Microsoft Foundry's events of human evaluation: the scale in a JSON text, and who said it under names of its own."""

from __future__ import annotations

import contextlib
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.store.dialects.speech import as_json

_SOURCES = ("end_user", "annotator", "builder", "agent")
_ACTORS = {"human": "HUMAN", "ai": "LLM"}
_ENDS = {"min": s.FEEDBACK_SCORE_MIN, "max": s.FEEDBACK_SCORE_MAX}
_EARLIER = "microsoft.human_evaluation."
"""Where the JSON text itself said source, id and tags, before they had attributes of their own."""


def translate(attributes: dict[str, Any]) -> None:
    """Puts what `attributes` say in Foundry's words into the conventions' and ours, in place."""
    told = as_json(attributes.get(s.FOUNDRY_PROPERTIES))
    if told is None:
        return
    is_ours = s.FEEDBACK_KIND in attributes
    for name in (s.FOUNDRY_PROPERTIES, s.FOUNDRY_EVENT_NAME):
        attributes.pop(name, None)
    source = attributes.pop(s.FOUNDRY_SOURCE, told.get(f"{_EARLIER}source"))
    identity = attributes.pop(s.FOUNDRY_EVALUATION_ID, told.get(f"{_EARLIER}id"))
    actor = _ACTORS.get(str(attributes.pop(s.FOUNDRY_ACTOR, "human")).lower(), "CODE")
    attributes.setdefault(s.FEEDBACK_ANNOTATOR_KIND, actor)
    if source in _SOURCES:
        attributes.setdefault(s.FEEDBACK_SOURCE, source)
    if identity:
        attributes.setdefault(s.FEEDBACK_ID, str(identity))
    _tags(attributes, told, is_ours=is_ours)
    _scale(attributes, told, is_ours=is_ours)


def _tags(attributes: dict[str, Any], told: Any, *, is_ours: bool) -> None:
    tags = {name.removeprefix(s.FOUNDRY_TAGS): attributes.pop(name)
            for name in tuple(attributes) if name.startswith(s.FOUNDRY_TAGS)}  # fmt: skip
    start = f"{_EARLIER}tags."
    tags |= {name.removeprefix(start): value for name, value in told.items() if name.startswith(start)}
    for name, value in tags.items() if not is_ours else ():
        attributes.setdefault(s.FEEDBACK_METADATA + name, value)


def _scale(attributes: dict[str, Any], told: Any, *, is_ours: bool) -> None:
    """Of a yes or no it says nothing; else pass and fail only say again on which side of the threshold it is."""
    kind = told.get("gen_ai.evaluation.type")
    if kind == "boolean":
        attributes.setdefault(s.FEEDBACK_KIND, "binary")
        return
    for name, scale in _ENDS.items():
        with contextlib.suppress(TypeError, ValueError, KeyError):
            attributes.setdefault(scale, float(told[f"gen_ai.evaluation.{name}_value"]))
    if attributes.get(s.EVALUATION_SCORE_LABEL) in ("pass", "fail") and (kind == "ordinal" or is_ours):
        del attributes[s.EVALUATION_SCORE_LABEL]
        if s.FEEDBACK_SCORE_MIN in attributes:
            attributes.setdefault(s.FEEDBACK_KIND, "rating")
