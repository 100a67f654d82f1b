"""Makes a `Feedback` out of what the verbs are given, or says what is wrong with it. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlhf_otel.feedback import checks, signals
from rlhf_otel.feedback.checks import FeedbackError, NotPermitted
from rlhf_otel.feedback.targets import IDS, answer_of, target_of
from rlhf_otel.records import Feedback, FeedbackKind, feedback_with
from rlhf_otel.token import Claims

DEFAULT_NAME = "user_feedback"


def recorded(
    target: Any,
    value: Any,
    *,
    name: str | None = None,
    kind: FeedbackKind | None = None,
    scale: tuple[float, float] | None = None,
    comment: str | None = None,
    label: str | None = None,
    **fields: Any,
) -> Feedback:
    """A thumb, rating, score, category, comment or anything else. Arguments as for `feedback.record`.

    Raises:
        FeedbackError: it cannot be taken as it is.
    """
    value = checks.plain(label if value is None else value)
    kind = checks.kind_of(kind, value, scale, comment)
    ends = checks.scale_of(scale)
    value = checks.value_of(kind, value, ends)
    if label is None and kind == "categorical":
        label = value
    name = name or (DEFAULT_NAME if kind != "comment" else "comment")
    return _about(target, kind, name=name, value=value, scale=ends, label=label, comment=comment, **fields)


def corrected(target: Any, text: str, *, name: str | None = None, **fields: Any) -> Feedback:
    """The answer that should have been given."""
    if not (checks.text(text, "correction") or "").strip():
        raise FeedbackError("the correction is empty; pass the ideal answer as text")
    return _about(target, "correction", name=name or "correction", correction=checks.text(text, "correction"), **fields)


def signalled(
    target: Any, word: str, *, value: Any = None, text: str | None = None, name: str | None = None, **fields: Any
) -> Feedback:
    """What a person did with an answer; of an edit with the text that they made of it."""
    checks.word(word, tuple(signals.SCORES), "signal")
    if text is not None:
        fields["correction"] = checks.text(text, "text") or None
    score = signals.score_of(word) if value is None else checks.value_of("score", checks.plain(value), None)
    return _about(target, "signal", signal=word, value=score, name=name or word, **fields)


def preferred(chosen: Any, rejected: Any, *, margin: Any = None, position: Any = None, **fields: Any) -> Feedback:
    """One answer over another."""
    (better, worse), fields = _compared((chosen, rejected), fields)
    if better == worse:
        raise FeedbackError(f"chosen and rejected are the same answer ({better})")
    if position is not None:
        checks.word(position, ("chosen", "rejected"), "position")
    own = {"chosen": better, "rejected": worse, "margin": checks.finite(margin, "margin"), "position": position}
    return _made(kind="preference", name=fields.pop("name", None) or "preference", **own, **fields)


def ranked(targets: Sequence[Any], *, name: str | None = None, **fields: Any) -> Feedback:
    """An order of answers, the best first."""
    if isinstance(targets, str) or not isinstance(targets, Sequence):
        raise FeedbackError(f"a ranking takes a list of answers, not {type(targets).__name__}")
    if len(targets) < 2:
        raise FeedbackError(f"a ranking takes at least two answers, not {len(targets)}")
    order, fields = _compared(targets, fields)
    if len(set(order)) < len(order):
        raise FeedbackError("an answer is ranked twice")
    return _made(kind="ranking", name=name or "ranking", ranking=order, **fields)


def retracted(id: str, **fields: Any) -> Feedback:
    """The feedback with this id, taken back."""
    if not id:
        raise FeedbackError("retract takes the id of the feedback, as `record` returned it")
    return _made(id=f"{id}:retraction", name=DEFAULT_NAME, kind="retraction", retracts=str(id), **fields)


def _compared(targets: Sequence[Any], fields: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The span ids of answers that are compared, and `fields` with those of the first and the claims of all."""
    found = [answer_of(target) for target in targets]
    claims = (*fields.get("claims", ()), *(one for each in found for one in each.get("claims", ())))
    return [each["span_id"] for each in found], {**fields, **found[0], "claims": claims}


def _about(target: Any, kind: FeedbackKind, **fields: Any) -> Feedback:
    ids = {key: fields.pop(key) for key in IDS if key in fields}
    return _made(kind=kind, **fields, **target_of(target, **ids))


def _made(**fields: Any) -> Feedback:
    """Checks what every kind may have."""
    claims = fields.pop("claims", ())
    if claims:
        fields["rater"] = _permitted_rater(claims, fields)
    try:
        return feedback_with(**checks.common(fields))
    except TypeError as error:
        raise FeedbackError(f"a feedback of this kind takes no such argument ({error})") from None


def _permitted_rater(claims: Sequence[Claims], fields: Mapping[str, Any]) -> str | None:
    """Who rates by tokens: nobody but whom each of them was minted for, and nothing but what each names."""
    name, rater = fields["name"], fields.get("rater")
    for one in claims:
        if not one.allows(name):
            raise NotPermitted(f"the token is for {', '.join(one.names)}, and not for {checks.shown(name)}")
        if rater is not None and not one.is_for(str(rater)):
            raise NotPermitted("the token is for another rater")
    raters = {one.rater for one in claims if one.rater is not None}
    if len(raters) > 1:
        raise NotPermitted("the tokens are for different raters")
    return rater if rater is not None else next(iter(raters), None)
