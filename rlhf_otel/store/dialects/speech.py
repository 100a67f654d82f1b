"""A span of another emitter while it is being translated, and what all translators share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from rlhf_otel import semconv as s
from rlhf_otel.codec import parse_json
from rlhf_otel.records import Message, Part

_MOST_LEVELS = 12


@dataclass(slots=True)
class Speech:
    """What an emitter says of a call. Translators change it in place: what they have understood they take away.

    Attributes:
        attributes: of the span.
        events: of the span, as plain values.
        scope: the name of its instrumentation scope.
        start_ns: when the call began.
        end_ns: when it ended.
        is_call: whether it may be a call at all; a translator that knows better says so.
    """

    attributes: dict[str, Any]
    events: list[dict[str, Any]] = field(default_factory=list)
    scope: str = ""
    start_ns: int = 0
    end_ns: int = 0
    is_call: bool = True

    def rename(self, names: Mapping[str, str]) -> None:
        """Gives attributes their names of today; what says something else than the one of that name is left."""
        for old, new in names.items():
            if old in self.attributes and self.attributes.get(new, self.attributes[old]) == self.attributes[old]:
                self.attributes[new] = self.attributes.pop(old)

    def give(self, name: str, value: Any) -> None:
        """Sets the attribute `name`, unless it is there or `value` says nothing."""
        if value is not None and value not in ("", []):
            self.attributes.setdefault(name, value)

    def give_named(self, names: Mapping[str, str], values: Mapping[str, Any] | None) -> None:
        """Sets what `values` says under their own `names`, by the names of today."""
        for name, value in (values or {}).items():
            if name in names:
                self.give(names[name], value)

    def give_first_token(self, time_ns: int) -> None:
        """Sets how long the first token took, which came at `time_ns`."""
        self.give(s.TIME_TO_FIRST_TOKEN, max(0, time_ns - self.start_ns) / 1e9)

    def take(self, name: str) -> Any:
        """The attribute `name`, which is then gone; None where there is none."""
        return self.attributes.pop(name, None)

    def take_events(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names, which are then gone."""
        taken = [event for event in self.events if event["name"] in names]
        if taken:
            self.events[:] = [event for event in self.events if event["name"] not in names]
        return taken

    def take_numbered(self, prefix: str) -> list[Any]:
        """What is spread over `prefix.0.a`, `prefix.0.b.c`, `prefix.1.a` and so on, as a list of dictionaries."""
        start = prefix + "."
        keys = [key for key in self.attributes if key.startswith(start)]
        spread: dict[str, Any] = {}
        for key in keys:
            _put(spread, key[len(start) :].split(".", _MOST_LEVELS), self.attributes[key])
        entries = _lists(spread)
        if not isinstance(entries, list):
            return []
        for key in keys:
            del self.attributes[key]
        return entries


def _put(spread: dict[str, Any], path: list[str], value: Any) -> None:
    for step in path[:-1]:
        inner = spread.setdefault(step, {})
        spread = inner if isinstance(inner, dict) else spread.setdefault(f"{step}.", {})
    spread[path[-1]] = value


def _lists(value: Any) -> Any:
    """`value` with each dictionary whose keys are numbers made a list, in their order."""
    if not isinstance(value, dict):
        return value
    inner = {key: _lists(item) for key, item in value.items()}
    if inner and all(key.isascii() and key.isdigit() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def messages_of(value: Any, role: str = "user") -> list[Message]:
    """Messages in the conventions' form, of whatever form `value` is in: theirs, a provider's, or plain text.

    Args:
        value: messages, one message, their JSON, or text.
        role: of what names none itself.
    """
    value = parse_json(value)
    if isinstance(value, Mapping) and isinstance(value.get("messages"), list):
        value = value["messages"]
    entries = value if isinstance(value, list | tuple) else [value]
    return [made for entry in entries if (made := message_of(entry, role)) is not None]


def message_of(entry: Any, role: str) -> Message | None:
    """One message; None of what says nothing."""
    if isinstance(entry, str):
        return {"role": role, "parts": [text_part(entry)]} if entry else None
    if not isinstance(entry, Mapping):
        return None
    if isinstance(entry.get("parts"), list):
        return {**{"role": role}, **entry}
    said = str(entry.get("role") or role)
    made: Message = {"role": said, "parts": list(_parts(entry, said))}
    if isinstance(finish := entry.get("finish_reason"), str):
        made["finish_reason"] = finish
    return made


def _parts(entry: Mapping[str, Any], role: str) -> Iterator[Part]:
    content, answered = entry.get("content"), entry.get("tool_call_id") or entry.get("id")
    if role == "tool" and answered:
        yield {"type": "tool_call_response", "id": str(answered), "response": content}
        content = None
    if isinstance(reasoning := entry.get("reasoning_content"), str) and reasoning:
        yield {"type": "reasoning", "content": reasoning}
    yield from parts_of(content)
    calls = entry.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, Mapping):
            yield tool_call_part(call)


def parts_of(content: Any) -> Iterator[Part]:
    """The parts of a message's content: text, or a list of blocks in a provider's form."""
    if isinstance(content, str):
        if content:
            yield text_part(content)
    elif isinstance(content, Mapping):
        yield from parts_of([content])
    elif isinstance(content, Iterable):
        for block in content:
            yield _block_part(block) if isinstance(block, Mapping) else text_part(str(block))


def _block_part(block: Mapping[str, Any]) -> Part:
    kind = block.get("type")
    if isinstance(text := block.get("text"), str) and kind in ("text", "input_text", "output_text", None):
        return text_part(text)
    if kind == "thinking":
        return {"type": "reasoning", "content": block.get("thinking", "")}
    if kind == "tool_use":
        return tool_call_part(block)
    if kind == "tool_result":
        return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": block.get("content")}
    return dict(block)


def text_part(text: str) -> Part:
    """A part that is text."""
    return {"type": "text", "content": text}


def tool_call_part(call: Mapping[str, Any]) -> Part:
    """A part that asks for a tool; its arguments parsed, where they are JSON."""
    inner = call.get("function")
    function: Mapping[str, Any] = inner if isinstance(inner, Mapping) else call
    part: Part = {"type": "tool_call", "name": function.get("name") or "", "id": call.get("id")}
    arguments = function.get("arguments", function.get("input"))
    if arguments is not None:
        part["arguments"] = parse_json(arguments)
    return part


def listed(value: Any) -> list[Any]:
    """A list, of whichever form it is in: itself, its JSON, or a single value."""
    value = parse_json(value)
    if isinstance(value, list | tuple):
        return list(value)
    return [] if value is None else [value]


def as_json(value: Any) -> Any:
    """`value` parsed where it is the JSON of an object; else None."""
    if not isinstance(value, str):
        return value if isinstance(value, Mapping) else None
    try:
        parsed = json.loads(value)
    except ValueError:
        return None
    return parsed if isinstance(parsed, Mapping) else None
