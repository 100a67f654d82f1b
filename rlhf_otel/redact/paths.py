"""Values that are secret by where they stand: `input[*].parts[*].arguments.ssn`, `context.notes`, `attributes.*`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rlhf_otel import codec
from rlhf_otel.redact.rule import Placeholder, compiled

_STEP: Final = r"\.?(?:(?P<name>[A-Za-z_][\w-]*|\*)|\[(?P<index>\d+|\*)\]|\[?\"(?P<quoted>[^\"]+)\"\]?)"
_KEPT: Final = ("role", "type")
"""What says of a message or a part what it is, and nothing else."""
Step = str | int
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class PathRule:
    """A place in an interaction or in feedback.

    Attributes:
        name: what stands in the place of what is there: `[REDACTED:name]`.
        field: the field of the record that it begins with.
        steps: from there on: keys, indices, and `*` for each of them.
    """

    name: str
    field: str
    steps: tuple[Step, ...]


def parse(name: str, path: str, fields: tuple[str, ...]) -> PathRule:
    """The rule that `path` spells.

    Raises:
        ValueError: it is no path, or begins with something else than one of `fields`.
    """
    steps, at = [], 0
    while at < len(path):
        found = compiled(_STEP).match(path, at)
        if found is None or (at > 0 and path[at] not in '.["'):
            raise ValueError(f"{path!r} is no path from its character {at + 1} on")
        index = found["index"]
        steps.append(found["name"] or found["quoted"] or (int(index) if index.isdigit() else ANY))
        at = found.end()
    if not steps or steps[0] not in fields:
        raise ValueError(f"the path {path!r} begins with none of {', '.join(fields)}")
    return PathRule(name, str(steps[0]), tuple(steps[1:]))


def masked(value: Any, steps: tuple[Step, ...], mark: Placeholder, name: str) -> Any:
    """`value` with what is at `steps` within it replaced; the same object where there is nothing.

    JSON in a text, such as the arguments of a tool, is gone into as if it were not one.
    """
    if not steps:
        return _all_masked(value, mark, name)
    if isinstance(value, str):
        return _within_text(value, steps, mark, name)
    step, rest = steps[0], steps[1:]
    if isinstance(value, Mapping):
        keys = [key for key in value if step == ANY or str(key) == str(step)]
        made = {key: masked(value[key], rest, mark, name) for key in keys}
        return {**value, **made} if any(made[key] is not value[key] for key in made) else value
    if isinstance(value, list | tuple):
        made_items = [masked(item, rest, mark, name) if step in (ANY, at) else item for at, item in enumerate(value)]
        return value if all(a is b for a, b in zip(made_items, value, strict=True)) else made_items
    return value


def _within_text(text: str, steps: tuple[Step, ...], mark: Placeholder, name: str) -> str:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return mark(name, text)  # what cannot be gone into may have it
    clean = masked(value, steps, mark, name)
    return text if clean is value else codec.whole(json.dumps(clean, ensure_ascii=False))


def _all_masked(value: Any, mark: Placeholder, name: str) -> Any:
    """`value` without a word or a number of it; what it is made of stays."""
    if isinstance(value, Mapping):
        return {key: item if key in _KEPT else _all_masked(item, mark, name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_all_masked(item, mark, name) for item in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    return mark(name, value if isinstance(value, str) else str(value))
