"""What all readers share: their ids, times and numbers in our terms, and the records made of them."""

from __future__ import annotations

import ast
import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any

from rlhf_otel import codec, semconv
from rlhf_otel.records import Feedback, FeedbackKind, Interaction
from rlhf_otel.store import dialects

DEFAULT_NAME = "user_feedback"
UNDATED = 1
"""The time of what has none; it gets that of its file."""
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9})\d*)?\s*(?:Z|z|UTC|([+-])(\d\d):?(\d\d)?)?"
)
_HEX_32, _HEX_16 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
_SECONDS_BELOW, _MILLISECONDS_BELOW, _MICROSECONDS_BELOW = 10**11, 10**14, 10**17
_WORDS = {"true": True, "false": False}
_EMPTY: tuple[Any, ...] = (None, "", [], {}, ())


class Unusable(ValueError):  # noqa: N818 - what it says of a row
    """A row that no record can be made of; the message says what it lacks."""


def trace_id_of(theirs: Any) -> str:
    """Their id of a trace, run or conversation as a trace id: itself where it is one (a UUID is), else its hash."""
    plain = str(theirs).strip().lower().replace("-", "")
    return plain if _HEX_32.fullmatch(plain) and plain.strip("0") else sha256(str(theirs).encode()).hexdigest()[:32]


def span_id_of(theirs: Any) -> str:
    """Their id of a call as a span id: itself where it is one, else its hash."""
    plain = str(theirs).strip().lower()
    return plain if _HEX_16.fullmatch(plain) and plain.strip("0") else sha256(str(theirs).encode()).hexdigest()[:16]


def identity(source: str, theirs: Any, *naming: Any) -> str:
    """The id of a feedback: theirs, or where it has none, what it is known by."""
    return f"{source}:{theirs or trace_id_of(chr(0).join(map(str, naming)))}"


def changed(created: Any, updated: Any) -> int:
    """When somebody changed what they had said; 0 where nobody did. Within a second it is still the first writing."""
    before, after = moment(created), moment(updated)
    return after if before and after - before > 10**9 else 0


def moment(told: Any) -> int:
    """A time in nanoseconds since the epoch, of ISO text (in UTC where it says no zone) or a number; 0 of all else."""
    if isinstance(told, datetime):
        given = told if told.tzinfo else told.replace(tzinfo=timezone.utc)
        whole = int(given.replace(microsecond=0).timestamp())
        return (whole * 1_000_000 + given.microsecond) * 1000 + int(getattr(told, "nanosecond", 0))
    if isinstance(told, str) and (found := _MOMENT.fullmatch(told.strip())):
        day, clock, fraction, sign, hours, minutes = found.groups()
        seconds = int(datetime.fromisoformat(f"{day}T{clock}+00:00").timestamp())
        offset = (int(hours) * 3600 + int(minutes or 0) * 60) * (-1 if sign == "-" else 1) if sign else 0
        return (seconds - offset) * 10**9 + int((fraction or "").ljust(9, "0"))
    value = number(told)
    if value is None or not 0 < value < 2**63:
        return 0
    for below, unit in ((_SECONDS_BELOW, 10**9), (_MILLISECONDS_BELOW, 10**6), (_MICROSECONDS_BELOW, 1000)):
        if value < below:
            return round(value * unit)
    return int(value)


def number(told: Any) -> int | float | None:
    """A finite number, also of the text of one; None of anything else."""
    if isinstance(told, str):
        for kind in (int, float):
            with contextlib.suppress(ValueError):
                return number(kind(told))
    return told if isinstance(told, int | float) and not isinstance(told, bool) and math.isfinite(told) else None


def verdict(told: Any) -> bool | int | float | None:
    """Yes, no or a number, also of their text; None of anything else."""
    if isinstance(told, bool):
        return told
    return _WORDS.get(told.lower()) if isinstance(told, str) and told.lower() in _WORDS else number(told)


def is_nan(told: Any) -> bool:
    """Whether this is what a data frame has where there is nothing."""
    return isinstance(told, float) and math.isnan(told)


def count(told: Any) -> int | None:
    """A number of things; None of anything else."""
    value = number(told)
    return int(value) if value is not None and value >= 0 else None


def text(told: Any) -> str | None:
    """A text that says something; what is no text, as JSON; None of nothing."""
    if told in _EMPTY or is_nan(told):
        return None
    return told if isinstance(told, str) else codec.dumps(told)


def inner(row: Mapping[str, Any], name: str) -> Any:
    """What stands in `row` under `name`: a structure also where a table has it as JSON or as Python writes it."""
    value = row.get(name)
    value = listed(value)
    if not isinstance(value, str) or not value.strip().startswith(("{", "[")):
        return value
    parsed = codec.parse_json(value)
    if parsed is value:
        with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
            return ast.literal_eval(value.strip())
    return parsed


def listed(value: Any) -> Any:
    """`value`; what is an array of numpy's, as a list."""
    return value.tolist() if value is not None and hasattr(value, "tolist") else value


def mapping(row: Any, name: str) -> Mapping[str, Any]:
    """The object that stands in `row` under `name`; an empty one where there is none."""
    value = inner(row, name) if isinstance(row, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def items(row: Any, name: str) -> list[Any]:
    """The list that stands in `row` under `name`; an empty one where there is none."""
    value = inner(row, name) if isinstance(row, Mapping) else None
    return list(value) if isinstance(value, list | tuple) else []


def first(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these that says something."""
    return next((row[name] for name in names if row.get(name) not in _EMPTY), None)


def said(**fields: Any) -> dict[str, Any]:
    """Those of `fields` that say something."""
    return {name: value for name, value in fields.items() if value is not None and value not in _EMPTY}


def call(attributes: Mapping[str, Any], source: str, *, start_ns: int, end_ns: int = 0, **envelope: Any) -> Interaction:
    """The interaction with these attributes, in the words of the GenAI conventions.

    Args:
        attributes: those that are None or empty say nothing.
        source: whose export it comes from.
        start_ns: when it began; 0 where nobody knows.
        end_ns: when it ended; where nobody knows, it took no time.
        **envelope: trace_id, span_id and the other fields that a span has by itself.

    """
    start_ns = start_ns or UNDATED
    told: dict[str, Any] = {name: value for name, value in attributes.items() if value is not None and value != ""}
    told[semconv.IMPORT_SOURCE] = source
    error = envelope.get("error_message")
    return dialects.sound(
        codec.interaction_from_attributes(
            dialects.typed(told), start_ns=start_ns, end_ns=max(start_ns, end_ns),
            **{"status": "error" if error else "unset", **envelope},
        )
    )  # fmt: skip


def opinions(
    id: str,
    *,
    time_ns: int,
    changed_ns: int = 0,
    value: Any = None,
    correction: str | None = None,
    comment: str | None = None,
    label: str | None = None,
    name: str | None = None,
    **fields: Any,
) -> Iterator[Feedback]:
    """The feedback that somebody gave: what it says, and the answer that should have been given, each by itself.

    Args:
        id: made of theirs. Changed later, it is another version of the same.
        time_ns: when it was first given.
        changed_ns: when it was last changed.
        value: yes or no, a number or a word.
        correction: the answer that should have been given.
        comment: why.
        label: a word for the value.
        name: what was rated.
        **fields: of `Feedback`; those that are None are left out.

    Raises:
        Unusable: it says nothing.
    """
    version = f"#{changed_ns}" if changed_ns > time_ns > 0 else ""
    kept = {key: given for key, given in fields.items() if given is not None}
    common: dict[str, Any] = {"time_ns": max(time_ns, changed_ns) or UNDATED, **kept}
    common["metadata"] = said(**kept.get("metadata", {}))
    if value is None and label:
        value = label
    if value is not None or comment or not correction:
        kind = _kind(value, fields.get("scale"), comment)
        word = label if label is not None else value if kind == "categorical" else None
        yield Feedback(id=id + version, name=name or DEFAULT_NAME, kind=kind, value=value, label=word,
                       comment=comment or None, **common)  # fmt: skip
    if correction:
        common.pop("scale", None)
        yield Feedback(id=f"{id}:correction{version}", name="correction", kind="correction", correction=correction,
                       **common)  # fmt: skip


def _kind(value: Any, scale: Any, comment: Any) -> FeedbackKind:
    if isinstance(value, bool):
        return "binary"
    if isinstance(value, int | float):
        return "rating" if scale is not None else "score"
    if isinstance(value, str):
        return "categorical"
    if value is not None:
        return "custom"
    if not comment:
        raise Unusable("the feedback says nothing: it has no value, no comment and no correction")
    return "comment"
