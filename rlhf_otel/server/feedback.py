"""Feedback over HTTP: what the door of `rlhf_otel.web` lets in goes to the writer, as OTLP does.

A page comes from anywhere, by any name of this server and without the server's token. What it sends is proved by the
signed token of each call that it is about, and by nothing that a browser adds of its own accord; so there is nothing
that a page of somebody else could make use of. Who names calls by their ids must be somebody who may rate.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rlhf_otel.server.access import PRINCIPAL, Principal, may
from rlhf_otel.web import FeedbackApp, Refusal, Request

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback
    from rlhf_otel.redact import Redactor
    from rlhf_otel.server.receiver import Receiver


def feedback_app(receiver: Receiver, redactor: Redactor | None, *, per_token: int, per_address: int) -> FeedbackApp:
    """The endpoint.

    Args:
        receiver: has it written.
        redactor: takes secrets out of what people wrote; None for nothing.
        per_token: writes a minute with one token; 0 for any number.
        per_address: the same from one address.
    """

    if redactor is not None:
        with contextlib.suppress(ImportError):  # the redactor searches by it, where it is there, in a tenth of the time
            import pydantic_core  # noqa: F401

    def cleaned(feedback: Sequence[Feedback]) -> Sequence[Feedback]:
        return feedback if redactor is None else [redactor.redact_feedback(each) for each in feedback]

    async def take(feedback: Sequence[Feedback]) -> None:
        if redactor is not None and redactor.may_wait:  # what a stranger wrote must not hold up all others
            feedback = await asyncio.to_thread(cleaned, feedback)
        else:
            feedback = cleaned(feedback)
        await receiver.take_feedback(feedback)

    return FeedbackApp(take=take, authorize=_rater, per_token=per_token, per_address=per_address)


def _rater(request: Request) -> str | bool:
    """Who rates without a token of the call: an annotator as themselves, an application as whom it names."""
    principal: Principal | None = request.scope.get(PRINCIPAL)
    if principal is None:
        return False
    if not may(principal, "rate"):
        raise Refusal(403, "forbidden", f"the role {principal.role} does not permit to rate")
    return principal.name if principal.role == "annotator" else True
