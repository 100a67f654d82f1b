"""Plain votes, one a line, in the words of `feedback.record` and the other verbs: what is easiest to write by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rlhf_otel.importers import making as m

SOURCE = "votes"
_TARGETS = ("span_id", "trace_id", "traceparent", "response_id", "message", "message_id", "session", "token", "target")
_SAYS = ("value", "comment", "label", "correction", "chosen", "ranking", "signal", "retracts")
_COMMON = ("name", "comment", "rater", "source", "annotator_kind", "metadata", "step", "range", "quote")
_WORDS = {"true": True, "up": True, "👍": True, "false": False, "down": False, "👎": False}
_STRUCTURES = ("scale", "range", "metadata", "ranking")
_NUMBERS = ("time_ns", "turn", "step", "margin")


class Vote(NamedTuple):
    """A feedback as the verb of that name takes it, to be checked by whoever has the verbs."""

    verb: str
    fields: dict[str, Any]


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is a vote: it points at something, and says something of it."""
    names = row.keys()
    return bool(names & set(_SAYS)) and bool(names & {*_TARGETS, "chosen", "ranking", "retracts"})


def read(row: Mapping[str, Any]) -> Iterator[Vote]:
    """The feedback that one line gives: a value with a correction beside it is two."""
    identity = str(row.get("id") or f"{SOURCE}:{m.trace_id_of(json.dumps(row, sort_keys=True, default=str))}")
    if all(isinstance(value, str) for value in row.values()):
        row = _typed(row)
    about = {name: row[name] for name in _TARGETS if row.get(name) is not None} | m.said(turn=row.get("turn"))
    about["message"] = about.pop("message_id", None) or about.get("message")
    target = about.pop("target", None) or about.pop("traceparent", None) or about.pop("token", None)
    given = {name: row[name] for name in _COMMON if row.get(name) is not None}
    given |= {name: value for name, value in about.items() if value is not None} | {"target": target}
    given["time_ns"] = row.get("time_ns") or m.moment(m.first(row, "time", "timestamp", "created_at")) or None
    yield from _said(row, {**given, "id": identity})


def _said(row: Mapping[str, Any], given: dict[str, Any]) -> Iterator[Vote]:
    kind = row.get("kind")
    if (taken := row.get("retracts")) is not None:
        yield Vote("retract", {"id": taken, "time_ns": given["time_ns"], **m.said(rater=row.get("rater"))})
    elif "chosen" in row:
        own = {name: row.get(name) for name in ("chosen", "rejected", "margin", "position")}
        yield Vote("prefer", {**_without_target(given), **own})
    elif "ranking" in row:
        yield Vote("rank", {**_without_target(given), "targets": row["ranking"]})
    elif (word := row.get("signal")) is not None:
        yield Vote("signal", {**given, "word": word, "value": row.get("value"), "text": row.get("correction")})
    else:
        yield from _rated(row, given, kind)


def _rated(row: Mapping[str, Any], given: dict[str, Any], kind: Any) -> Iterator[Vote]:
    corrected = row.get("correction") or (row.get("text") if kind == "correction" else None)
    rated = any(row.get(name) is not None for name in ("value", "label"))
    if rated or corrected is None:
        own = {name: row.get(name) for name in ("value", "label", "scale")} | {"kind": None if corrected else kind}
        yield Vote("record", {**given, **own})
    if corrected is not None:
        own = {"id": f"{given['id']}:correction"} if rated else {}
        beside = ("name", "comment") if rated else ()  # they belong to the value
        yield Vote("correct", {**{k: v for k, v in given.items() if k not in beside}, **own, "text": corrected})


def _without_target(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in (*_TARGETS, "turn")}


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of a table, in which everything is text."""
    typed: dict[str, Any] = dict(row)
    for name in row.keys() & set(_STRUCTURES):
        typed[name] = m.inner(row, name)
    for name in row.keys() & set(_NUMBERS):
        typed[name] = m.number(row[name])
    if isinstance(scale := typed.get("scale"), str):
        typed["scale"] = tuple(m.number(end) for end in scale.replace(":", "-").split("-", 1))
    if (value := row.get("value")) is not None and row.get("kind") != "categorical":
        typed["value"] = m.number(value) if m.number(value) is not None else _WORDS.get(value.lower(), value)
    return typed
