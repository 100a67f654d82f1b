"""The few records that everything else passes around: what happened, and what a person thought of it.

Records are frozen. A processor that wants another value makes a copy with `dataclasses.replace`.
Times are nanoseconds since the epoch, durations seconds, ids lower-case hex without a prefix.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from rlhf_otel import semconv

StreamEnd = Literal["completed", "abandoned", "cancelled", "error"]
Status = Literal["unset", "ok", "error"]
Consent = Literal["train", "eval", "none"]
FeedbackKind = Literal[
    "binary",
    "rating",
    "score",
    "categorical",
    "comment",
    "correction",
    "preference",
    "ranking",
    "signal",
    "custom",
    "retraction",
]
FEEDBACK_KINDS: tuple[str, ...] = FeedbackKind.__args__  # type: ignore[attr-defined]

Part = dict[str, Any]
"""A part of a message as the GenAI conventions define it: `{"type": "text", "content": ...}` and its kin."""


class Message(TypedDict, total=False):
    """One message of a conversation, as the GenAI conventions define it."""

    role: str
    parts: list[Part]
    name: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Handle:
    """Names one recorded call, in this process or any other: what feedback points at.

    Attributes:
        trace_id: 32 hex digits; empty where only the span id is known.
        span_id: 16 hex digits.
        response_id: the provider's id of the response, where it gave one.
        start_ns: when the call began, in nanoseconds since the epoch; 0 where unknown.
        sampled: whether the span was sampled.
    """

    trace_id: str
    span_id: str
    response_id: str | None = None
    start_ns: int = 0
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The W3C `traceparent` of the call, for a browser or another service."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def token(self, *, rater: str | None = None, names: Sequence[str] | None = None, ttl: float | str = "30d") -> str:
        """A signed token by which a page may give feedback on the call: see `rlhf_otel.token.mint`."""
        from rlhf_otel.token import mint

        return mint(self, rater=rater, names=names, ttl=ttl)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One call to a model: what went in, what came out, how long it took and what it cost.

    `attributes` holds what has no field here, by its name in `rlhf_otel.semconv`. `input`, `system`, `output` and
    `tools` are None where content was not captured, and empty where there was none.
    """

    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    parent_span_id: str | None = None
    name: str = ""
    operation: str = ""
    provider: str = ""
    request_model: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    stream: bool = False
    stream_end: StreamEnd | None = None
    stream_chunks: int | None = None
    stream_max_gap_s: float | None = None
    time_to_first_chunk_s: float | None = None
    time_to_first_token_s: float | None = None
    time_to_first_reasoning_s: float | None = None
    time_to_headers_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_estimated: bool = False
    finish_reasons: Sequence[str] = ()
    retries: int = 0
    status: Status = "unset"
    error_type: str | None = None
    error_message: str | None = None
    input: Sequence[Message] | None = None
    system: Sequence[Part] | None = None
    output: Sequence[Message] | None = None
    tools: Sequence[Mapping[str, Any]] | None = None
    session: str | None = None
    user: str | None = None
    anonymous_user: str | None = None
    message_id: str | None = None
    variant: str | None = None
    consent: Consent | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    resource: Mapping[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """From the request to the end of the response, in seconds."""
        return max(0, self.end_ns - self.start_ns) / 1e9

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens over the time from the first token to the end; None without reported usage or a first token.

        Of an answer that came in one piece this is the rate at which it was handed over, not that of the model.
        """
        if not self.output_tokens or self.time_to_first_token_s is None or self.usage_estimated:
            return None
        seconds = self.duration_s - self.time_to_first_token_s
        return self.output_tokens / seconds if seconds > 0 else None

    @property
    def stream_duration_s(self) -> float | None:
        """From the first chunk of a stream to its end; None without a chunk."""
        if not self.stream or self.time_to_first_chunk_s is None:
            return None
        return max(0.0, self.duration_s - self.time_to_first_chunk_s)

    @property
    def processing_time_s(self) -> float | None:
        """How long the provider says that it worked before it answered; None where it does not say."""
        for name in semconv.PROCESSING_TIME_HEADERS:
            if (told := self.attributes.get(name)) is None:
                continue
            with contextlib.suppress(TypeError, ValueError, LookupError):
                seconds = float(told if isinstance(told, str) else told[0]) / 1000
                if 0 <= seconds < float("inf"):
                    return seconds
        return None

    @property
    def network_time_s(self) -> float | None:
        """What of the wait for the response's headers the provider did not spend; None where it reports no time.

        A provider whose time is longer than the whole wait measures something else (its attempts before this one,
        queues), and then nothing is known of the network.

        Of an answer in one piece the client sees the headers when it has the body, whose way is then part of it.
        """
        if self.time_to_headers_s is None or (processing := self.processing_time_s) is None:
            return None
        return self.time_to_headers_s - processing if processing <= self.time_to_headers_s else None

    @property
    def cache_hit_ratio(self) -> float | None:
        """The share of the input that came from the provider's cache; None where it does not report that."""
        if self.cached_tokens is None or not self.input_tokens:
            return None
        return self.cached_tokens / self.input_tokens

    @property
    def handle(self) -> Handle:
        """What feedback on this interaction points at."""
        return Handle(self.trace_id, self.span_id, self.response_id, self.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody, or their behaviour, said of a call.

    The target is named by whichever ids are known: usually `trace_id` and `span_id`, else `response_id`, `message_id`
    or `session`, perhaps with `turn`, the place of the answer in it. `value` is what was given, as given; `score` is
    the same on a scale of 0 to 1, where that makes sense.
    """

    id: str
    name: str
    kind: FeedbackKind
    time_ns: int
    trace_id: str = ""
    span_id: str = ""
    target_start_ns: int = 0
    response_id: str | None = None
    message_id: str | None = None
    session: str | None = None
    turn: int | None = None
    value: Any = None
    scale: tuple[float, float] | None = None
    label: str | None = None
    comment: str | None = None
    correction: str | None = None
    signal: str | None = None
    rater: str | None = None
    source: str = "end_user"
    annotator_kind: str = "HUMAN"
    step: int | None = None
    range: tuple[int, int] | None = None
    quote: str | None = None
    chosen: str | None = None
    rejected: str | None = None
    margin: float | None = None
    position: str | None = None
    ranking: Sequence[str] = ()
    retracts: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given_by(self) -> Literal["human", "signal", "program"]:
        """Whether somebody said it, did something, or a program judged; what an edit made of the answer was said."""
        if self.kind == "signal" and not self.correction:
            return "signal"
        return "human" if self.annotator_kind == "HUMAN" else "program"

    @property
    def score(self) -> float | None:
        """`value` on a scale of 0 to 1; None for a value that is no number or has no known scale."""
        if self.kind == "custom":
            return None
        if isinstance(self.value, bool):
            return 1.0 if self.value else 0.0
        if not isinstance(self.value, int | float):
            return None
        low, high = self.scale or (0.0, 1.0)
        return (self.value - low) / (high - low) if low < high else None


def _made(record: type, /, **fields: Any) -> Any:
    draft = _draft_of(record)(**fields)
    object.__setattr__(draft, "__class__", record)
    return draft


@functools.cache
def _draft_of(record: type) -> Any:
    """The class of `record`, but not frozen: the same fields in the same places, and a quick constructor."""
    described = ((f.name, Any, field(default=f.default, default_factory=f.default_factory)) for f in _fields(record))
    return dataclasses.make_dataclass("Draft", described, slots=True, kw_only=True, eq=False, repr=False)


_fields: Any = dataclasses.fields

if TYPE_CHECKING:
    interaction_with, feedback_with = Interaction, Feedback
else:
    interaction_with, feedback_with = functools.partial(_made, Interaction), functools.partial(_made, Feedback)
"""As `Interaction` and `Feedback`, in a third of the time: a frozen record sets each of its many fields by a call."""
