"""One call to a model, from the moment it is made to its one and only end.

A `Call` is made by a patch point, filled in by a provider's readers and finished once, whoever comes first: the
response, the end of a stream, its `close()`, an exception, or the garbage collector. It knows no SDK.

On the application's thread it takes time stamps and references to immutable strings and bytes, the request's body
among them. The rest (parsing that body, redaction, encoding) is done by `finalize`, on the export thread where that is
allowed.
"""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from rlhf_otel import app_context, codec, handles, hooks, semconv
from rlhf_otel.instrumentation import bodies, collected
from rlhf_otel.instrumentation.held import HeldSpan
from rlhf_otel.instrumentation.sampled_out import SampledOut
from rlhf_otel.instrumentation.stamps import Stamps
from rlhf_otel.instrumentation.unfinished import open_streams
from rlhf_otel.records import Handle, interaction_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.trace import Span

    from rlhf_otel.instrumentation.endpoint import Endpoint
    from rlhf_otel.records import Interaction, Message, Part, StreamEnd

_clock = time.perf_counter_ns
_CANCELLATIONS = ("CancelledError", "Cancelled", "KeyboardInterrupt", "GeneratorExit")

_CLOSED: list[object] = []
_NO_STAMPS = Stamps()
"""What a call that has ended has in place of its own, as it may wait for long to be exported."""

_process = object()
"""Stands for this process; a fork has another. What was open at a fork is for the parent to end, and for it alone."""


class Call:
    """A call under way. The public fields are the ones that readers set; see `Interaction` for what they mean."""

    __slots__ = (
        "__weakref__", "_adopted", "_asked", "_body", "_end_ns", "_first_reasoning", "_open", "_started", "_unread",
        "attributes", "cache_write_tokens", "cached_tokens", "complete", "context", "dropped", "end", "endpoint",
        "error", "failure", "finish_reasons", "first_token", "handle", "headers_at", "hides", "input", "input_tokens",
        "misread", "output", "output_tokens", "patch", "provider", "reasoning_tokens", "request_model", "response_id",
        "response_model", "retries", "span", "stamps", "start_ns", "state", "status_code", "stream", "system",
        "telemetry", "tools",
    )  # fmt: skip

    def __init__(
        self,
        telemetry: hooks.Telemetry,
        endpoint: Endpoint,
        *,
        provider: str,
        model: Any = None,
        stream: bool = False,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        self._open: list[object] = []  # one entry while there is a span to end: the process that is to end it
        self.telemetry = telemetry
        self.endpoint = endpoint
        self.provider = provider
        self.request_model = model if isinstance(model, str) else None
        self.stream = stream
        self.attributes: dict[str, Any] = attributes or {}
        self.start_ns = time.time_ns()
        self._started = self._asked = _clock()
        self.headers_at = 0
        self.context = app_context.collected()
        self._end_ns = 0
        self._adopted: HeldSpan | None = None
        self._body: bytes | Mapping[str, Any] | None = None
        self._unread: bytes | None = None
        self.patch: Any = None
        self.first_token = self._first_reasoning = 0
        self.stamps = Stamps()
        self.state: Any = None
        self.span: Span = trace.INVALID_SPAN
        self.handle: Handle | None = None
        self.end: StreamEnd | None = None
        self.error: tuple[str, str | None] | None = None
        self.hides: Callable[[Any], bool] | None = None  # the chunks that the application did not ask for
        self.failure: tuple[str, str | None] | None = None
        self.complete = self.dropped = self.misread = False
        self.retries = 0
        self.status_code: int | None = None
        self.response_id: str | None = None
        self.response_model: str | None = None
        self.finish_reasons: Sequence[str] = ()
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.cached_tokens: int | None = None
        self.cache_write_tokens: int | None = None
        self.reasoning_tokens: int | None = None
        self.input: list[Message] | None = None
        self.system: list[Part] | None = None
        self.output: list[Message] | None = None
        self.tools: list[Any] | None = None
        if stream:
            self.state = endpoint.new_state()

    # --- Begin ----------------------------------------------------------------------------------------------------

    def start(self, outer: Span | None = None, kind: SpanKind = SpanKind.CLIENT) -> None:
        """Starts the span of this call, or adopts `outer`, which another instrumentation has already started for it."""
        if outer is not None and not self.telemetry.reviews:
            self._adopted = HeldSpan(outer, stream=self.stream)
            self.span = outer
        else:
            self.span = self.telemetry.start_span(self._name(), kind, self._first_attributes(), self.start_ns)
        ids = self.span.get_span_context()
        self.handle = Handle(
            f"{ids.trace_id:032x}", f"{ids.span_id:016x}", None, self.start_ns, ids.trace_flags.sampled
        )
        self._open = [_process]
        if self.stream:  # of any other call nobody has an id before its end
            handles.remember(self.handle, self.context.message)
            collected.watch()
            open_streams.add(self)

    def backdate(self, start_ns: int, end_ns: int) -> None:
        """Says when a call began and ended that is recorded after the fact."""
        self._started -= end_ns - start_ns
        self.start_ns = start_ns

    def sent(self, body: bytes | None) -> None:
        """Keeps the request's body as it goes over the wire: nothing that the application changes later reaches it."""
        if self._body is not None:
            self._asked = _clock()  # again: what the client waited before was not for this response
        if body is not None:
            self._body = body

    def asked(self, arguments: Mapping[str, Any]) -> None:
        """Keeps what was asked where there is no body to be seen: plain values that nobody else holds."""
        self._body = arguments

    def _name(self) -> str:
        operation, model = self.endpoint.operation, self.request_model
        return codec.whole(f"{operation} {model}") if model else operation

    def _first_attributes(self) -> dict[str, Any]:
        """What a sampler may decide by."""
        first = {semconv.OPERATION_NAME: self.endpoint.operation, semconv.PROVIDER_NAME: self.provider}
        if self.request_model:
            first[semconv.REQUEST_MODEL] = self.request_model
        return {**first, **self.attributes}

    # --- Under way ------------------------------------------------------------------------------------------------

    def token(self) -> None:
        """Marks the chunk just stamped as one that carries text or tool arguments."""
        if not self.first_token:
            self.first_token = self.stamps[-1]

    def reasoning(self) -> None:
        """Marks the chunk just stamped as one that carries reasoning."""
        if not self._first_reasoning:
            self._first_reasoning = self.stamps[-1]

    def identified(self) -> None:
        """Makes the call findable, also by the response's id if that is known by now; of a stream, before its end."""
        h = self.handle
        if h is None:
            return
        if self.response_id and h.response_id != self.response_id:
            self.handle = h = Handle(h.trace_id, h.span_id, self.response_id, h.start_ns, h.sampled)
        elif self.stream:
            return  # it is findable since it began
        handles.remember(h, self.context.message)

    def received(self, body: bytes | None) -> None:
        """Keeps the bytes of a whole answer, which nobody changes, where they may be all that is read of it."""
        self._unread = body if getattr(self.endpoint, "answer_waits", False) else None

    def read_answer(self, result: Any) -> None:
        """Reads what the SDK made of an answer; only its id where the rest may wait, and comes from the bytes."""
        response_id = getattr(result, "id", None)
        if self._unread is not None and type(response_id) is str and getattr(self.span, "may_wait", False):
            self.response_id = response_id
        else:
            self._unread = None
            self.read(self.endpoint.response, bodies.readable(result))

    def read(self, reader: Any, *args: Any) -> None:
        """Runs one of the provider's readers; what it raises is ours to report and never the application's to see."""
        try:
            reader(self, *args)
        except Exception as error:  # noqa: BLE001 - an unforeseen response must not reach the application as a fault
            self.misread = True
            hooks.fault(f"reading a {self.provider} {self.endpoint.operation}", error)

    # --- End ------------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Ends the call with what the SDK raised."""
        raised = getattr(getattr(self.patch, "provider", None), "raised", None)
        if raised is not None and self.is_open:
            self.read(raised, error)
        cancelled = type(error).__name__ in _CANCELLATIONS
        self.finish("cancelled" if cancelled else "error", error)

    def finish(self, end: StreamEnd = "completed", error: BaseException | None = None) -> None:
        """Ends the call; only the first of several ends counts, and `pop` is atomic. Never raises."""
        try:
            if self._open.pop() is not _process:
                return
        except IndexError:
            return
        self._open, self.stamps = _CLOSED, self.stamps if self.stream else _NO_STAMPS
        if error is not None:
            # In words, at once: an exception that is kept keeps the frames of the application with it.
            self.error = (type(error).__qualname__, codec.said_by(error) if end == "error" else None)
        ending = functools.partial(self._end, end, _clock())
        if collected.is_under_way():
            collected.put(ending)
        else:
            ending()

    def _end(self, end: StreamEnd, now: int) -> None:
        try:
            self._finish(end, now)
        except Exception as fault:  # noqa: BLE001 - the call's result is the application's, whatever befalls our span
            hooks.fault("finishing a call", fault)
            if self._adopted is None:
                self.span.end()
            else:
                self._adopted.release()

    @property
    def is_open(self) -> bool:
        """Whether the call has a span that has not ended."""
        return bool(self._open)

    def _finish(self, end: StreamEnd, now: int) -> None:
        if end == "abandoned":
            end = "completed" if self.complete else end
            now = self.stamps[-1] if self.stamps else now  # nobody was reading after the last chunk
        elif end == "completed" and self._is_cut_short():
            end, self.error = "error", ("IncompleteStream", "the stream ended before the answer did")
        self._end_ns = self.start_ns + now - self._started
        self.end = end
        if self.state is not None:
            self.read(self.endpoint.end, self.state)
            open_streams.discard(self)
        self.identified()
        if (handle := self.handle) is None:
            return
        if self._adopted is None and not handle.sampled and not self.span.is_recording():
            self._pass_over(handle)
            return
        if self.context.session is not None:
            self.telemetry.ended(handle, self.context.session, self.endpoint.operation, failed=self._has_failed())
        later = self._adopted is None and self.telemetry.end_later(self.span, self._end_ns, self.finalize, self.size)
        if not later:
            self._finish_inline()

    def _pass_over(self, handle: Handle) -> None:
        """The span was sampled out; the call may be kept for a while all the same."""
        self.state = None
        if not self.telemetry.sampled_out(SampledOut(self, handle, self._end_ns, failed=self._has_failed())):
            self._body = None  # nobody will see what it says

    @property
    def size(self) -> int:
        """How many bytes are still to be read, of what is large where anything is."""
        return sum(len(body) for body in (self._body, self._unread) if isinstance(body, bytes))

    def _has_failed(self) -> bool:
        return self._failure()[1] is not None

    def _is_cut_short(self) -> bool:
        """Whether a stream ended, as if all were well, without what its provider ends an answer with."""
        knows = self.stream and getattr(self.endpoint, "marks_end", False) and not self.misread
        return knows and not self.complete and self.failure is None

    def _finish_inline(self) -> None:
        completed = self.finalize()
        if self.span.is_recording():
            attributes, interaction = self.telemetry.attributes(completed), completed.interaction
            (self._adopted.add if self._adopted is not None else self.span.set_attributes)(attributes)
            if interaction.status == "error":
                self.span.set_status(Status(StatusCode.ERROR, interaction.error_message))
        if self._adopted is None:
            if (name := completed.interaction.name) != self._name():
                self.span.update_name(name)  # the model had a secret in its name
            self.span.end(self._end_ns)
        else:
            self.telemetry.adopted(self.span, completed, self._end_ns)
            self._adopted.release()

    def finalize(
        self, *, attributes: Mapping[str, Any] | None = None, resource: Mapping[str, Any] | None = None
    ) -> hooks.Completed:
        """Everything known of the call, through the pipeline and measured. To be called once, after `finish`.

        Args:
            attributes: what others have set on its span; ours go before.
            resource: what the span's resource says.
        """
        if self._unread is not None:
            self.read(self.endpoint.response, bodies.lenient(self._unread))
            self._unread = None
        if self._body is not None:
            self.read(Call._read_request, self._body)
            self._body = None
        if attributes:
            self.attributes = {**attributes, **self.attributes}
        interaction = self.telemetry.limited(self.interaction(resource or {}), self.context.capture)
        completed = self.telemetry.complete(interaction)
        self.dropped = completed.dropped
        self.telemetry.measure(completed.interaction, self.stamps.packed())
        return completed

    def _read_request(self, body: bytes | Mapping[str, Any]) -> None:
        self.endpoint.request(self, bodies.decoded(body) if isinstance(body, bytes) else body)

    def interaction(self, resource: Mapping[str, Any]) -> Interaction:
        """The call as a record, before the pipeline."""
        assert self.handle is not None
        c, content = self.context, self.telemetry.captures_content
        error_type, error_message = self._failure()
        parent = getattr(self.span, "parent", None)
        return interaction_with(
            trace_id=self.handle.trace_id, span_id=self.handle.span_id,
            parent_span_id=f"{parent.span_id:016x}" if parent else None,
            start_ns=self.start_ns, end_ns=self._end_ns, name=self._name(),
            operation=self.endpoint.operation, provider=self.provider, request_model=self.request_model,
            response_model=self.response_model, response_id=self.response_id, retries=self.retries,
            stream=self.stream, stream_end=self.end if self.stream else None,
            stream_chunks=len(self.stamps) if self.stream else None, stream_max_gap_s=self.stamps.max_gap_s(),
            time_to_headers_s=(self.headers_at - self._asked) / 1e9 if self.headers_at else None,
            time_to_first_chunk_s=self._since(self.stamps[0]) if self.stamps else None,
            time_to_first_token_s=self._since(self.first_token),
            time_to_first_reasoning_s=self._since(self._first_reasoning),
            input_tokens=_count(self.input_tokens), output_tokens=_count(self.output_tokens),
            cached_tokens=_count(self.cached_tokens), cache_write_tokens=_count(self.cache_write_tokens),
            reasoning_tokens=_count(self.reasoning_tokens), finish_reasons=(*map(str, self.finish_reasons),),
            status="error" if error_message is not None else "unset", error_type=error_type,
            error_message=error_message and codec.whole(error_message),
            input=self.input if content else None, system=self.system if content else None,
            output=self.output if content else None, tools=(self.tools or None) if content else None,
            session=c.session, user=c.user, anonymous_user=None if c.user else app_context.anonymous(),
            message_id=c.message, variant=c.variant, consent=c.consent, context=c.values,
            attributes=self._last_attributes(), resource=resource,
        )  # fmt: skip

    def _failure(self) -> tuple[str | None, str | None]:
        """Type and message of what went wrong: an exception, in a reader's words where it found any, or what one found.

        What was cancelled has no message, because nothing failed; of a call that is no stream only the type tells it.
        """
        if self.error is not None and self.end == "error":
            kind, said = self.error
            return (kind, self.failure[1]) if self.failure is not None and self.failure[1] else (kind, said)
        if self.failure is not None:
            return self.failure
        return (self.error[0], None) if self.error is not None and not self.stream else (None, None)

    def _last_attributes(self) -> dict[str, Any]:
        if self.status_code is not None:
            self.attributes[semconv.HTTP_RESPONSE_STATUS_CODE] = self.status_code
        return self.attributes

    def _since(self, stamp: int) -> float | None:
        return (stamp - self._started) / 1e9 if stamp else None

    def __del__(self) -> None:
        # The last reference is gone: a stream that was dropped, or never read.
        if self.is_open and not sys.is_finalizing():
            self.finish("abandoned")


def _count(value: Any) -> int | None:
    """A number of tokens; None for what a server says instead."""
    count = bodies.count_of(value)
    return count if count is not None and 0 <= count < 2**63 else None


def _leave_to_the_parent() -> None:
    global _process
    _process = object()


hooks.after_fork(_leave_to_the_parent)
