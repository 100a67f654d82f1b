"""What was said in a call, where an emitter sends it in log events of its own and not on the span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.otel_records import LogRecord
from rlhf_otel.store.dialects.genai import CHOICE, MESSAGE_EVENTS, message_of_event
from rlhf_otel.store.dialects.speech import messages_of, parts_of

FIELDS = {"system": s.SYSTEM_INSTRUCTIONS, "input": s.INPUT_MESSAGES, "output": s.OUTPUT_MESSAGES,
          "tools": s.TOOL_DEFINITIONS}  # fmt: skip
"""The fields of an interaction that an event may bring, with the attributes that they come in."""


def content_of(log: LogRecord) -> dict[str, Any]:
    """By field what `log` says of the content of the call that it belongs to; empty for any other log record."""
    if not log.span_id:
        return {}
    if log.event_name == s.DETAILS_EVENT:
        told = {**(log.body if isinstance(log.body, Mapping) else {}), **log.attributes}
        return {field: _content(field, told[name]) for field, name in FIELDS.items() if told.get(name)}
    if log.event_name in MESSAGE_EVENTS:
        body = log.body if isinstance(log.body, Mapping) and log.body else log.attributes
        message = message_of_event(log.event_name, body)
        return {} if message is None else {"output" if log.event_name == CHOICE else "input": [message]}
    return {}


def _content(field: str, value: Any) -> list[Any]:
    if field in ("input", "output"):
        return list(messages_of(value, "user" if field == "input" else "assistant"))
    parsed = parse_json(value)
    if field == "system":
        return list(parts_of(parsed))
    return [tool for tool in parsed if isinstance(tool, Mapping)] if isinstance(parsed, list) else []


def filled(content: Mapping[str, Any], told: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """`content` of an interaction with what its events, in their order, have to add; None where that is nothing.

    A field that the span itself told stays as it is. One that events told grows as more of them come.
    """
    changed: dict[str, Any] = {}
    for field in FIELDS:
        gathered = [item for each in told for item in each.get(field) or ()]
        present = content.get(field)
        grows = present is None or (len(gathered) > len(present) and all(item in gathered for item in present))
        if gathered and grows:
            changed[field] = gathered
    return {**content, **changed} if changed else None
