"""Langfuse: traces, observations, scores and comments as its API, its pages and its exports to storage have them.

The names are the same everywhere, in `camelCase` or `snake_case`. A score of a trace has no observation: it is about
the call of that trace that the store finds for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.importers import making as m
from rlhf_otel.otel_records import SpanRecord
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import dialects

SOURCE = "langfuse"
_INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CALLS = {"GENERATION": "generation", "EMBEDDING": "embedding"}
_ANNOTATORS = {"ANNOTATION": ("annotator", "HUMAN"), "API": ("end_user", "HUMAN"), "EVAL": ("builder", "LLM")}
_OBSERVATION, _SCORE, _TRACE = {"type", "trace_id", "start_time"}, {"name", "data_type"}, {"timestamp", "id"}
_NAMING = ("trace_id", "observation_id", "session_id", "name", "timestamp", "value")
_IN_TRACE = ("user_id", "session_id", "tags", "release", "environment", "public", "bookmarked")
_USED = frozenset((
    "id", "trace_id", "type", "start_time", "end_time", "parent_observation_id", "name", "input", "output", "model",
    "provided_model_name", "model_parameters", "usage_details", "completion_start_time", "status_message", "user_id",
    "session_id", "level", "latency", "time_to_first_token", "total_cost", "created_at", "updated_at", "project_id",
    "tool_definitions",
))  # fmt: skip


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is Langfuse's."""
    names = {_snake(name) for name in row}
    if names >= _OBSERVATION or names >= {"object_type", "object_id", "content"}:
        return True
    is_score = names >= _SCORE and bool(names & {"trace_id", "observation_id", "session_id", "subject"})
    return is_score or (names >= _TRACE and bool(names & {"bookmarked", "release", "observations", "html_path"}))


def read(row: Mapping[str, Any]) -> Iterator[Interaction | SpanRecord | Feedback]:
    """The records of one trace (with all that stands in it), observation, score or comment."""
    row = {_snake(name): value for name, value in row.items()}
    names = row.keys()
    if names >= {"object_type", "object_id", "content"}:
        yield from _comment(row)
    elif names >= _OBSERVATION:
        yield _observation(row)
    elif names >= _SCORE:
        yield from _score(row)
    elif names >= _TRACE:
        yield from _trace(row)
    else:
        raise m.Unusable("neither a trace, an observation, a score nor a comment of Langfuse")


def _snake(name: str) -> str:
    return _INNER_CAPITAL.sub("_", name).lower()


def _trace(row: Mapping[str, Any]) -> Iterator[Interaction | SpanRecord | Feedback]:
    """What its observations do not say for themselves, the trace says for them."""
    shared = {name: row[name] for name in _IN_TRACE if name in row}
    for each in (*m.items(row, "observations"), *m.items(row, "scores")):
        if isinstance(each, Mapping):
            yield from read({**shared, "traceId": row["id"], **each})


def _observation(row: Mapping[str, Any]) -> Interaction | SpanRecord:
    kind = str(row["type"]).upper()
    start, parent = m.moment(row["start_time"]), m.text(row.get("parent_observation_id"))
    known: dict[str, Any] = {
        "trace_id": m.trace_id_of(row["trace_id"]),
        "span_id": m.span_id_of(row["id"]),
        "parent_span_id": m.span_id_of(parent) if parent else None,
        "name": m.text(row.get("name")) or "",
    }
    end = m.moment(row.get("end_time")) or start
    rest = {f"{SOURCE}.{name}": m.inner(row, name) for name in row if name not in _USED}
    rest = {name: value for name, value in rest.items() if value not in (None, "", [], {})}
    if kind not in _CALLS:
        body = m.said(input=m.text(row.get("input")), output=m.text(row.get("output")), **{f"{SOURCE}.type": kind})
        return SpanRecord(**known, start_ns=start, end_ns=end, scope=SOURCE, attributes={**rest, **body})
    speech = dialects.Speech(_as_on_a_span(row, kind), start_ns=start, end_ns=end, scope=SOURCE)
    dialects.translate(speech)
    failed = str(row.get("level")).upper() == "ERROR"
    message = m.text(row.get("status_message"))
    attributes = {**rest, **speech.attributes} | ({s.ERROR_TYPE: "Error"} if failed else {})
    if message and not failed:
        attributes[f"{SOURCE}.status_message"] = message
    return m.call(attributes, SOURCE, start_ns=start, end_ns=end, **known, status="error" if failed else "unset",
                  error_message=message if failed else None)  # fmt: skip


def _as_on_a_span(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The observation as Langfuse's own library writes it on a span, which the store reads already."""
    start = f"{SOURCE}.observation."
    first = row.get("completion_start_time")
    told = {
        start + "type": _CALLS[kind],
        start + "model.name": m.first(row, "provided_model_name", "model"),
        start + "model.parameters": m.inner(row, "model_parameters"),
        start + "usage_details": m.inner(row, "usage_details"),
        start + "input": row.get("input"),
        start + "output": row.get("output"),
        s.SESSION_ID: m.text(row.get("session_id")),
        s.ENDUSER_ID: m.text(row.get("user_id")),
        s.USAGE_COST: m.number(row.get("total_cost")),
        s.TIME_TO_FIRST_TOKEN: m.number(row.get("time_to_first_token")),
        s.REQUEST_STREAM: True if first else None,
    }
    if s.TIME_TO_FIRST_TOKEN not in m.said(**told) and first:
        told[s.TIME_TO_FIRST_TOKEN] = max(0, m.moment(first) - m.moment(row["start_time"])) / 1e9
    return m.said(**told)


def _score(row: Mapping[str, Any]) -> Iterator[Feedback]:
    metadata = dict(m.mapping(row, "metadata"))
    source, annotator = _ANNOTATORS.get(str(row.get("source")).upper(), ("end_user", "HUMAN"))
    told = str(row["data_type"]).upper()
    word = m.text(row.get("string_value"))
    if word is None and isinstance(row.get("value"), str) and m.number(row["value"]) is None:
        word = row["value"]  # where the newest form of the API has it
    value, correction = _value(told, row.get("value"), word)
    extra = {name: m.inner(row, name) for name in ("config_id", "queue_id", "dataset_run_id", "environment", "tags")}
    yield from m.opinions(
        m.identity(SOURCE, row.get("id"), *(row.get(key) for key in _NAMING)),
        name=m.text(row.get("name")) if told != "CORRECTION" else "correction",
        value=value,
        label=word if told in ("BOOLEAN", "NUMERIC") and word and m.number(word) is None else None,
        comment=m.text(row.get("comment")) or (word if told == "TEXT" else None),
        correction=correction,
        time_ns=m.moment(m.first(row, "timestamp", "created_at")),
        changed_ns=m.changed(row.get("created_at"), row.get("updated_at")),
        rater=m.text(m.first(row, "author_user_id", "author_user_name")) or m.text(metadata.pop("rater", None))
        or (m.text(row.get("user_id")) if source == "end_user" else None),
        source=source,
        annotator_kind=annotator,
        metadata={**metadata, **extra},
        **_target(row),
    )  # fmt: skip


def _value(told: str, value: Any, word: str | None) -> tuple[Any, str | None]:
    """The value, and the corrected answer."""
    if told == "CORRECTION":
        return None, word or m.text(value)
    if told == "TEXT":
        return None, None
    if told == "CATEGORICAL":
        return word or m.text(value), None
    given = m.verdict(value)
    return bool(given) if told == "BOOLEAN" and given in (0, 1) else given, None


def _target(row: Mapping[str, Any]) -> dict[str, Any]:
    subject = m.mapping(row, "subject")
    kind, theirs = str(subject.get("kind") or subject.get("type")).lower(), subject.get("id")
    observation = row.get("observation_id") or (theirs if kind == "observation" else None)
    trace = (
        row.get("trace_id")
        or subject.get("trace_id")
        or subject.get("traceId")
        or (theirs if kind == "trace" else None)
    )
    session = m.text(row.get("session_id")) or (m.text(theirs) if kind == "session" else None)
    if not (observation or trace or session):
        raise m.Unusable("the score is about nothing: it names no observation, no trace and no session")
    return m.said(
        span_id=m.span_id_of(observation) if observation else None,
        trace_id=m.trace_id_of(trace) if trace else None,
        session=session,
    )


def _comment(row: Mapping[str, Any]) -> Iterator[Feedback]:
    kind = str(row["object_type"]).lower()
    about = {"subject": {"kind": kind, "id": row["object_id"]}}
    yield from m.opinions(
        f"{SOURCE}:{row['id']}", name="comment", comment=m.text(row["content"]),
        time_ns=m.moment(row.get("created_at")), rater=m.text(row.get("author_user_id")), source="annotator",
        **_target(about),
    )  # fmt: skip
