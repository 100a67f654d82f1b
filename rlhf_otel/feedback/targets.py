"""Finds out what a feedback points at, from whatever the application holds."""

from __future__ import annotations

import re
from typing import Any

from rlhf_otel import handles, hooks, token
from rlhf_otel.feedback.checks import NOTHING_RECORDS, FeedbackError, plain, shown
from rlhf_otel.records import Handle

IDS = ("span_id", "trace_id", "response_id", "message", "session", "turn")
"""The keywords of the verbs that name a target."""
_SPAN_ID = re.compile(r"[0-9a-f]{16}")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_LIKE_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]*-[0-9a-f]*(-[0-9a-f]*)?")


def target_of(target: Any, **ids: Any) -> dict[str, Any]:
    """The fields of a `Feedback` that name its target.

    Args:
        target: a handle, a response or stream, a span id, (trace id, span id), a traceparent, a response id or a token,
            whose claims come along as `claims`.
        ids: span_id, trace_id, response_id, message, session and turn: the same by name.

    Raises:
        FeedbackError: an id is malformed, or nothing names a target.
    """
    if isinstance(target, str):
        if token.is_token(target.strip()):
            return _permitted(target.strip())
        ids.update(_ids_in(target))
    elif isinstance(target, tuple) and len(target) == 2:
        ids["trace_id"], ids["span_id"] = target
    elif isinstance(target, int):
        ids["span_id"] = target
    elif target is not None:
        found = handles.handle(target)
        if found is None:
            if hooks.taker() is None:  # nothing is wrong with the response
                raise FeedbackError(NOTHING_RECORDS)
            raise FeedbackError(f"{type(target).__name__} is not a recorded response: pass a handle, a span id, a "
                                "traceparent or a response id")  # fmt: skip
        return _fields(found)
    return _by_ids(**ids)


def _ids_in(text: str) -> dict[str, str]:
    """What a text names: a traceparent, a span id or a response id."""
    text = text.strip()
    if match := _TRACEPARENT.fullmatch(text.lower()):
        return {"trace_id": match[1], "span_id": match[2]}
    if handles.find(text, "response") is not None:
        return {"response_id": text}
    if handles.find(text, "message") is not None:
        return {"message": text}
    if _LIKE_TRACEPARENT.fullmatch(text.lower()):
        raise FeedbackError(f"{shown(text)} is not a traceparent: 00-<32 hex digits>-<16 hex digits>-01 is expected")
    return {"span_id" if _looks_like_span_id(text) else "response_id": text}


def _permitted(text: str) -> dict[str, Any]:
    """What a token is about, with what it permits."""
    try:
        claims = token.verify(text)
    except token.InvalidToken as error:
        raise FeedbackError(f"the feedback is refused: {error}") from None
    return {**_fields(claims.handle), "claims": (claims,)}


def _by_ids(*, span_id: Any = None, trace_id: Any = None, turn: Any = None, **weaker: Any) -> dict[str, Any]:
    if span_id is not None:
        span_id = checked(span_id, _SPAN_ID, "span id", 16)
        trace_id = checked(trace_id, _TRACE_ID, "trace id", 32) if trace_id is not None else None
        found = handles.find(span_id)
        if found is None and trace_id is None and hooks.locate is not None:
            found = hooks.locate(span_id)
        if found is not None and trace_id in (None, found.trace_id):
            return _fields(found)
        return {"span_id": span_id, "trace_id": trace_id or ""}
    keys: tuple[tuple[handles.Kind, str], ...] = (("response", "response_id"), ("message", "message"))
    for kind, name in keys:
        if (key := weaker.get(name)) is not None and (found := handles.find(str(key), kind)) is not None:
            return _fields(found)
    named = {"message_id" if name == "message" else name: str(key) for name, key in weaker.items() if key is not None}
    if not named:
        if hooks.taker() is None:  # as `rlhf.last()` is None then
            raise FeedbackError(NOTHING_RECORDS)
        raise FeedbackError("the feedback names no target: pass a response, a handle, span_id=, traceparent, "
                            "response_id=, message= or session= (with turn=)")  # fmt: skip
    return named if turn is None else {**named, "turn": _turn(turn, named.get("session"))}


def _turn(turn: Any, session: Any) -> int:
    turn = plain(turn)
    if isinstance(turn, bool) or not isinstance(turn, int) or turn < 0 or session is None:
        raise FeedbackError(f"turn is {shown(turn)}; the place of the answer in its session is expected, 0 for the "
                            "first, with session=")  # fmt: skip
    return turn


def checked(value: Any, pattern: re.Pattern[str], what: str, digits: int) -> str:
    """`value` as lower-case hex.

    Raises:
        FeedbackError: it is something else, or zero.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 16**digits:
        return f"{value:0{digits}x}"
    text = str(value).strip().lower().removeprefix("0x")
    if not pattern.fullmatch(text) or set(text) == {"0"}:
        raise FeedbackError(f"{shown(value)} is not a {what}: {digits} hex digits are expected, not all zero")
    return text


def answer_of(target: Any) -> dict[str, Any]:
    """The same for one side of a preference or one place of a ranking, which needs a span id."""
    fields = target_of(target)
    if not fields.get("span_id"):
        raise FeedbackError(f"{shown(target)} is not known in this process: compare answers by handle or span id")
    return fields


def _looks_like_span_id(text: str) -> bool:
    """Hex alone is meant as a span id, even of the wrong length: a response id has a prefix with other letters."""
    return bool(re.fullmatch(r"(0x)?[0-9a-fA-F]*", text))


def _fields(found: Handle) -> dict[str, Any]:
    fields = {"trace_id": found.trace_id, "span_id": found.span_id, "target_start_ns": found.start_ns}
    return {**fields, "response_id": found.response_id}
