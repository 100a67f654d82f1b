"""What a feedback may hold: everything that the verbs are given is checked here, before anything is sent."""

from __future__ import annotations

import math
import numbers
import random
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from rlhf_otel import codec, hooks
from rlhf_otel.records import FEEDBACK_KINDS, FeedbackKind

SOURCES = ("end_user", "annotator", "builder", "agent")
ANNOTATOR_KINDS = ("HUMAN", "LLM", "CODE")
LONGEST_TEXT = 100_000
"""Characters of a comment, a correction, a value or all metadata; what is longer is refused."""
LAST = 2**31 - 1
"""No answer has a step or a character beyond that."""
_VERBS = {
    "correction": "correct",
    "preference": "prefer",
    "ranking": "rank",
    "signal": "signal",
    "retraction": "retract",
}


NOTHING_RECORDS = ("nothing takes feedback yet: start the application with rlhf-otel-instrument or call "
                   "rlhf_otel.instrument() first")  # fmt: skip


class FeedbackError(ValueError):
    """A feedback that cannot be taken as it is; the message says what was given and what is expected."""


class NotPermitted(FeedbackError):  # noqa: N818 - what it says of the feedback
    """A feedback that is well made, and not for whoever gives it."""


_random = random.Random()
_VERSION_4 = 0x4000 << 64 | 0x8000 << 48
_NOT_VERSION = ~(0xF000 << 64 | 0xC000 << 48)
hooks.after_fork(_random.seed)


def new_id() -> str:
    """A UUID that no other feedback has. Not a secret: asking the system for chance takes longer than all the rest."""
    digits = f"{_random.getrandbits(128) & _NOT_VERSION | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_WORD_OR_ID = re.compile(r"[A-Za-z_]{0,40}|[0-9a-fA-Fx-]{0,60}")


def shown(value: Any) -> str:
    """`value` as a log line may have it: numbers, single words and hex ids; of anything else only what it is."""
    if isinstance(value, tuple | list) and len(value) <= 3 and all(map(_is_number, value)):
        return repr(value)
    if isinstance(value, str):
        return repr(value) if _WORD_OR_ID.fullmatch(value) else f"text of {len(value)} characters"
    return repr(value) if value is None or _is_number(value) else type(value).__name__


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= 128)


def plain(value: Any) -> Any:
    """`value` as Python's own number where it is a number of another library."""
    if isinstance(value, bool | int | float) or not isinstance(value, numbers.Real):
        return value
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def kind_of(kind: Any, value: Any, scale: Any, comment: Any) -> FeedbackKind:
    """The kind that was given, or the one that `value` tells."""
    if isinstance(kind, str) and kind in _VERBS:
        raise FeedbackError(f"a {kind} has a verb of its own: feedback.{_VERBS[kind]}")
    if value is None and not comment:
        raise FeedbackError("the feedback says nothing: pass a value or a comment")
    if kind is not None:
        return cast("FeedbackKind", word(kind, FEEDBACK_KINDS, "kind"))
    if value is None:
        return "comment"
    if isinstance(value, bool):
        return "binary"
    if isinstance(value, int | float):
        return "score" if scale is None else "rating"
    return "categorical" if isinstance(value, str) else "custom"


def scale_of(scale: Any) -> tuple[float, float] | None:
    """The lowest and the highest value."""
    if scale is None:
        return None
    try:
        low, high = (float(end) for end in scale)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise FeedbackError(f"scale is {shown(scale)}; the lowest and the highest value are expected, as in (1, 5)")
    return low, high


def value_of(kind: str, value: Any, scale: tuple[float, float] | None) -> Any:
    """`value`, which fits its kind: a thumb is yes or no, a word is a word, a number lies within its scale."""
    if kind == "binary":
        if not isinstance(value, int) or value not in (0, 1):
            raise FeedbackError(f"the value of a binary feedback is {shown(value)}; True or False is expected")
        return bool(value)
    if kind == "categorical" and not (isinstance(value, str) and value):
        raise FeedbackError(f"the value of a categorical feedback is {shown(value)}; a word is expected")
    if kind == "comment" and value is not None:
        raise FeedbackError(f"a comment has no value, and {shown(value)} was given; leave the kind out to have both")
    if kind in ("rating", "score"):
        _check_number(kind, value, scale)
    return value


def _check_number(kind: str, value: Any, scale: tuple[float, float] | None) -> None:
    if not _is_finite(value):
        raise FeedbackError(f"the value of a {kind} is {shown(value)}; a finite number is expected")
    low, high = scale or (0.0, 1.0)
    if not low <= value <= high:
        hint = "" if scale else "; pass scale=(lowest, highest) for another one"
        raise FeedbackError(f"{value} is outside its scale of {low:g} to {high:g}{hint}")


def common(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` without those that are None, the others checked, with what feedback of every kind must have."""
    checked = {
        name: check(value) if (check := _CHECKS.get(name)) is not None else value
        for name, value in fields.items()
        if value is not None
    }
    if not checked.get("id"):
        checked["id"] = new_id()
    if "time_ns" not in checked:
        checked["time_ns"] = time.time_ns()
    return checked


def word(value: Any, allowed: Sequence[str], what: str) -> str:
    """`value`, which is one of `allowed`."""
    if value not in allowed:
        raise FeedbackError(f"{what} is {shown(value)}; it is one of {', '.join(allowed)}")
    return str(value)


def text(value: Any, what: str) -> str | None:
    """`value`, which is text of bearable length or None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise FeedbackError(f"the {what} is {type(value).__name__}; text is expected")
    if len(value) > LONGEST_TEXT:
        raise FeedbackError(f"the {what} has {len(value)} characters; at most {LONGEST_TEXT} are taken")
    return codec.whole(value)


def bearable(value: Any, what: str) -> Any:
    """`value` as a plain value that nobody else changes, of a length that a text may have."""
    value = codec.plain(value)
    length = len(value) if isinstance(value, str) else len(codec.dumps(value)) if isinstance(value, list | dict) else 0
    if length > LONGEST_TEXT:
        raise FeedbackError(f"the {what} has {length} characters; at most {LONGEST_TEXT} are taken")
    return value


def finite(value: Any, what: str) -> float | None:
    """`value`, which is a finite number or None."""
    value = plain(value)
    if value is None or _is_finite(value):
        return cast("float | None", value)
    raise FeedbackError(f"{what} is {shown(value)}; a finite number is expected")


def _is_finite(value: Any) -> bool:
    """Whether `value` is a number that a float can hold: an int may have hundreds of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -sys.float_info.max <= value <= sys.float_info.max


def _step(step: Any) -> int:
    step = plain(step)
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step <= LAST:
        raise FeedbackError(f"step is {shown(step)}; the index of a step is expected, 0 for the first")
    return step


def _range(given: Any) -> tuple[int, int]:
    ends = tuple(map(plain, given)) if isinstance(given, Sequence) else ()
    if [type(end) for end in ends] != [int, int] or not 0 <= ends[0] < ends[1] <= LAST:
        raise FeedbackError(f"range is {shown(given)}; the first character and the one after the last are expected")
    return ends[0], ends[1]


def _metadata(metadata: Any) -> dict[str, Any]:
    if not isinstance(metadata, Mapping):
        raise FeedbackError(f"metadata is {type(metadata).__name__}; names with values are expected")
    return cast("dict[str, Any]", bearable(metadata, "metadata")) if metadata else {}


def _time(time_ns: Any) -> int:
    time_ns = plain(time_ns)
    if isinstance(time_ns, bool) or not isinstance(time_ns, int) or not 10**17 < time_ns < 2**63:
        raise FeedbackError(
            f"time_ns is {shown(time_ns)}; nanoseconds since the epoch are expected, as time.time_ns() gives"
        )
    return time_ns


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "id": str,
    "name": lambda value: text(str(value), "name"),
    "label": lambda value: text(str(value), "label"),
    "rater": lambda value: text(str(value), "rater"),
    "comment": lambda value: text(value, "comment") or None,
    "quote": lambda value: text(value, "quote") or None,
    "source": lambda value: word(value, SOURCES, "source"),
    "annotator_kind": lambda value: word(value, ANNOTATOR_KINDS, "annotator_kind"),
    "step": _step,
    "range": _range,
    "value": lambda value: value if type(value) in (bool, int, float) else bearable(value, "value"),
    "metadata": _metadata,
    "time_ns": _time,
}
"""What is looked at in each field that is given, whatever the kind."""
