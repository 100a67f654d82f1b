"""The answers of each session in their order, where the store cannot count them because it has not got all."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlhf_otel import hooks

if TYPE_CHECKING:
    from rlhf_otel.records import Handle

CALLS = 20_000
"""How many of the newest calls are remembered, about 0.5 KB each; of sessions before, only how far they had come."""
SESSIONS = 50_000
_ANSWERS_OF = ("chat", "text_completion", "generate_content")


@dataclass(slots=True)
class _Session:
    calls: list[tuple[Handle, int]] = field(default_factory=list)  # each with its place, -1 where it has none
    turns: int = 0


class Turns:
    """What is remembered of the sessions of this process. Safe to share between threads."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._with_calls: OrderedDict[str, None] = OrderedDict()  # the one to forget next first
        self._calls = 0
        self._lock = threading.RLock()  # a finalizer may end a call inside it, on the same thread
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def note(self, session: str, handle: Handle, operation: str, *, failed: bool) -> None:
        """Takes notice of a call that has ended."""
        with self._lock:
            state = self._sessions.setdefault(session, _Session())
            is_turn = operation in _ANSWERS_OF and not failed
            state.calls.append((handle, state.turns if is_turn else -1))
            state.turns += is_turn
            self._calls += 1
            self._sessions.move_to_end(session)
            self._with_calls[session] = None
            self._with_calls.move_to_end(session)
            self._forget_the_oldest()

    def find(self, session: str, turn: int | None, before_ns: int) -> Handle | None:
        """The answer in this place of the session, else its newest call before this time; None where nobody knows."""
        with self._lock:
            state = self._sessions.get(session)
            calls = [] if state is None else list(state.calls)
        if turn is not None:
            return next((handle for handle, place in calls if place == turn), None)
        earlier = (handle for handle, _ in calls if handle.start_ns <= before_ns)
        return max(earlier, key=lambda handle: handle.start_ns, default=None)

    def _forget_the_oldest(self) -> None:
        while self._calls > CALLS:
            oldest = self._sessions[next(iter(self._with_calls))]
            self._calls -= 1
            del oldest.calls[0]
            if not oldest.calls:
                self._with_calls.popitem(last=False)
        if len(self._sessions) > SESSIONS:
            name, gone = self._sessions.popitem(last=False)
            self._calls -= len(gone.calls)
            self._with_calls.pop(name, None)
