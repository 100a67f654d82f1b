"""The verbs by which an application says what somebody thought of an answer.

They never raise into the host: what cannot be taken is logged in one line and returns None. `hooks.strict` (tests, the
CLI) raises `FeedbackError` instead. Nothing is sent on the caller's thread; what is to last is written there.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

from rlhf_otel import hooks
from rlhf_otel.feedback import aside, asking, build, signals
from rlhf_otel.feedback.checks import NOTHING_RECORDS, FeedbackError
from rlhf_otel.records import Feedback, FeedbackKind

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class FeedbackRef:
    """What a verb returns.

    Attributes:
        id: the idempotency key; the same id again is the same feedback.
        target: the fields that name what was rated: span_id, trace_id, response_id, message_id, session, turn.
        status: `joined` (the call is in the store), `pending` (it will be joined when the call comes), `sent` (on its
            way over OTLP), `spooled`, or `waiting` for a person to look at it.
    """

    id: str
    target: Mapping[str, Any]
    status: str


def _never_raises(verb: Callable[P, FeedbackRef | None]) -> Callable[P, FeedbackRef | None]:
    @functools.wraps(verb)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> FeedbackRef | None:
        try:
            return verb(*args, **kwargs)
        except Exception as error:  # the host's request must not fail over a vote
            if hooks.strict:
                raise
            hooks.count("feedback_refused")
            hooks.say(f"feedback {_place(error)}", "feedback was not recorded: %s", _told(error))
            hooks.logger.debug("feedback was not recorded", exc_info=error)
            return None

    return guarded


def _place(error: Exception) -> str:
    """Where an error was raised: the same mistake comes from the same place, whatever was given."""
    return "-".join(str(line) for _, line in traceback.walk_tb(error.__traceback__))


def _told(error: Exception) -> str:
    """What a log line may say of `error`: what we wrote, and which argument a verb does not have."""
    is_about_arguments = error.__traceback__ is not None and error.__traceback__.tb_next is None
    return str(error) if isinstance(error, FeedbackError) or is_about_arguments else type(error).__name__


@_never_raises
def record(
    target: Any = None,
    value: Any = None,
    *,
    span_id: Any = None,
    trace_id: Any = None,
    response_id: str | None = None,
    message: str | None = None,
    session: str | None = None,
    turn: int | None = None,
    name: str | None = None,
    kind: FeedbackKind | None = None,
    scale: tuple[float, float] | None = None,
    comment: str | None = None,
    label: str | None = None,
    rater: str | None = None,
    id: str | None = None,
    source: str = "end_user",
    annotator_kind: str = "HUMAN",
    step: int | None = None,
    range: tuple[int, int] | None = None,
    quote: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    time_ns: int | None = None,
) -> FeedbackRef | None:
    """Records what somebody thought of a call.

    Args:
        target: a response, stream, handle, span id, (trace id, span id), traceparent, response id or token. Or name it
            by `span_id` (and `trace_id`), `response_id`, `message` (your own id), or `session`: its newest call, or
            with `turn` the answer in that place, 0 for the first.
        value: True or False for a thumb, a number for a score, a word for a category, anything else for `custom`.
        name: what was rated; `user_feedback` by default, an aspect such as `accuracy` otherwise. Of the feedback by one
            rater on one target under one name the latest counts.
        kind: told by `value` where not given.
        scale: lowest and highest value, for a rating such as 4 of (1, 5). Without it a number lies between 0 and 1.
        comment: free text, with a value or alone.
        label: a word for the value.
        rater: who; any stable id.
        id: idempotency key; the same id again is the same feedback.
        source: end_user, annotator, builder or agent.
        annotator_kind: HUMAN, LLM or CODE.
        step: index of the reasoning or agent step that is meant.
        range: start and end of the part of the answer that is meant, in characters.
        quote: the words of that part, as the person saw them.
        metadata: anything else.
        time_ns: when it was given; now by default.

    Returns:
        A reference; None where the feedback was refused, which is logged.

    Raises:
        FeedbackError: only when strict.
    """
    given = {name: each for name, each in locals().items() if each is not None}
    return send(build.recorded(given.pop("target", None), given.pop("value", None), **given))


async def arecord(target: Any = None, value: Any = None, **kwargs: Any) -> FeedbackRef | None:
    """`record` for asynchronous code: on a thread of ours, so that no disk and no exporter holds up the event loop.

    It is recorded also where whoever waits for it is cancelled.
    """
    return await aside.run(record, target, value, **kwargs)


@_never_raises
def correct(target: Any = None, text: str = "", **kwargs: Any) -> FeedbackRef | None:
    """Records the answer that should have been given. Keywords as for `record`; the name is `correction` by default."""
    return send(build.corrected(target, text, **kwargs))


@_never_raises
def signal(
    target: Any = None, word: str = "", *, value: float | None = None, text: str | None = None, **kwargs: Any
) -> FeedbackRef | None:
    """Records what a person did with an answer: regenerate, edit, copy, continue, accept, reject, abandon or dwell.

    Args:
        target: as for `record`.
        word: the signal.
        value: how good that is, 0 to 1; by default what the setting `signal_scores` says.
        text: of an edit, the text that the person made of the answer: a correction.
        kwargs: as for `record`.

    Returns:
        A reference; None also where the setting `signals` is off.
    """
    if not signals.are_taken():
        return None
    return send(build.signalled(target, word, value=value, text=text, **kwargs))


@_never_raises
def prefer(
    *, chosen: Any, rejected: Any, margin: float | None = None, position: str | None = None, **kwargs: Any
) -> FeedbackRef | None:
    """Records that one answer is better than another.

    Args:
        chosen: the better one; as the target of `record`.
        rejected: the other.
        margin: how much better.
        position: which side was shown first: chosen or rejected.
        kwargs: as for `record`.
    """
    return send(build.preferred(chosen, rejected, margin=margin, position=position, **kwargs))


@_never_raises
def rank(targets: Sequence[Any], **kwargs: Any) -> FeedbackRef | None:
    """Records an order of answers, the best first. Keywords as for `record`."""
    return send(build.ranked(targets, **kwargs))


@_never_raises
def retract(id: str, *, rater: str | None = None, metadata: Mapping[str, Any] | None = None) -> FeedbackRef | None:
    """Takes a feedback back. It stays in the history and no longer counts.

    Args:
        id: of the feedback that is taken back.
        rater: who takes it back.
        metadata: anything else.
    """
    return send(build.retracted(id, rater=rater, metadata=metadata))


def send(feedback: Feedback) -> FeedbackRef | None:
    """Sends a feedback on its way; None where the setting `capture_feedback` is off, or whoever gives it opted out.

    Raises:
        FeedbackError: nothing takes feedback.
    """
    telemetry = taking()
    if telemetry is None:
        return None
    status = telemetry.emit(feedback)
    if not status:
        return None
    asking.given(feedback)
    named = ("span_id", "trace_id", "response_id", "message_id", "session", "turn")
    target = {key: value for key in named if (value := getattr(feedback, key)) not in (None, "")}
    return FeedbackRef(feedback.id, target, status)


def taking() -> hooks.Telemetry | None:
    """What takes feedback now; None where the setting `capture_feedback` is off.

    Raises:
        FeedbackError: nothing does.
    """
    telemetry = hooks.taker()
    if telemetry is None:
        raise FeedbackError(NOTHING_RECORDS)
    return telemetry if hooks.settings is None or hooks.settings.capture_feedback else None
