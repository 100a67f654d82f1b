"""Signals that nobody has to report: what a person's next question says of the answer before.

A later call shows that the person went on, or asked for the same again. Only finished calls are looked at, where the
pipeline runs, and only by fingerprints of their last messages: nothing of what was said is kept, memory is bounded, and
a long conversation costs no more than a short one.

- `continue`: the call ends with a question that follows an answer which this process has recorded.
- `regenerate`: within one session, the call asks what an answered call has asked before, after the same answer.

Steps of an agent are neither: what follows on a tool's result is no person's doing. What is ambiguous, such as equal
conversations without a session, is left alone.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from rlhf_otel import codec, hooks, semconv
from rlhf_otel.feedback import build
from rlhf_otel.records import Handle, Interaction, Message

CAPACITY = 20_000
"""How many fingerprints are remembered, some four for each call; about 0.3 KB each."""
_OPERATIONS = ("chat", "text_completion", "generate_content")
_ENDS = 500
"""Characters at both ends of a text that, with its length, tell it from others."""
Found = tuple[str, Handle]
"""A signal, and the call whose answer it is about."""


@dataclass(slots=True)
class _Answer:
    """A call whose answer somebody may react to; `None` in its place stands for several that cannot be told apart."""

    handle: Handle
    end_ns: int
    signals: set[str] = field(default_factory=set)


class Turns:
    """What is remembered of the calls so far."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[Hashable, _Answer | None] = OrderedDict()

    def notice(self, interaction: Interaction) -> list[Found]:
        """Takes a finished call; what it says of answers before it."""
        if interaction.operation not in _OPERATIONS or not interaction.output:
            return []
        asked = interaction.input or ()
        question, found = _question(interaction), cast("list[Found]", [])
        if _ends_with_a_person(asked):
            found += self._found("continue", _before(interaction), interaction)
            found += self._found("regenerate", question, interaction)
        if interaction.status != "error":
            self._remember(interaction, question)
        return found

    def forget(self) -> None:
        """Empties the memory."""
        self._known.clear()

    def _found(self, signal: str, keys: Sequence[Hashable], later: Interaction) -> list[Found]:
        """The signal, once for each answer, on the first that one of `keys` finds."""
        for key in keys:
            answer = self._known.get(key)
            if answer is None or answer.end_ns > later.start_ns or signal in answer.signals:
                continue
            answer.signals.add(signal)
            return [(signal, answer.handle)]
        return []

    def _remember(self, interaction: Interaction, question: Sequence[Hashable]) -> None:
        answer = _Answer(interaction.handle, interaction.end_ns)
        for key in (*_answers(interaction), *question):
            is_ambiguous = key in self._known and isinstance(key, tuple) and key[0] == "text"
            self._known[key] = None if is_ambiguous else answer
            self._known.move_to_end(key)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


_turns = Turns()
_seen_by: weakref.ref[Any] | None = None
"""The telemetry whose calls `_turns` remembers."""


def forget() -> None:
    """Empties the memory."""
    _turns.forget()


def _belong_to(telemetry: hooks.Telemetry) -> None:
    """Empties the memory where it is another telemetry's."""
    global _seen_by
    if _seen_by is None or _seen_by() is not telemetry:
        forget()
        _seen_by = weakref.ref(telemetry)


def notice(interaction: Interaction) -> None:
    """Records what a finished call says of answers before it."""
    telemetry = hooks.telemetry
    if telemetry is None:
        return
    _belong_to(telemetry)
    for signal, handle in _turns.notice(interaction):
        hooks.count("signals_detected")
        telemetry.emit(
            build.signalled(
                handle,
                signal,
                id=f"{handle.span_id}:{signal}:detected",
                rater=interaction.user,
                annotator_kind="CODE",
                time_ns=interaction.start_ns,
                metadata={"detected": True, "by": interaction.span_id},
            )
        )


def _answers(interaction: Interaction) -> list[Hashable]:
    """The names by which a later call may refer to the answers of this one."""
    asked, session = interaction.input or (), interaction.session
    question = _fingerprint(asked[-1]) if asked else None
    keys: list[Hashable] = []
    for choice in interaction.output or ():
        if (answer := _fingerprint(choice)) is None:
            continue
        if session is None:
            keys.append(("text", len(asked), question, answer))
        else:
            keys += [("session", session, question, answer), ("cut", session, answer)]
    if interaction.response_id:
        keys.append(("response", interaction.response_id))
    return keys


def _before(interaction: Interaction) -> list[Hashable]:
    """The names of the answer that the last question of a call follows on."""
    if (previous := interaction.attributes.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID)) is not None:
        return [("response", previous)]
    asked = interaction.input or ()
    place = _last_answer(asked)
    if place is None or (answer := _fingerprint(asked[place])) is None:
        return []
    session = interaction.session
    if place == 0:  # the history before has been cut off
        return [] if session is None else [("cut", session, answer)]
    question = _fingerprint(asked[place - 1])
    return [("text", place, question, answer) if session is None else ("session", session, question, answer)]


def _question(interaction: Interaction) -> list[Hashable]:
    """The name of what a call asks, within its session: the messages since the last answer, and that answer."""
    asked = interaction.input or ()
    if interaction.session is None or not asked:
        return []
    place = _last_answer(asked)
    since = tuple(_fingerprint(message) for message in asked[(0 if place is None else place) :])
    previous = interaction.attributes.get(semconv.REQUEST_PREVIOUS_RESPONSE_ID)
    return [("question", interaction.session, previous, len(asked), since)]


def _last_answer(messages: Sequence[Message]) -> int | None:
    places = range(len(messages) - 1, -1, -1)
    return next((place for place in places if messages[place].get("role") == "assistant"), None)


def _ends_with_a_person(messages: Sequence[Message]) -> bool:
    """Whether a person spoke last, and not a tool, which some providers put into a message of the user's."""
    last = messages[-1] if messages else {}
    kinds = {part.get("type") for part in last.get("parts") or ()}
    return last.get("role") == "user" and bool(kinds) and "tool_call_response" not in kinds


def _fingerprint(message: Message) -> int | None:
    """A hash of what a message says, white space around it aside; None where it says nothing.

    It is Python's own, which holds in this process alone, as everything here does, and takes a tenth of the time.
    """
    said: list[Any] = [str(message.get("role"))]
    for part in message.get("parts") or ():
        kind = part.get("type")
        if kind == "text" and (words := str(part.get("content", "")).strip()):
            said += (len(words), words[:_ENDS], words[-_ENDS:])
        elif kind == "tool_call":
            said.append(codec.dumps((part.get("name"), part.get("arguments"))))
        elif kind == "tool_call_response":
            said.append(codec.dumps(part.get("response")))
        elif kind in ("uri", "file", "blob"):
            said.append(codec.dumps((part.get("uri"), part.get("file_id"))))
    return None if len(said) == 1 else hash((*said,))
