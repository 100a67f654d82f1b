"""From the fields of a request, once it has proved what it may say, to the feedback."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from rlhf_otel.feedback import build
from rlhf_otel.feedback.checks import FeedbackError, new_id
from rlhf_otel.records import Feedback, Handle
from rlhf_otel.token import Claims, rater_hash

MOST_COMMENT_BYTES = 4096
MOST_NAME = 500
"""Characters of what is no text for people to read, but a word to find it by."""
_NAMES = ("name", "label", "rater")
TARGET = ("span_id", "trace_id", "response_id", "message", "session", "turn")
TRUSTED = ("source", "annotator_kind")
_PLAIN = ("name", "label", "comment", "step", "range", "quote", "metadata")
_COMPARING = ("chosen", "rejected", "margin", "position", "ranking")
ANYBODY = "any"
"""Stands for the rater in what is said by a token that is for nobody alone."""
_OWN = ("token", "value", "scale", "kind", "signal", "correction", "rater", "id")
TEXTS = frozenset(
    ("name", "label", "rater", "quote", "comment", "correction", "message", "session", "response_id", "chosen",
     "rejected")
)  # fmt: skip
FIELDS = frozenset({*_OWN, *_COMPARING, *TARGET, *_PLAIN, *TRUSTED})


_NOT_OF_COMPARISONS = (*TARGET, "value", "scale", "signal", "correction", "step", "range", "quote")


class Proof(NamedTuple):
    """By what right something is said.

    Attributes:
        claims: of the tokens, one for each call that it is about; none where it was authorized otherwise.
        rater: who says it, where that is known otherwise.
    """

    claims: tuple[Claims, ...] = ()
    rater: str | None = None


def answers_in(given: Mapping[str, Any]) -> list[Any]:
    """The answers that a preference or ranking compares, the best first; none in anything else.

    Raises:
        FeedbackError: one side is missing, or the ranking is no list.
    """
    if "ranking" in given:
        ranking = given["ranking"]
        if not isinstance(ranking, list) or len(ranking) < 2 or given.keys() & {"chosen", "rejected"}:
            raise FeedbackError("a ranking is a list of two answers or more, the best first, and no preference")
        return ranking
    sides = [given[side] for side in ("chosen", "rejected") if side in given]
    if len(sides) == 1 or (not sides and ("margin" in given or "position" in given)):
        raise FeedbackError("a preference has chosen and rejected")
    return sides


def feedback_from(method: str, given: Mapping[str, Any], proof: Proof, named: str | None) -> Feedback:
    """The feedback that a checked request gives, changes or takes back.

    Args:
        method: POST, PUT or DELETE.
        given: its fields.
        proof: by what right.
        named: the id in its address.

    Raises:
        FeedbackError: it cannot be taken as it is.
    """
    now = time.time_ns()
    own = _own_id(named if named is not None else given.get("id"), proof)
    rater = _rater(given, proof)
    if method == "DELETE" or given.get("kind") == "retraction":
        return _retraction(own, rater, proof.claims, now)
    if wrong := [name for name in _NAMES if len(given.get(name, "")) > MOST_NAME]:
        raise FeedbackError(f"a {wrong[0]} has at most {MOST_NAME} characters")
    comment = given.get("comment")
    if comment is not None and len(comment.encode("utf-8", "surrogatepass")) > MOST_COMMENT_BYTES:
        raise FeedbackError(f"a comment has at most {MOST_COMMENT_BYTES} bytes")
    fields = {name: given[name] for name in _PLAIN if name in given}
    fields |= {
        "rater": rater,
        "claims": proof.claims,
        "time_ns": now,
        "id": own if method == "POST" else f"{own}#{now}",
    }
    if not proof.claims:
        fields |= {name: given[name] for name in (*TARGET, *TRUSTED) if name in given}
    if answers := answers_in(given):
        return _comparison(answers, given, proof.claims, fields)
    return _single(proof.claims[0].handle if proof.claims else None, given, fields)


def _rater(given: Mapping[str, Any], proof: Proof) -> str | None:
    """Who says it. Whom a page names with a token for anybody is a claim, and stands in nobody's place."""
    rater: str | None = proof.rater or given.get("rater")
    is_claimed = rater is not None and proof.claims and all(one.rater is None for one in proof.claims)
    return f"{ANYBODY}:{rater}" if is_claimed else rater


def version_of(feedback_id: str) -> tuple[str, str]:
    """The id that a client knows a feedback by, and the mark of the version, where it was changed."""
    base, _, version = feedback_id.rpartition("#")
    return (base, version) if re.fullmatch(r"\d{18,20}", version) else (feedback_id, "")


def _single(target: Handle | None, given: Mapping[str, Any], fields: dict[str, Any]) -> Feedback:
    """Feedback on one call."""
    value = given.get("value")
    if "signal" in given:
        return build.signalled(target, given["signal"], value=value, text=given.get("correction"), **fields)
    if "correction" not in given:
        return build.recorded(target, value, kind=given.get("kind"), scale=given.get("scale"), **fields)
    if given.get("kind", "correction") == "correction" and value is None:
        return build.corrected(target, given["correction"], **fields)
    raise FeedbackError("a correction is sent for itself, or with the signal edit")


def _comparison(
    answers: list[Any], given: Mapping[str, Any], claims: tuple[Claims, ...], fields: dict[str, Any]
) -> Feedback:
    """One answer over another, or an order of them."""
    kind = "ranking" if "ranking" in given else "preference"
    if given.get("kind", kind) != kind:
        raise FeedbackError(f"this is a {kind}, which needs no kind")
    if extra := [name for name in _NOT_OF_COMPARISONS if name in given]:
        raise FeedbackError(f"a {kind} names the answers that it compares, and takes no {extra[0]}")
    targets = [one.handle for one in claims] if claims else answers
    if kind == "ranking":
        return build.ranked(targets, **fields)
    better, worse = targets
    return build.preferred(better, worse, margin=given.get("margin"), position=given.get("position"), **fields)


def _retraction(own: str, rater: str | None, claims: tuple[Claims, ...], now: int) -> Feedback:
    """Takes back the feedback `own`; whoever holds the token for a call may, whatever names it is for."""
    anything = tuple(one._replace(names=()) for one in claims)
    base, version = version_of(own)
    made = build.retracted(base, rater=rater, claims=anything, time_ns=now)
    made = dataclasses.replace(made, id=f"{made.id}#{version or now}")
    return dataclasses.replace(made, trace_id=claims[0].trace_id, span_id=claims[0].span_id) if claims else made


def _own_id(given: Any, proof: Proof) -> str:
    """The id of a feedback: behind what is proved, so that nobody writes over or takes back the feedback of others.

    Of several calls that are compared it is the first by its id that counts: their order may change.
    """
    if given is not None and not (isinstance(given, str) and 0 < len(given) <= 200):
        raise FeedbackError("an id is text of 1 to 200 characters")
    if not proof.claims and proof.rater is None:
        return given or new_id()
    space = f"{_space_of(proof.claims)}:" if proof.claims else f"{rater_hash(proof.rater or '')}:"
    return given if given and given.startswith(space) else space + (given or new_id())


def _space_of(claims: tuple[Claims, ...]) -> str:
    rater = next((one.rater for one in claims if one.rater), ANYBODY)
    return f"{min(one.span_id for one in claims)}:{rater}"
