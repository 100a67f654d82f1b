"""What a provider gives the engine for each kind of request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rlhf_otel.instrumentation.call import Call


class Endpoint(Protocol):
    """The pure readers of one kind of request. They read SDK objects and set fields of the call, nothing else.

    An endpoint may also have `read_options(call, options)`, which reads from the SDK's options, and at once, what the
    body does not have (ids in the path) or what cannot be kept (files); `reader(response)`, which makes what reads an
    answer that is no JSON; `taker(call, state)`, which may give a function and a list: the function says what further
    piece a chunk is, if it is nothing but one of the text that `chunk` has read last, None of any other, and never
    raises, the list is where that text is gathered; `line(call, value)`, which reads one of an answer's JSON lines;
    `reads_text`, where an answer may be plain text; `marks_end`, where `chunk` sets `call.complete` at what every
    answer ends with, so that a stream without it was cut short; `usage_option`, by which a stream is asked for its
    usage, see `asking`; `exhausted(call, stream)`, which reads what a stream object knows at its end; `answer_waits`,
    where nothing but the id of an answer is needed at once, so that `response` may read it later; and `unrecorded`, see
    `Unrecorded`.
    """

    operation: str

    def request(self, call: Call, body: Mapping[str, Any]) -> None:
        """Reads the request's body, as plain JSON values."""

    def response(self, call: Call, result: Any) -> None:
        """Reads the parsed response."""

    def new_state(self) -> Any:
        """What `chunk` gathers in."""

    def chunk(self, call: Call, state: Any, chunk: Any) -> None:
        """Reads one chunk of a stream; calls `call.token()` or `call.reasoning()` where it carries some."""

    def end(self, call: Call, state: Any) -> None:
        """Turns what was gathered into the fields of the call."""
