"""What of a call and of feedback is captured, part by part: by setting, by provider, by session."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from rlhf_otel import semconv

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.records import Feedback, Interaction, Message, Part

OF_CALLS = frozenset({"system", "input", "output", "reasoning", "tools", "tool_calls", "tool_results", "media"})
"""Prompts and answers, which OpenTelemetry's own switch is about."""
PARTS = OF_CALLS | {"error", "context", "comment", "correction", "metadata"}
"""All that may be switched: these, what an error says, what the application told us, and what people write."""
Parts = frozenset[str]
WITHHELD = "[withheld]"
_EMPTIED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "reasoning": ("reasoning", ("content",)),
    "tool_call": ("tool_calls", ("arguments",)),
    "tool_call_response": ("tool_results", ("response", "result")),
    "uri": ("media", ("uri",)),
    "file": ("media", ("file_id",)),
    "blob": ("media", ("content", "data")),
}
"""The type of a part of a message -> what it is switched off with, and what goes then. That it was there stays."""
Record = TypeVar("Record", "Interaction", "Feedback")


def chosen(words: Iterable[str]) -> Parts:
    """The parts that `words` name: all, none, names, and names with a minus before them for all but these.

    Raises:
        ValueError: a word is none of these.
    """
    given = [word.strip().lower() for word in words if word.strip()]
    named = frozenset(word for word in given if word in PARTS)
    without = frozenset(word[1:] for word in given if word.startswith("-"))
    if unknown := {*given} - named - {"all", "none"} - {f"-{word}" for word in without & PARTS}:
        raise ValueError(f"there is no part {min(unknown)!r}; there are {', '.join(sorted(PARTS))}")
    if "none" in given:
        return frozenset()
    parts = named if named and "all" not in given else PARTS
    return parts - without if without else parts


def asked_for(capture: bool | str | Iterable[str] | None) -> Parts | None:
    """The parts that `rlhf.context(capture=...)` lets be captured; None for whatever the settings say.

    Raises:
        ValueError: it names something else than parts.
    """
    if capture is None or capture is True:
        return None
    if capture is False:
        return frozenset({"context", "metadata"})
    return chosen(capture.split(",") if isinstance(capture, str) else capture)


def of_settings(config: Config, *, content: bool | None = None) -> Parts:
    """The parts that the settings let be captured.

    Args:
        config: the settings.
        content: whether prompts and answers may be, where that is not as the settings say.
    """
    parts = chosen(config.capture_parts)
    content = config.captures_content if content is None else content
    if not content:
        parts -= OF_CALLS
        if config.is_set("capture") and not config.is_set("capture_parts"):
            parts -= {"error"}  # many a message of an error repeats what was asked
    return parts


def of_provider(parts: Parts, config: Config, provider: str) -> Parts:
    """What is left of `parts` for the calls of one provider."""
    words: Sequence[str] = config.capture_providers
    named = {word for word in words if not word.startswith("-")}
    may = f"-{provider}" not in words and (not named or "all" in named or provider in named)
    return parts if may else parts - OF_CALLS - {"error"}


def limited(interaction: Interaction, parts: Parts) -> Interaction:
    """`interaction` with nothing but `parts`; the same object where it has nothing else."""
    if parts is PARTS or parts >= PARTS:
        return interaction
    i = interaction
    changes: dict[str, Any] = {name: None for name in ("system", "tools") if name not in parts and getattr(i, name)}
    for name in ("input", "output"):
        messages = getattr(i, name)
        if messages and (kept := _messages(messages, parts) if name in parts else None) is not messages:
            changes[name] = kept
    if "output" not in parts and semconv.STEPS in i.attributes:
        changes["attributes"] = {key: value for key, value in i.attributes.items() if key != semconv.STEPS}
    if "error" not in parts and i.error_message:
        changes["error_message"] = WITHHELD
    if "context" not in parts and i.context:
        changes["context"] = {}
    return replace(i, **changes) if changes else i


def limited_feedback(feedback: Feedback, parts: Parts) -> Feedback:
    """`feedback` with nothing but `parts` of what somebody wrote; the vote itself stays."""
    if parts >= PARTS:
        return feedback
    gone = {"comment": ("comment",), "correction": ("correction", "quote")}
    changes: dict[str, Any] = {
        name: None for part, names in gone.items() if part not in parts for name in names if getattr(feedback, name)
    }
    if "metadata" not in parts and feedback.metadata:
        changes["metadata"] = {}
    if "comment" not in parts and feedback.kind == "custom":
        changes["value"] = None
    return replace(feedback, **changes) if changes else feedback


def _messages(messages: Sequence[Message], parts: Parts) -> Sequence[Message]:
    made = [_message(message, parts) for message in messages]
    return messages if all(a is b for a, b in zip(made, messages, strict=True)) else made


def _message(message: Message, parts: Parts) -> Message:
    before = message.get("parts") or ()
    made = [_part(part, parts) for part in before]
    return message if all(a is b for a, b in zip(made, before, strict=True)) else {**message, "parts": made}


def _part(part: Part, parts: Parts) -> Part:
    switch, fields = _EMPTIED.get(str(part.get("type")), ("", ()))
    if not switch or switch in parts or not any(field in part for field in fields):
        return part
    return {key: value for key, value in part.items() if key not in fields}
