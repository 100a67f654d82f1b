"""Calls that were sampled out, kept back for a while in case somebody rates them.

Nothing of them is read, written or sent: what is kept is what the call itself had, in memory. Feedback brings a call
back, and it goes the way that every call goes. What nobody has rated in time, or what is more than may be kept, is let
go, oldest first.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rlhf_otel import handles, hooks
from rlhf_otel.export.rated import Rated
from rlhf_otel.export.turns import Turns
from rlhf_otel.store.files import in_full

if TYPE_CHECKING:
    from rlhf_otel.config import Config
    from rlhf_otel.hooks import SampledOut
    from rlhf_otel.records import Feedback, Handle

OF_EACH = 4096
"""Bytes that a call takes besides what was said."""
_AWAITED = 10_000
_LISTEN_S = 1.0
_NAMES = ("response_id", "message_id")


class Held(NamedTuple):
    """A call that waits, until when, and what it takes."""

    call: SampledOut
    until: float
    size: int


class Hold:
    """The calls of this process that wait. Safe to share between threads."""

    def __init__(
        self,
        age_s: float,
        most_bytes: int,
        brought_by: tuple[str, ...],
        bring_back: Callable[[SampledOut], None],
        *,
        elsewhere: Rated | None = None,
    ) -> None:
        """Nothing waits yet.

        Args:
            age_s: how long a call waits.
            most_bytes: how much may wait.
            brought_by: whose feedback brings a call back: human, signal, program.
            bring_back: sends a call on its way.
            elsewhere: tells other processes what was rated here, and hears it from them; None where each is alone.
        """
        self._elsewhere = elsewhere
        self.age_s, self._most_bytes, self._brought_by, self._bring_back = age_s, most_bytes, brought_by, bring_back
        self._renew()
        hooks.after_fork(self._renew)

    def _renew(self) -> None:
        """What waited at a fork is the parent's."""
        self._lock = threading.RLock()  # a finalizer may end a call inside it, on the same thread
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._spans: dict[tuple[str, str], str] = {}  # by another name of theirs
        self._awaited: OrderedDict[str, None] = OrderedDict()  # rated before they have ended
        self._bytes = 0
        self._listener: threading.Thread | None = None
        self.turns = Turns()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def bytes(self) -> int:
        """How much waits, about."""
        return self._bytes

    def add(self, call: SampledOut) -> bool:
        """Has a call wait that has ended; whether it does, or is on its way already."""
        size = call.size + OF_EACH
        with self._lock:
            span_id = call.handle.span_id
            if self._awaited.pop(span_id, self) is None:
                self._back(call)
                return True
            if size > self._most_bytes:
                hooks.count("expired")
                return False
            self._held[span_id] = Held(call, time.monotonic() + self.age_s, size)
            self._bytes += size
            for name in self._names_of(call):
                self._spans[name] = span_id
            self.let_go()
        if self._elsewhere is not None and (self._listener is None or not self._listener.is_alive()):
            self._listen(self._elsewhere)
        return True

    def let_go(self) -> None:
        """Lets go of what is too old, and of the oldest where there is too much."""
        with self._lock:
            now = time.monotonic()
            while self._held:
                oldest = next(iter(self._held.values()))
                if oldest.until > now and self._bytes <= self._most_bytes:
                    return
                self._take(oldest.call.handle.span_id)
                hooks.count("expired")

    def rated(self, feedback: Feedback) -> Feedback:
        """Brings back the calls that `feedback` is about; and `feedback`, which names its call's span where it can."""
        with self._lock:
            self.let_go()
            feedback = self._resolved(feedback)
            if feedback.given_by in self._brought_by and feedback.kind != "retraction":
                known = [self._want(span_id) for span_id in _spans_of(feedback)]
                if self._elsewhere is not None and not (known and all(known)):
                    self._elsewhere.tell(feedback)
        return feedback

    def forget(self, *, session: str | None = None, user: str | None = None) -> None:
        """Lets go of everything, or of all that is of one session or user."""
        with self._lock:
            everything = session is None and user is None
            for span_id, held in list(self._held.items()):
                own = (session is not None and held.call.session == session) or (
                    user is not None and held.call.user == user
                )
                if everything or own:
                    self._take(span_id)
                    hooks.count("expired")

    def _resolved(self, feedback: Feedback) -> Feedback:
        """With sampling, the place of an answer among those that are stored says nothing; among all of them it does."""
        if feedback.span_id:
            return feedback
        for name in _NAMES:
            key = getattr(feedback, name)
            if key is not None:
                span_id = self._spans.get((name, key))
                return feedback if span_id is None else _about(feedback, self._held[span_id].call.handle)
        if feedback.session is None:
            return feedback
        found = self.turns.find(feedback.session, feedback.turn, feedback.time_ns)
        return feedback if found is None else _about(feedback, found)

    def _want(self, span_id: str) -> bool:
        """Brings a call back, or does so when it ends; whether it is one of this process."""
        known = handles.find(span_id)
        if span_id in self._held:
            self._back(self._take(span_id))
            return True
        if known is not None and not known.sampled:
            self._await(span_id)  # it may be under way
        return known is not None

    def _await(self, span_id: str) -> None:
        self._awaited[span_id] = None
        if len(self._awaited) > _AWAITED:
            self._awaited.popitem(last=False)

    def _listen(self, elsewhere: Rated) -> None:
        """Hears what is rated in other processes, as long as anything waits here."""

        def listen() -> None:
            while self._held:
                time.sleep(_LISTEN_S)
                with self._lock:
                    self.let_go()
                    for told in elsewhere.news():
                        self._told(told)

        self._listener = threading.Thread(target=listen, name="rlhf-otel-hold", daemon=True)
        with contextlib.suppress(RuntimeError):  # the system has no thread to give: this process hears of nothing
            self._listener.start()

    def _told(self, ids: Mapping[str, str]) -> None:
        for name, key in ids.items():
            span_id = key if name == "span_id" else self._spans.get((name, key))
            if span_id is not None and span_id in self._held:
                self._back(self._take(span_id))
            elif name == "span_id":
                self._await(key)

    def _back(self, call: SampledOut) -> None:
        hooks.count("promoted")
        handles.remember(replace(call.handle, sampled=True), call.message)
        self._bring_back(call)

    def _take(self, span_id: str) -> SampledOut:
        held = self._held.pop(span_id)
        self._bytes -= held.size
        for name in self._names_of(held.call):
            if self._spans.get(name) == span_id:
                del self._spans[name]
        return held.call

    @staticmethod
    def _names_of(call: SampledOut) -> Iterator[tuple[str, str]]:
        if call.handle.response_id:
            yield "response_id", call.handle.response_id
        if call.message:
            yield "message_id", call.message


def _spans_of(feedback: Feedback) -> set[str]:
    named = (feedback.span_id, feedback.chosen, feedback.rejected, *feedback.ranking)
    return {span_id for span_id in named if span_id}


def _about(feedback: Feedback, handle: Handle) -> Feedback:
    return replace(
        feedback, trace_id=handle.trace_id, span_id=handle.span_id, target_start_ns=handle.start_ns,
        response_id=feedback.response_id or handle.response_id,
    )  # fmt: skip


def samples(config: Config) -> bool:
    """Whether, by the settings, a share of traces is kept."""
    return config.sample_rate < 1 or "ratio" in os.environ.get("OTEL_TRACES_SAMPLER", "")


def hold_of(config: Config, bring_back: Callable[[SampledOut], None]) -> Hold:
    """As the settings have it: other processes are told by files, unless nothing may be written to the disk."""
    folder = in_full(config.spool).parent / "rated"
    is_shared = samples(config) and config.durability != "memory" and config.hold_age > 0
    elsewhere = Rated(folder, config.hold_age) if is_shared else None
    return Hold(config.hold_age, config.hold_bytes, config.hold_for, bring_back, elsewhere=elsewhere)
