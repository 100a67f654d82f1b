"""Delivery into the embedded store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rlhf_otel import codec, hooks, semconv
from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.records import Handle, Interaction

if TYPE_CHECKING:
    from rlhf_otel.export.wire import Packed
    from rlhf_otel.otel_records import SpanRecord
    from rlhf_otel.store import Store

MEMORY = ":memory:"


class StoreSink:
    """Writes interactions, other spans and feedback into one SQLite file, a batch a transaction."""

    name = "store"
    carries: Literal["spans", "events"] = "spans"

    def __init__(
        self,
        path: str,
        *,
        feedback_only: bool = False,
        most_in_memory: int = 10_000,
        redacted: Callable[[Interaction], Interaction] = lambda interaction: interaction,
        is_spooled: Callable[[], bool] = bool,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: of the file, or `:memory:`.
            feedback_only: take no spans.
            most_in_memory: so many spans are kept where the file cannot be written; later ones are dropped and counted.
            redacted: for what came back from the spool and is not ours.
            is_spooled: whether what is sent is on the disk until it is acknowledged.
        """
        self._is_spooled = is_spooled
        self._redacted = redacted
        self.path = path
        self._most_in_memory = most_in_memory
        self._room: int | None = None
        self._feedback_only = feedback_only
        self._store: Store | None = None
        self._renew_lock()
        hooks.after_fork(self._renew_lock)

    def _renew_lock(self) -> None:
        self._opening = threading.RLock()

    def wants(self, item: Any) -> bool:
        """Feedback, and spans where they are wanted here too."""
        return isinstance(item, Event) or (isinstance(item, EndedSpan) and not self._feedback_only)

    def lean(self, item: Any) -> Any:
        """Of a call the interaction alone: it has everything that is stored, and may wait for long."""
        is_call = isinstance(item, EndedSpan) and item.interaction is not None
        return EndedSpan(None, item.interaction) if is_call else item

    def send(self, items: Sequence[Any]) -> bool:
        """Durable when it returns."""
        from rlhf_otel.otel_records import LogRecord
        from rlhf_otel.store.adding import Decoded

        store = self.store
        items = [each for item in items for each in ((item,) if _is_live(item) else recovered(item, self._redacted))]
        spans = self._fitting([item for item in items if isinstance(item, EndedSpan)])
        store.add_decoded(Decoded(
            [span.interaction for span in spans if span.interaction is not None],
            [span_record(span.readable) for span in spans if span.interaction is None],
            [item.feedback for item in items if isinstance(item, Event) and item.feedback is not None],
            [item for item in items if isinstance(item, LogRecord)],
        ))  # fmt: skip
        return True

    @property
    def is_lasting(self) -> bool:
        """Whether what was sent is where it should be: not where memory stands in for a file."""
        return self._room is None

    def _fitting(self, spans: list[EndedSpan]) -> list[EndedSpan]:
        """The spans that there is room for: memory that stands in for a file is not emptied by anybody."""
        if self._room is None:
            return spans
        kept = spans[: self._room]
        self._room -= len(kept)
        if len(kept) < len(spans):
            hooks.count("dropped_undelivered", len(spans) - len(kept))
            hooks.say("memory full", "%d interactions are in memory; later ones are dropped", self._most_in_memory)
        return kept

    @property
    def store(self) -> Store:
        """The store, opened on first use; what cannot be opened means memory, and one line saying so.

        Raises:
            StoreError: another process holds it locked; it is there again later.
        """
        with self._opening:
            if self._store is None:
                self._store = self._opened()
            return self._store

    def _opened(self) -> Store:
        from rlhf_otel.store import Store, StoreError

        try:
            return Store.open(self.path)
        except StoreError as error:
            if "locked" in str(error.__cause__).lower():
                raise
            kept = "in memory only and end with the process"
            if self._is_spooled():
                kept = "in memory until the process ends, and on the disk for a later one"
            hooks.say("store", "%s; interactions are kept %s", error, kept)
            self._room = self._most_in_memory
            return Store.open(MEMORY)

    def find(self, *, turn: int | None = None, **ids: str | None) -> Handle | None:
        """The stored interaction that goes by one of these ids; None also where the store cannot be asked now.

        They are tried one after the other, as feedback is joined by the first that fits. Called on the
        application's threads, so it neither makes the file nor waits for whoever makes it.
        """
        from rlhf_otel.store import Store, StoreError

        try:
            if (store := self._store) is not None:
                return _first_found(store, ids, turn)
            if self.path == MEMORY or not Path(self.path).exists():
                return None
            with Store.open(self.path, read_only=True) as reader:
                return _first_found(reader, ids, turn)
        except StoreError as error:
            hooks.logger.debug("looking up %s: %s", ids, error)
            return None

    def close(self) -> None:
        """Closes the file; memory is kept for whoever still wants to look."""
        if self._store is not None and str(self._store.path) != MEMORY:
            self._store.close()
            self._store = None


def _first_found(store: Store, ids: Mapping[str, str | None], turn: int | None) -> Handle | None:
    if turn is not None and not (ids.get("response_id") or ids.get("message_id")):
        return store.find(session=ids.get("session"), turn=turn)
    given: list[dict[str, Any]] = [{name: value} for name, value in ids.items() if value]
    found = (store.find(**one) for one in given)
    return next((handle for handle in found if handle is not None), None)


def _is_live(item: Any) -> bool:
    """Whether an item has more than its bytes, and all that the store wants."""
    if isinstance(item, Event):
        return item.feedback is not None
    return item.readable is not None or item.interaction is not None


def recovered(item: Any, redacted: Callable[[Interaction], Interaction]) -> list[Any]:
    """What is in bytes alone as records; none where it cannot be read. What is not ours is redacted again."""
    from rlhf_otel.export import otlp, wire
    from rlhf_otel.store.otlp import decode_logs, decode_traces

    packed: Packed = (item if item.packed is not None else otlp.packed(item)).packed
    if isinstance(item, EndedSpan):
        decoded = decode_traces(wire.REQUESTS["traces"].FromString(wire.request([packed])))
        is_ours = wire.scope_name(packed) == semconv.SCOPE
        calls = (each if is_ours else redacted(each) for each in decoded.interactions)
        return [*(EndedSpan(None, call) for call in calls), *(EndedSpan(span, None) for span in decoded.spans),
                *(Event(None, given) for given in decoded.feedback)]  # fmt: skip
    decoded = decode_logs(wire.REQUESTS["logs"].FromString(wire.request([packed])))
    return [*(Event(None, given) for given in decoded.feedback), *decoded.logs]


def records_of(items: Sequence[Any]) -> list[Any]:
    """The interactions, feedback and other spans in what came back from the spool."""
    found = [each for item in items for each in recovered(item, lambda interaction: interaction)]
    return [_record_in(each) for each in found]


def _record_in(item: Any) -> Any:
    if isinstance(item, Event):
        return item.feedback
    return item.interaction or item.readable if isinstance(item, EndedSpan) else item


def span_record(span: Any) -> SpanRecord:
    """A span of another instrumentation, as it goes into the tree around the calls."""
    from rlhf_otel.otel_records import SpanRecord

    if isinstance(span, SpanRecord):
        return span
    context, parent = span.get_span_context(), span.parent
    return SpanRecord(
        trace_id=f"{context.trace_id:032x}", span_id=f"{context.span_id:016x}",
        parent_span_id=f"{parent.span_id:016x}" if parent else None,
        start_ns=span.start_time or 0, end_ns=span.end_time or 0, name=span.name,
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
        kind=span.kind.name.lower(), status=span.status.status_code.name.lower(),
        attributes={key: codec.flat(value) for key, value in (span.attributes or {}).items()},
        resource=dict(span.resource.attributes),
    )  # fmt: skip
