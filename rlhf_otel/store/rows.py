"""Records to rows and back. Columns hold what is asked for; what a column cannot hold exactly goes into `rest`."""

from __future__ import annotations

import dataclasses
import math
import operator
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rlhf_otel.otel_records import LogRecord, MetricPoint, SpanRecord
from rlhf_otel.records import Feedback, Handle, Interaction
from rlhf_otel.semconv import DETAILS_EVENT
from rlhf_otel.store.dialects.events import FIELDS as CONTENT_ATTRIBUTES
from rlhf_otel.store.encoding import (
    column_id,
    column_text,
    decode,
    deflate,
    deflate_small,
    encode,
    id_of_column,
    inflate,
    text_hash,
    text_of_column,
)
from rlhf_otel.store.messages import FIELDS, SETTING_COLUMNS, Reader, Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

_IDS: Final = ("trace_id", "span_id", "parent_span_id")
_TEXTS: Final = (
    "name", "operation", "provider", "request_model", "response_model", "response_id", "session", "user",
    "anonymous_user", "message_id", "variant", "consent", "status", "error_type", "stream_end",
)  # fmt: skip
_FLAGS: Final = ("stream", "usage_estimated")
_INTEGERS: Final = (
    "start_ns", "end_ns", "stream_chunks", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens",
    "reasoning_tokens", "retries",
)  # fmt: skip
_REALS: Final = (
    "stream_max_gap_s", "time_to_first_chunk_s", "time_to_first_token_s", "time_to_first_reasoning_s",
)  # fmt: skip
_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys((*_IDS, *_TEXTS), str),
    **dict.fromkeys(_FLAGS, bool),
    **dict.fromkeys(_INTEGERS, int),
    **dict.fromkeys(_REALS, float),
}
_REST: Final = ("error_message", "context", "attributes", "time_to_headers_s")
_SHARED: Final = SETTING_COLUMNS[:-2]
_REQUIRED: Final = {"trace_id": b"", "span_id": b"", "start_ns": 0, "end_ns": 0}
_NULLABLE: Final = _TYPES.keys() - _REQUIRED.keys() - {*_FLAGS, "name"}

_OTHERS: Final = (*_IDS, *_FLAGS, *_INTEGERS, *_REALS)
_texts_of, _others_of = operator.attrgetter(*_TEXTS), operator.attrgetter(*_OTHERS)
_rest_of = operator.attrgetter(*_REST)
content_of = operator.attrgetter(*FIELDS)
"""The content of an interaction: the values of `FIELDS`, in their order."""

INTERACTION_COLUMNS: Final = (
    *_IDS, "start_ns", "end_ns", "setting", "response_id", "response_hash", "session", "session_hash", "user",
    "anonymous_user", "message_id", "stream_chunks", *_REALS, *_INTEGERS[3:], "content", "rest",
)  # fmt: skip
"""In the order in which `interaction_add` takes them."""
HASHED: Final = {"response_id": "response_hash", "session": "session_hash"}
"""The ids that are indexed by their hash, with the column of that."""
UNKNOWN_TRACES: Final = (b"", bytes(16))
"""Trace ids that say nothing, as the columns hold them."""
SPAN, RESPONSE, MESSAGE, SESSION, TURN, TRACE = range(6)
"""The kinds of `feedback_target`."""


_in_order = operator.itemgetter(*INTERACTION_COLUMNS)


def interaction_row(interaction: Interaction, writer: Writer) -> tuple[Any, ...]:
    """The row of `interaction`, in the order of `INTERACTION_COLUMNS`; its content goes through `writer`."""
    row, rest = _columns(interaction)
    if interaction.name == _usual_name(interaction.operation, interaction.request_model):
        row["name"] = None
    for field, value in zip(_REST, _rest_of(interaction), strict=True):
        if value is not None and value != {}:
            rest[field] = value
    for field, hashed in HASHED.items():
        row[hashed] = None if row[field] is None else text_hash(row[field])
    shared = [row.pop(name) for name in _SHARED]
    row["setting"] = writer.setting(tuple(shared), interaction.resource)
    row["content"] = writer.pack(content_of(interaction))
    row["rest"] = deflate_small(encode(rest)) if rest else None
    return tuple(_in_order(row))


def interaction_of_row(row: Mapping[str, Any], reader: Reader) -> Interaction:
    """The interaction whose row `interaction_row` made."""
    fields: dict[str, Any] = {name: row[name] for name in (*_INTEGERS, *_REALS)}
    fields.update((name, text_of_column(row[name])) for name in _TEXTS)
    fields.update((name, None if row[name] is None else id_of_column(row[name])) for name in _IDS)
    fields.update((name, bool(row[name])) for name in _FLAGS)
    if fields["name"] is None:
        fields["name"] = _usual_name(fields["operation"], fields["request_model"])
    fields.update(reader.unpack(row["content"]))
    fields["resource"] = reader.shape(row["resource"])
    if row["rest"] is not None:
        fields.update(decode(inflate(row["rest"])))
    return Interaction(**fields)


def handle_of_row(row: Mapping[str, Any]) -> Handle:
    """The handle of the interaction in `row`, without a look at its content: this is asked for in request paths."""
    ids = id_of_column(row["trace_id"]), id_of_column(row["span_id"])
    return Handle(*ids, text_of_column(row["response_id"]), row["start_ns"])


def span_row(span: SpanRecord, writer: Writer) -> dict[str, Any]:
    """The row of `span` by column."""
    return {
        "trace_id": column_id(span.trace_id),
        "span_id": column_id(span.span_id),
        "start_ns": _clamped(span.start_ns),
        "resource": writer.resource(span.resource),
        "body": _body(span, leave_out="resource"),
    }


def span_of_row(row: Mapping[str, Any], reader: Reader) -> SpanRecord:
    """The span whose row `span_row` made."""
    return SpanRecord(**decode(inflate(row["body"])), resource=reader.shape(row["resource"]))


def log_row(log: LogRecord, content: Mapping[str, Any], writer: Writer) -> dict[str, Any]:
    """The row of `log` by column; `content` is what it says of the content of a call, by field."""
    lists = {name for field, name in CONTENT_ATTRIBUTES.items() if log.attributes.get(name) == content.get(field, "")}
    rest = {key: value for key, value in log.attributes.items() if key not in lists}
    return {
        "hash": _hash(log),
        "trace_id": column_id(log.trace_id),
        "span_id": column_id(log.span_id),
        "time_ns": _clamped(log.time_ns or log.observed_ns),
        "event_name": column_text(log.event_name),
        "resource": writer.resource(log.resource),
        "content": writer.pack([content.get(field) for field in FIELDS]) if content else None,
        "body": _body(dataclasses.replace(log, attributes=rest), leave_out="resource"),
    }


def log_of_row(row: Mapping[str, Any], reader: Reader) -> LogRecord:
    """The log record whose row `log_row` made."""
    log = LogRecord(**decode(inflate(row["body"])), resource=reader.shape(row["resource"]))
    content = {} if row["content"] is None or log.event_name != DETAILS_EVENT else reader.unpack(row["content"])
    told = {CONTENT_ATTRIBUTES[field]: value for field, value in content.items() if value is not None}
    return dataclasses.replace(log, attributes={**told, **log.attributes}) if told else log


def point_row(point: MetricPoint, writer: Writer) -> dict[str, Any]:
    """The row of `point` by column."""
    return {
        "hash": _hash(point),
        "name": column_text(point.name),
        "time_ns": _clamped(point.time_ns),
        "resource": writer.resource(point.resource),
        "body": _body(point, leave_out="resource"),
    }


def point_of_row(row: Mapping[str, Any], reader: Reader) -> MetricPoint:
    """The data point whose row `point_row` made."""
    return MetricPoint(**decode(inflate(row["body"])), resource=reader.shape(row["resource"]))


def feedback_row(feedback: Feedback, seq: int) -> tuple[Any, ...]:
    """The row of `feedback` in the order of `feedback_add`, without its targets."""
    names = map(column_text, (feedback.kind, feedback.name, feedback.retracts))
    return (
        seq,
        column_text(feedback.id),
        _clamped(feedback.time_ns),
        *names,
        deflate_small(encode(told_fields(feedback))),
    )


def feedback_of_body(body: bytes) -> Feedback:
    """The feedback whose row has this body."""
    return Feedback(**decode(inflate(body)))


def feedback_spans(feedback: Feedback) -> list[str]:
    """The span ids that `feedback` is about: its own, both sides of a preference, all of a ranking; none twice."""
    named = (feedback.span_id, feedback.chosen, feedback.rejected, *feedback.ranking)
    return list(dict.fromkeys(span for span in named if span and span.strip("0")))


def feedback_targets(feedback: Feedback) -> list[tuple[int, bytes | str, bytes | str | None]]:
    """Kind, key and trace of every way to find what `feedback` is about; the trace is None where unknown.

    The trace holds for the feedback's own span only: the other side of a preference may be in any trace. A session is a
    way to find it only where nothing else was given, for a session names many calls; so does a trace, but fewer.
    """
    trace = column_id(feedback.trace_id)
    own_trace = None if trace in UNKNOWN_TRACES else trace
    spans = feedback_spans(feedback)
    targets: list[tuple[int, bytes | str, bytes | str | None]] = [
        (SPAN, column_id(span), own_trace if span == feedback.span_id else None) for span in spans
    ]
    for kind, key in ((RESPONSE, feedback.response_id), (MESSAGE, feedback.message_id)):
        if key:
            targets.append((kind, column_text(key) or "", None))
    if not targets:
        if feedback.session and feedback.turn is not None:
            targets.append((TURN, column_text(feedback.session) or "", None))
        if own_trace is not None:
            targets.append((TRACE, own_trace, None))
        if feedback.session and feedback.turn is None:
            targets.append((SESSION, column_text(feedback.session) or "", None))
    return targets


def _columns(interaction: Interaction) -> tuple[dict[str, Any], dict[str, Any]]:
    """The columns of `interaction`, and by field name what they do not hold exactly."""
    row: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in zip(_TEXTS, _texts_of(interaction), strict=True):
        if type(value) is str and value.isascii() and value[:1] != "\x00":  # nearly all: nothing to be escaped
            row[name] = value
        else:
            _put_column(row, rest, name, value)
    for name, value in zip(_OTHERS, _others_of(interaction), strict=True):
        if value is None and name in _NULLABLE:
            row[name] = None
        else:
            _put_column(row, rest, name, value)
    return row, rest


def _put_column(row: dict[str, Any], rest: dict[str, Any], name: str, value: Any) -> None:
    held, exact = _column(name, value)
    row[name] = _REQUIRED.get(name) if held is None else held
    if not exact:
        rest[name] = value


def _column(name: str, value: Any) -> tuple[Any, bool]:
    """What the column `name` holds for `value`, and whether `value` comes back from it as it was."""
    kind, fits = type(value), _TYPES[name]
    if value is None:
        return None, name in _NULLABLE
    if kind is not fits or (kind is float and math.isnan(value)):  # SQLite keeps a NaN as NULL
        return None, False
    if kind is str:
        return column_id(value) if name in _IDS else column_text(value), True
    held = _clamped(value) if kind is int else value
    return held, bool(held == value)


def _usual_name(operation: str | None, model: str | None) -> str:
    return f"{operation} {model}"


def _clamped(number: int) -> int:
    """`number` as near as SQLite's 64 bits allow."""
    return max(-(2**63), min(int(number), 2**63 - 1))


_Record = Interaction | Feedback | SpanRecord | LogRecord | MetricPoint


def _hash(record: _Record) -> bytes:
    """Names `record` by all that is in it."""
    return blake2b(encode(told_fields(record)), digest_size=16).digest()


def _body(record: _Record, leave_out: str = "") -> bytes:
    """What `told_fields` tells of `record`, encoded."""
    return deflate(encode(told_fields(record, leave_out)))


def told_fields(record: _Record, leave_out: str = "") -> dict[str, Any]:
    """All fields of `record` that differ from their default or from its type."""
    told = {}
    of: Any = type(record)
    for name, default, kind in _defaults(of):
        value = getattr(record, name)
        if value is default or (type(value) is kind and value == default) or name == leave_out:
            continue
        told[name] = value
    return told


@lru_cache
def _defaults(of: Any) -> list[tuple[str, Any, type]]:
    """Each field of a record with its default and the type of that."""
    fields = dataclasses.fields(of)
    defaults = [f.default if f.default_factory is dataclasses.MISSING else f.default_factory() for f in fields]
    return [(field.name, default, type(default)) for field, default in zip(fields, defaults, strict=True)]
