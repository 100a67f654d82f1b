"""What we write ourselves: exact records, and calls and feedback as `--json` shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rlhf_otel import codec, views
from rlhf_otel.cells import unguarded
from rlhf_otel.importers import exact
from rlhf_otel.importers import making as m
from rlhf_otel.records import Feedback, Interaction

_CALL, _FEEDBACK = {"span_id", "trace_id", "start", "duration_s"}, {"id", "name", "kind", "time"}
_TEXTS = frozenset((
    "span_id", "trace_id", "parent_span_id", "start", "name", "operation", "provider", "request_model",
    "response_model", "response_id", "session", "user", "message_id", "variant", "consent", "status", "error_type",
    "error_message", "id", "time", "kind", "label", "comment", "correction", "signal", "rater", "source", "quote",
    "chosen", "rejected",
))  # fmt: skip
_TARGET = ("trace_id", "span_id", "response_id", "message_id", "session", "turn")


def knows(row: Mapping[str, Any]) -> bool:
    """Whether a row is ours."""
    return exact.kind_of(row) is not None or row.keys() >= _CALL or row.keys() >= _FEEDBACK


def read(row: Mapping[str, Any]) -> Iterator[Interaction | Feedback]:
    """The record that the row is; of a call as `--json` shows it, with the feedback on it."""
    if exact.kind_of(row) is not None:
        yield exact.record_of(row)
        return
    if all(isinstance(value, str) for value in row.values()):
        row = _typed(row)
    if row.keys() >= _CALL:
        if "messages" not in row:
            raise m.Unusable("a table of calls for spreadsheets, without their messages; `export --all` has everything")
        yield views.interaction_of(row)
        for given in row.get("feedback", ()):
            yield views.feedback_of(given)
    elif row.keys() >= _FEEDBACK:
        yield views.feedback_of(row)
    else:
        raise m.Unusable("neither a call nor feedback as rlhf-otel writes them")


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of a table, in which everything is text, as the object that it was made of."""
    made: dict[str, Any] = {}
    for name, cell in row.items():
        plain = unguarded(cell)
        made[name] = (
            plain if name in _TEXTS else codec.parse_json(plain.lower() if plain in ("True", "False") else plain)
        )
    if "duration_s" not in made:
        made["target"] = {name: made[name] for name in _TARGET if name in made}
    return made
