"""When to ask a person what they think, and a plain way to ask in a terminal."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, TextIO

from rlhf_otel import config, handles, hooks
from rlhf_otel.records import Feedback, Handle

SESSIONS = ANSWERS = 10_000
"""How many of each are remembered."""
MOST_PATIENT = 16
"""However often somebody dismisses the question, it comes again after this many times the usual number of answers."""
_NO_ASKING = ("signal", "retraction")


@dataclass(slots=True)
class _Session:
    newest: str = ""  # the last answer that was counted
    answers: int = 0  # since the last question
    patience: int = 1  # doubled by each dismissal


class Asking:
    """What is known of the sessions of this process. Safe to share between threads."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._settled: OrderedDict[str, str] = OrderedDict()  # answers that were asked about, with their session
        self._lock = threading.RLock()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()

    def is_due(self, session: str, span_id: str, every: int) -> bool:
        """Whether now is the time; counts the answer, once."""
        with self._lock:
            if every < 1 or span_id in self._settled:
                return False
            state = self._session(session)
            if span_id != state.newest:
                state.newest, state.answers = span_id, state.answers + 1
            if state.answers < every * state.patience:
                return False
            state.answers = 0
            self._settle(span_id, session)
            return True

    def dismissed(self, session: str) -> None:
        """Somebody did not want to say anything: the next question comes after twice as many answers."""
        with self._lock:
            state = self._session(session)
            state.patience = min(2 * state.patience, MOST_PATIENT)

    def given(self, feedback: Feedback) -> None:
        """Somebody has said something: that answer is settled, and the next question comes at the usual time."""
        if feedback.kind in _NO_ASKING or not feedback.span_id:
            return
        with self._lock:
            session = self._settled.get(feedback.span_id)
            if session is not None and session in self._sessions:
                self._sessions[session].patience = 1
            self._settle(feedback.span_id, session or "")

    def forget(self) -> None:
        """Everything as at the start."""
        with self._lock:
            self._sessions.clear()
            self._settled.clear()

    def _session(self, session: str) -> _Session:
        state = self._sessions.setdefault(session, _Session())
        self._sessions.move_to_end(session)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return state

    def _settle(self, span_id: str, session: str) -> None:
        self._settled[span_id] = session
        if len(self._settled) > ANSWERS:
            self._settled.popitem(last=False)


_asking = Asking()
given, forget = _asking.given, _asking.forget


def should_ask(session: str, answer: Any = None, *, every: int | None = None) -> bool:
    """Whether to ask now what the person thinks of the answer that they were just given. Call it after each answer.

    True for every fifth answer of the session (the setting `ask_every`), less often after each `dismissed`, and never
    twice for one answer, nor for one that was rated already.

    Args:
        session: the conversation.
        answer: a response or handle; the newest call of this thread or task by default.
        every: stands for the setting.
    """
    handle = handles.last() if answer is None else handles.handle(answer)
    if handle is None:
        return False  # nothing was recorded: there is nothing to rate
    if every is None:
        every = config.DEFAULT_ASK_EVERY if hooks.settings is None else hooks.settings.ask_every
    return _asking.is_due(str(session), handle.span_id, every)


def dismissed(session: str) -> None:
    """Tells that the person did not want to say anything; the next question comes after twice as many answers."""
    hooks.count("dismissed")
    _asking.dismissed(str(session))


def ask(
    answer: Any = None,
    *,
    session: str | None = None,
    stdin: TextIO | None = None,
    out: TextIO | None = None,
    **fields: Any,
) -> str:
    """Asks in a terminal: a rating from 1 to 5, and a comment. With the extra `[tui]` by keys, else line by line.

    Args:
        answer: what to rate, as the target of `record`; the newest call of this thread or task by default.
        session: whose next question comes later if this one is dismissed.
        stdin: stands for `sys.stdin`; a question with lines is asked there.
        out: where that is written, `sys.stderr` by default: stdout is the application's.
        fields: further keywords of `record`, such as `rater`.

    Returns:
        `submitted` or `dismissed`.
    """
    from rlhf_otel.feedback.api import record

    target: Handle | Any = handles.last() if answer is None else answer
    by_keys = hooks.prompt() if hooks.prompt is not None and stdin is None and out is None else None
    said = by_keys() if by_keys is not None else _by_lines(stdin or sys.stdin, out or sys.stderr)
    if target is None or said is None:
        if session is not None:
            dismissed(session)
        return "dismissed"
    taken = record(target, said.rating, scale=(1, 5), comment=said.comment, **fields)
    return "dismissed" if taken is None else "submitted"


def _by_lines(stdin: TextIO, out: TextIO) -> hooks.Opinion | None:
    """In any terminal. An empty line skips."""
    rating = _rating(stdin, out)
    return None if rating is None else hooks.Opinion(rating, _line("Comment (Enter for none): ", stdin, out) or None)


def _rating(stdin: TextIO, out: TextIO) -> int | None:
    for _ in range(3):
        said = _line("How good was that, from 1 to 5? (Enter skips) ", stdin, out)
        if not said or said in ("1", "2", "3", "4", "5"):
            return int(said) if said else None
        out.write("A number from 1 to 5 is expected.\n")
    return None


def _line(question: str, stdin: TextIO, out: TextIO) -> str:
    """What somebody types, without the white space around it; empty also at the end of the input."""
    out.write(question)
    out.flush()
    return stdin.readline().strip()
