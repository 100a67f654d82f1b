"""The words in what waits: where they are, and how they are changed without a change to anything else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from rlhf_otel import codec, semconv
from rlhf_otel.export.spool import frames
from rlhf_otel.export.wire import REQUESTS

_NAMES = {
    semconv.INPUT_MESSAGES: "input",
    semconv.OUTPUT_MESSAGES: "output",
    semconv.SYSTEM_INSTRUCTIONS: "system",
    semconv.TOOL_DEFINITIONS: "tools",
    semconv.STEPS: "steps",
    semconv.EVALUATION_EXPLANATION: "comment",
    semconv.FEEDBACK_CORRECTION: "correction",
    semconv.FEEDBACK_QUOTE: "quote",
    semconv.FEEDBACK_VALUE: "value",
}
"""What attributes with words are called here; those behind a prefix keep the name that the application gave."""
_PREFIXES = {semconv.CONTEXT: "context.", semconv.FEEDBACK_METADATA: "metadata."}
_ERROR = "error"
_NO_WORDS = frozenset({"type", "role", "id", "name", "finish_reason", "modality", "mime_type", "media_type", "file_id",
                       "kind"})  # fmt: skip
_THEIRS = frozenset({"arguments", "response", "result"})
"""Beneath these the keys are those of an application: what it calls a name may be that of a person."""
Change = Callable[[str, str], str]
"""Takes the name of a text and the text, and gives what it is to say."""


def texts(frame: int, payload: bytes) -> dict[str, str]:
    """The texts of an item by name, such as `output.0.parts.0.content`, in their order."""
    found: dict[str, str] = {}

    def noted(name: str, text: str) -> str:
        found[name] = text
        return text

    changed(frame, payload, noted)
    return found


def changed(frame: int, payload: bytes, change: Change, redacted: Callable[[Any], Any] | None = None) -> bytes:
    """`payload` with its texts changed, and marked as edited where any was.

    Args:
        frame: the kind of frame that it is.
        payload: an export request with one item.
        change: says what each text is to be.
        redacted: takes secrets out of what was changed.
    """
    is_span = frame & ~frames.LOCAL == frames.SPANS
    request = REQUESTS["traces" if is_span else "logs"].FromString(payload)
    is_edited = False
    for item in _items(request, is_span):
        before = item.SerializeToString()
        for attribute in item.attributes:
            if (name := _name_of(attribute.key)) is not None and attribute.value.HasField("string_value"):
                attribute.value.string_value = _changed(name, attribute.value.string_value, change, redacted)
        if is_span and item.status.message:
            item.status.message = _changed(_ERROR, item.status.message, change, redacted)
        if item.SerializeToString() != before:
            is_edited = True
            _mark(item, semconv.REVIEW_EDITED if is_span else semconv.FEEDBACK_METADATA + "edited")
    return bytes(request.SerializeToString()) if is_edited else payload


def _items(request: Any, is_span: bool) -> Iterator[Any]:
    for group in request.resource_spans if is_span else request.resource_logs:
        for scoped in group.scope_spans if is_span else group.scope_logs:
            yield from scoped.spans if is_span else scoped.log_records


def _name_of(key: str) -> str | None:
    if key in _NAMES:
        return _NAMES[key]
    return next((name + key.removeprefix(start) for start, name in _PREFIXES.items() if key.startswith(start)), None)


def _changed(name: str, text: str, change: Change, redacted: Callable[[Any], Any] | None) -> str:
    """A text, or JSON with texts in it, which stays JSON."""
    try:
        held = json.loads(text) if text[:1] in "[{" else text
    except (ValueError, RecursionError):
        held = text
    made = _walked(name, held, change, has_our_keys=not name.startswith(tuple(_PREFIXES.values())))
    if made == held:
        return text
    made = redacted(made) if redacted is not None else made
    return made if isinstance(made, str) else codec.dumps(made)


def _walked(name: str, value: Any, change: Change, *, has_our_keys: bool) -> Any:
    if isinstance(value, str):
        return change(name, value)
    if isinstance(value, list):
        return [_walked(f"{name}.{place}", each, change, has_our_keys=has_our_keys) for place, each in enumerate(value)]
    if isinstance(value, dict):
        skipped = _skipped(value) if has_our_keys else ()
        return {key: each if key in skipped and isinstance(each, str)
                else _walked(f"{name}.{key}", each, change, has_our_keys=has_our_keys and key not in _THEIRS)
                for key, each in value.items()}  # fmt: skip
    return value


def _skipped(value: dict[str, Any]) -> frozenset[str]:
    """The keys whose values are no words. The name of a tool is none; that of somebody who speaks is."""
    return _NO_WORDS - {"name"} if "role" in value else _NO_WORDS


def _mark(item: Any, key: str) -> None:
    if all(attribute.key != key for attribute in item.attributes):
        item.attributes.add(key=key).value.bool_value = True
