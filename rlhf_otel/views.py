"""Interactions and feedback as the JSON that people and their scripts read, and back: `traces --json` and its kin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from rlhf_otel.codec import prompt_text, response_text
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.steps import steps_of

_PLAIN = (
    "parent_span_id", "name", "operation", "provider", "request_model", "response_model", "response_id", "session",
    "user", "anonymous_user", "message_id", "variant", "consent", "stream", "stream_end", "stream_chunks",
    "stream_max_gap_s", "time_to_headers_s", "time_to_first_chunk_s", "time_to_first_reasoning_s", "input_tokens",
    "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "usage_estimated", "retries",
    "error_type", "error_message",
)  # fmt: skip
"""Fields of an interaction that its JSON has under their own names."""
_DERIVED = ("stream_duration_s", "processing_time_s", "network_time_s", "tokens_per_second", "cache_hit_ratio")
_CONTENT = {"system": "system", "input": "messages", "output": "output", "tools": "tools"}
_SAID = ("id", "name", "kind", "value", "label", "comment", "rater", "source", "annotator_kind")
_SOMETIMES = ("scale", "correction", "signal", "step", "range", "quote", "chosen", "rejected", "margin", "position",
              "ranking", "retracts")  # fmt: skip
_TARGET = ("trace_id", "span_id", "response_id", "message_id", "session", "turn")
_TUPLES = ("scale", "range", "ranking")

EXPLICIT = ("binary", "rating", "score", "categorical")
"""The kinds by which a person rates an answer."""


def feedback_json(f: Feedback) -> dict[str, Any]:
    """`f` as `show --json` prints it: the value as given, the score on a scale of 0 to 1."""
    shown: dict[str, Any] = {name: getattr(f, name) for name in _SAID}
    shown |= {"score": f.score, "time": iso(f.time_ns), "time_ns": f.time_ns, "metadata": dict(f.metadata)}
    shown.update((name, value) for name in _SOMETIMES if (value := getattr(f, name)) not in (None, ()))
    shown["target"] = {name: value for name in _TARGET if (value := getattr(f, name)) not in (None, "")}
    if f.target_start_ns:
        shown["target"]["start_ns"] = f.target_start_ns
    return shown


def feedback_of(shown: Mapping[str, Any]) -> Feedback:
    """The feedback that `feedback_json` made `shown` of; also where its time is ISO text alone."""
    fields: dict[str, Any] = {name: shown[name] for name in (*_SAID, *_SOMETIMES) if shown.get(name) is not None}
    fields |= {name: tuple(fields[name]) for name in _TUPLES if name in fields}
    target = dict(shown.get("target") or {})
    fields |= {"target_start_ns": start} if (start := target.pop("start_ns", 0)) else {}
    time_ns = shown.get("time_ns") or time_of(shown["time"])
    return Feedback(**fields, **target, time_ns=time_ns, metadata=dict(shown.get("metadata") or {}))


def interaction_json(i: Interaction, feedback: Sequence[Feedback] = ()) -> dict[str, Any]:
    """`i` with the feedback on it as `traces --json` and `show --json` print it."""
    return {
        "span_id": i.span_id,
        "trace_id": i.trace_id,
        "start": iso(i.start_ns),
        "start_ns": i.start_ns,
        "end_ns": i.end_ns,
        "duration_s": i.duration_s,
        "ttft_s": i.time_to_first_token_s,
        **{name: getattr(i, name) for name in (*_PLAIN, *_DERIVED)},
        "status": outcome(i),
        "span_status": i.status,
        "finish_reasons": list(i.finish_reasons),
        "context": dict(i.context),
        "implicit_score": mean_score(f for f in feedback if f.kind == "signal"),
        "explicit_score": mean_score(f for f in feedback if f.kind in EXPLICIT),
        "system": list(i.system or ()),
        "messages": list(i.input or ()),
        "output": list(i.output or ()),
        "tools": list(i.tools or ()),
        "captured": [shown for name, shown in _CONTENT.items() if getattr(i, name) is not None],
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


def interaction_of(shown: Mapping[str, Any]) -> Interaction:
    """The interaction that `interaction_json` made `shown` of, whatever was shown with it."""
    fields: dict[str, Any] = {name: shown[name] for name in _PLAIN if shown.get(name) is not None}
    start = shown.get("start_ns") or time_of(shown["start"])
    content: dict[str, Any] = {name: list(shown[key]) for name, key in _CONTENT.items() if shown.get(key)}
    content |= {name: [] for name, key in _CONTENT.items() if key in shown.get("captured", ()) and name not in content}
    return Interaction(
        trace_id=shown["trace_id"],
        span_id=shown["span_id"],
        start_ns=start,
        end_ns=shown.get("end_ns") or start + round((shown.get("duration_s") or 0) * 1e9),
        time_to_first_token_s=shown.get("ttft_s"),
        status=shown.get("span_status") or ("error" if shown.get("status") == "error" else "unset"),
        finish_reasons=tuple(shown.get("finish_reasons") or ()),
        context=dict(shown.get("context") or {}),
        attributes=dict(shown.get("attributes") or {}),
        resource=dict(shown.get("resource") or {}),
        **fields,
        **content,
    )


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


def time_of(text: str) -> int:
    """The nanoseconds since the epoch that `iso` made `text` of, as far as it tells them."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000
