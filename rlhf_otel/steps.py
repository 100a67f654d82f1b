"""The steps of an answer, which feedback may be about one by one: what was thought, done and said, in order.

The application declares them, or they follow from the answer's parts by these rules:

1. Parts are taken in the order in which the model made them, of the first choice alone.
2. A reasoning part is one step for each paragraph: where a blank line stands, outside of fenced code. `reasoning`
3. A call of a tool is a step: its name and its arguments. `tool_call`
4. What a tool gave back within the same answer is a step. `tool_result`
5. All text between two of those is one step. `answer`

An index counts from 0. Empty parts and media are no steps.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlhf_otel import codec, semconv
from rlhf_otel.records import Interaction, Part

_FENCE = re.compile(r"^\s*(```|~~~)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        index: its place, 0 for the first; what `step=` of the verbs means.
        kind: reasoning, tool_call, tool_result or answer; any word where the application declares it.
        content: its text.
        time_ns: when it was made, in nanoseconds since the epoch; None where nobody has said.
    """

    index: int
    kind: str
    content: str
    time_ns: int | None = None


def steps_of(interaction: Interaction) -> tuple[Step, ...]:
    """The steps of an answer: those that the application declared, else those that follow from its parts."""
    declared = codec.parse_json(interaction.attributes.get(semconv.STEPS))
    if isinstance(declared, list | tuple) and declared:
        return tuple(Step(place, *_fields(given)) for place, given in enumerate(declared))
    parts = (interaction.output or [{}])[0].get("parts") or ()
    return tuple(Step(place, kind, content) for place, (kind, content) in enumerate(_split(parts)))


def declared(interaction: Interaction, steps: Iterable[str | Mapping[str, Any]]) -> Interaction:
    """`interaction` with the steps of its answer as the application knows them: for a processor.

    Args:
        interaction: as the processor was given it.
        steps: each its text, or `{"content": ..., "kind": ..., "time_ns": ...}`, in order.
    """
    return dataclasses.replace(interaction, attributes={**interaction.attributes, semconv.STEPS: encoded(steps)})


def encoded(steps: Iterable[str | Mapping[str, Any]]) -> str:
    """Steps as the attribute that carries them."""
    made = (Step(0, *_fields(codec.plain(given))) for given in steps)
    written = ({"kind": each.kind, "content": each.content, "time_ns": each.time_ns} for each in made)
    return codec.dumps([{key: value for key, value in one.items() if value is not None} for one in written])


def _fields(given: Any) -> tuple[str, str, int | None]:
    """Kind, content and time of a step, from whatever stands for one."""
    if not isinstance(given, Mapping):
        return "step", _text(given), None
    time_ns = given.get("time_ns")
    return str(given.get("kind") or "step"), _text(given.get("content")), time_ns if type(time_ns) is int else None


def _split(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    said = ""
    for part in parts:
        if part.get("type") == "text":
            said += _text(part.get("content"))
            continue
        found = list(_of_part(part))
        if found and said.strip():
            yield "answer", said.strip()
        said = "" if found else said
        yield from found
    if said.strip():
        yield "answer", said.strip()


def _of_part(part: Part) -> Iterator[tuple[str, str]]:
    kind = part.get("type")
    if kind == "reasoning":
        yield from (("reasoning", paragraph) for paragraph in paragraphs(_text(part.get("content"))))
    elif kind == "tool_call":
        arguments = part.get("arguments")
        yield "tool_call", f"{part.get('name') or ''}({'' if arguments is None else _text(arguments)})"
    elif kind == "tool_call_response":
        yield "tool_result", _text(part.get("response", part.get("result")))


def paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of `text`, which end at blank lines; a fenced block of code is never cut."""
    held: list[str] = []
    for piece in re.split(r"\n[^\S\n]*\n", text):
        held.append(piece)
        whole = "\n\n".join(held)
        if len(_FENCE.findall(whole)) % 2:
            continue
        held.clear()
        if whole.strip():
            yield whole.strip()
    if (rest := "\n\n".join(held)).strip():
        yield rest.strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else codec.dumps(value)
