"""Interactions and feedback as the JSON that people and their scripts read: `traces --json`, `show --json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.steps import steps_of

EXPLICIT = ("binary", "rating", "score", "categorical")
"""The kinds by which a person rates an answer."""


def feedback_json(f: Feedback) -> dict[str, Any]:
    """`f` as `show --json` prints it: the value as given, the score on a scale of 0 to 1."""
    shown: dict[str, Any] = {
        "id": f.id,
        "name": f.name,
        "kind": f.kind,
        "value": f.value,
        "score": f.score,
        "label": f.label,
        "comment": f.comment,
        "rater": f.rater,
        "source": f.source,
        "time": iso(f.time_ns),
        "metadata": dict(f.metadata),
    }
    optional = ("scale", "correction", "signal", "step", "range", "quote", "chosen", "rejected", "margin", "position",
                "ranking")  # fmt: skip
    shown.update((name, value) for name in optional if (value := getattr(f, name)) not in (None, ()))
    target = ("trace_id", "span_id", "response_id", "message_id", "session", "turn")
    shown["target"] = {name: value for name in target if (value := getattr(f, name)) not in (None, "")}
    return shown


def interaction_json(i: Interaction, feedback: Sequence[Feedback] = ()) -> dict[str, Any]:
    """`i` with the feedback on it as `traces --json` and `show --json` print it."""
    plain = ("parent_span_id", "name", "operation", "provider", "request_model", "response_model", "response_id",
             "session", "user", "stream", "stream_end", "stream_chunks", "stream_max_gap_s", "stream_duration_s",
             "time_to_headers_s", "time_to_first_chunk_s", "time_to_first_reasoning_s", "processing_time_s",
             "network_time_s", "tokens_per_second", "input_tokens", "output_tokens", "cached_tokens",
             "cache_hit_ratio", "cache_write_tokens", "reasoning_tokens", "usage_estimated", "retries", "status",
             "error_type", "error_message", "message_id", "variant", "consent")  # fmt: skip
    return {
        "span_id": i.span_id,
        "trace_id": i.trace_id,
        "start": iso(i.start_ns),
        "duration_s": i.duration_s,
        "ttft_s": i.time_to_first_token_s,
        **{name: getattr(i, name) for name in plain},
        "status": outcome(i),
        "finish_reasons": list(i.finish_reasons),
        "context": dict(i.context),
        "implicit_score": mean_score(f for f in feedback if f.kind == "signal"),
        "explicit_score": mean_score(f for f in feedback if f.kind in EXPLICIT),
        "system": list(i.system or ()),
        "messages": list(i.input or ()),
        "output": list(i.output or ()),
        "tools": list(i.tools or ()),
        "steps": [
            {"index": step.index, "kind": step.kind, "content": step.content, "time_ns": step.time_ns}
            for step in steps_of(i)
        ],
        "prompt_text": prompt_text(i),
        "response_text": response_text(i),
        "feedback": [feedback_json(f) for f in feedback],
        "attributes": dict(i.attributes),
        "resource": dict(i.resource),
    }


def outcome(i: Interaction) -> str:
    """ok for a call that was answered, error for one that failed; unset where the application stopped listening."""
    answered = i.status == "unset" and i.error_type is None and i.stream_end in (None, "completed")
    return "ok" if answered else i.status


def mean_score(feedback: Iterable[Feedback]) -> float | None:
    """The mean of the scores on a scale of 0 to 1; None where nothing has one."""
    scores = [score for f in feedback if (score := f.score) is not None]
    return sum(scores) / len(scores) if scores else None


def iso(time_ns: int) -> str:
    """`time_ns` as ISO 8601 in UTC with microseconds."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
