"""Interactions and feedback as CSV, for spreadsheets, and one JSON object a line, for everything else."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rlhf_otel.cells import guarded
from rlhf_otel.cli.common import print_json, print_json_lines, reading

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback
    from rlhf_otel.store import Store

CALLS = (
    "span_id", "trace_id", "start", "duration_s", "ttft_s", "operation", "provider", "request_model", "response_model",
    "response_id", "session", "user", "message_id", "variant", "consent", "status", "error_type", "input_tokens",
    "output_tokens", "tokens_per_second", "explicit_score", "implicit_score", "prompt_text", "response_text",
)  # fmt: skip
FEEDBACK = (
    "id", "time", "name", "kind", "value", "score", "label", "comment", "correction", "signal", "rater", "source",
    "step", "range", "quote", "chosen", "rejected", "margin", "ranking", "metadata", "span_id", "trace_id",
    "response_id", "message_id", "session", "turn",
)  # fmt: skip


def print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Prints `columns` of `rows`, as they come. Text that a spreadsheet would run as a formula stays text."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return "" if value is None else value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str) if value else ""
    return guarded(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def print_feedback(store: str | None, form: str) -> None:
    """All feedback that counts now, and what waits for its call, as `json`, `jsonl` or `csv`."""
    from rlhf_otel.views import feedback_json

    with reading(store) as opened:
        rows = (feedback_json(one) for one in _all(opened))
        if form == "csv":
            print_csv(({**row, **row["target"]} for row in rows), FEEDBACK)
        elif form == "jsonl":
            print_json_lines(rows)
        else:
            print_json(list(rows))


def _all(opened: Store) -> Iterator[Feedback]:
    """Each once, also where it is about several calls; by calls, the newest first."""
    seen: set[str] = set()
    for call in opened.interactions(has_feedback=True):
        for one in opened.feedback_on([call])[call.span_id]:
            if one.id not in seen:
                seen.add(one.id)
                yield one
    yield from opened.pending()
