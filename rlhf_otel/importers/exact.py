"""Records as lines and as rows of tables, and back: exactly, whatever they hold.

A line is an object whose one key says what it is: `{"interaction": {...}}`. It has all fields that are not at their
default, by the names in `rlhf_otel.records`. A table has a column for each field; what a column cannot hold exactly is
in its last column, `rest`, as JSON.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from rlhf_otel import codec
from rlhf_otel.cells import guarded, unguarded
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store.encoding import TAG, encode, revived
from rlhf_otel.store.rows import told_fields

Exact = Interaction | Feedback
KINDS: Final[Mapping[str, type[Exact]]] = {"interaction": Interaction, "feedback": Feedback}
_TEXTS: Final = ("str", "str | None", "StreamEnd | None", "Status", "Consent | None", "FeedbackKind")
_NUMBERS: Final[Mapping[str, type]] = {"int": int, "int | None": int, "float": float, "float | None": float}
_REST: Final = "rest"
_TYPES: Final = {name: {f.name: str(f.type) for f in dataclasses.fields(kind)} for name, kind in KINDS.items()}
COLUMNS: Final = {name: (*types, _REST) for name, types in _TYPES.items()}
"""Of each kind of record, what its table has."""


def kind_of(row: Mapping[str, Any]) -> str | None:
    """What a line or a row of a table is a record of; None where it is none of ours."""
    if len(row) == 1 and (name := next(iter(row))) in KINDS:
        return name if isinstance(row[name], Mapping) else None
    names = row.keys()
    if not all(isinstance(value, str) for value in row.values()):
        return None
    if names >= {"span_id", "start_ns", "end_ns"} and names <= set(COLUMNS["interaction"]):
        return "interaction"
    return "feedback" if names >= {"id", "time_ns", "kind"} and names <= set(COLUMNS["feedback"]) else None


def line_of(record: Exact) -> str:
    """`record` as a line, without its end."""
    return f'{{"{type(record).__name__.lower()}":{_json(told_fields(record))}}}'


def cells_of(record: Exact) -> list[str]:
    """`record` as a row of its table."""
    types = _TYPES[type(record).__name__.lower()]
    cells, rest = dict.fromkeys(types, ""), {}
    for name, value in told_fields(record).items():
        cell = _cell(value, types[name])
        if cell is None or not _same(_value(cell, types[name]), value):
            rest[name] = value
        else:
            cells[name] = cell
    return [*cells.values(), guarded(_json(rest, ascii_only=True)) if rest else ""]


def record_of(row: Mapping[str, Any]) -> Exact:
    """The record of which `line_of` made the line, or `cells_of` the row.

    Raises:
        ValueError: there is none such, or it has fields that a record has not.
    """
    kind = kind_of(row)
    if kind is None:
        raise ValueError("no record of ours")
    types, fields = _TYPES[kind], row.get(kind)
    if not isinstance(fields, Mapping):
        rest = revived(json.loads(unguarded(row[_REST]))) if row.get(_REST) else {}
        fields = {name: _value(cell, types[name]) for name, cell in row.items() if name != _REST} | rest
    else:
        fields = revived(fields)
    if unknown := fields.keys() - types.keys():
        raise ValueError(f"a field {min(unknown)}, which this version does not know")
    try:
        return KINDS[kind](**fields)
    except TypeError as error:
        raise ValueError(f"a field is missing: {error}") from None


def _cell(value: Any, declared: str) -> str | None:
    if declared in _TEXTS:
        fits = isinstance(value, str) and value and "\0" not in value and codec.is_encodable(value)
        return guarded(value) if fits else None
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if declared in _NUMBERS else guarded(_json(value, ascii_only=True))


def _value(cell: str, declared: str) -> Any:
    if declared in _TEXTS:
        return unguarded(cell)
    if declared == "bool":
        return cell.lower() == "true"
    return _NUMBERS[declared](cell) if declared in _NUMBERS else revived(json.loads(unguarded(cell)))


def _same(one: Any, other: Any) -> bool:
    """Whether they are equal, down to the types."""
    return encode(one) == encode(other)


def _json(value: Any, *, ascii_only: bool = False) -> str:
    """`value` as `encode` has it; halves of characters as JSON escapes them.

    Two halves side by side that are not one character would come back as one: such a value goes as bytes.
    """
    encoded = encode(value)
    text = encoded.decode("utf-8", "surrogatepass")
    if not ascii_only and codec.is_encodable(text):
        return text
    escaped = json.dumps(json.loads(text), separators=(",", ":"))
    return escaped if encode(revived(json.loads(escaped))) == encoded else json.dumps({TAG: ["json", encoded.hex()]})
