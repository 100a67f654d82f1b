"""Answers that come in batches: each becomes a call of its own, once, with the question that it answers.

The questions of batches that this process made are kept until their answers are read, within a bound. An answer whose
question is not known, as it was asked elsewhere or long ago, is recorded without it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from opentelemetry import context as otel_context
from opentelemetry import trace

from rlhf_otel import hooks, semconv
from rlhf_otel.instrumentation.call import Call

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.endpoint import Endpoint

MOST_BYTES = 16 * 1024 * 1024
"""How much of questions is kept at most; the oldest are forgotten first."""
MOST_ANSWERS = 100_000
"""How many answers are known to have been recorded; about 0.1 KB each."""

_Key = tuple[str, str]


class Memory:
    """The questions that wait for their answers, and which answers have been recorded."""

    def __init__(self, most_bytes: int = MOST_BYTES, most_answers: int = MOST_ANSWERS) -> None:
        self._most_bytes = most_bytes
        self._most_answers = most_answers
        self._questions: OrderedDict[_Key, tuple[str | None, bytes]] = OrderedDict()
        self._bytes = 0
        self._recorded: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.RLock()  # a finalizer may run inside it, on the same thread
        hooks.after_fork(self._renew_lock)

    def keep(self, batch: str, custom_id: str, model: Any, body: bytes) -> None:
        """Keeps a question: the model that is asked, and the body that it would have as a request of its own."""
        with self._lock:
            self._forget((batch, custom_id))
            self._questions[batch, custom_id] = (model if isinstance(model, str) else None, body)
            self._bytes += len(body)
            while self._bytes > self._most_bytes:
                self._forget(next(iter(self._questions)))

    def take(self, batch: str, custom_id: str) -> tuple[str | None, bytes | None]:
        """Model and body of a question, which is forgotten then; None where it is not known."""
        with self._lock:
            return self._forget((batch, custom_id)) or (None, None)

    def is_new(self, batch: str, custom_id: str) -> bool:
        """Whether this answer has not been recorded yet; from now on it has."""
        key = hash((batch, custom_id))
        with self._lock:
            if key in self._recorded:
                return False
            self._recorded[key] = None
            if len(self._recorded) > self._most_answers:
                self._recorded.popitem(last=False)
        return True

    def _forget(self, key: _Key) -> tuple[str | None, bytes] | None:
        known = self._questions.pop(key, None)
        self._bytes -= len(known[1]) if known is not None else 0
        return known

    def _renew_lock(self) -> None:
        self._lock = threading.RLock()


memory = Memory()


def record_answer(
    source: Call,
    endpoint: Endpoint,
    *,
    batch: str,
    custom_id: str,
    answer: Any,
    failure: tuple[str, str | None] | None = None,
) -> None:
    """Records one answer of `batch`, which was read by the call `source`, unless it has been before.

    It has no duration of its own: nobody has seen when the model was at work.

    Args:
        source: the call that reads the answers.
        endpoint: the readers of a single request of this kind.
        batch: the id of the batch.
        custom_id: the application's id of the question.
        answer: what the single request would have returned; None where there is none.
        failure: type and message of what went wrong.
    """
    if not memory.is_new(batch, custom_id):
        return
    model, body = memory.take(batch, custom_id)
    server = (semconv.SERVER_ADDRESS, semconv.SERVER_PORT)
    known: dict[str, Any] = {key: source.attributes[key] for key in server if key in source.attributes}
    known |= {semconv.BATCH_ID: batch, semconv.BATCH_CUSTOM_ID: custom_id}
    call = Call(source.telemetry, endpoint, provider=source.provider, model=model, attributes=known)
    token = otel_context.attach(trace.set_span_in_context(source.span)) if source.is_open else None
    try:
        call.start()
    finally:
        if token is not None:
            otel_context.detach(token)
    hooks.count("calls")
    if body is not None:
        call.sent(body)
    if answer is not None:
        call.read(endpoint.response, answer)
    call.failure = failure or call.failure
    call.finish()
