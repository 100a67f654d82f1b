"""What the application tells us about the calls it is about to make: session, user, variant, consent, anything."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from rlhf_otel import codec, hooks
from rlhf_otel.records import Consent

ANONYMOUS = secrets.token_hex(8)
"""Stands for the user of a process that names none; drawn anew in each process, also after a fork."""


@dataclasses.dataclass(frozen=True, slots=True)
class ApplicationContext:
    """What `context` put in place. `values` are the keywords that have no meaning of their own."""

    session: str | None = None
    user: str | None = None
    message: str | None = None
    variant: str | None = None
    consent: Consent | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _renew_anonymous() -> None:
    global ANONYMOUS
    ANONYMOUS = secrets.token_hex(8)


hooks.after_fork(_renew_anonymous)

_EMPTY = ApplicationContext()
_current: ContextVar[ApplicationContext] = ContextVar("rlhf_otel_context", default=_EMPTY)
CONSENTS = ("train", "eval", "none")


def current_context() -> ApplicationContext:
    """What the innermost `context` around this line, and those around it, have set."""
    return _current.get()


@contextlib.contextmanager
def context(
    *,
    session: str | None = None,
    user: str | None = None,
    message: str | None = None,
    variant: str | None = None,
    consent: Consent | None = None,
    **values: Any,
) -> Iterator[ApplicationContext]:
    """Attaches what the application knows to every call made inside the `with` block.

    Blocks nest: an inner one adds to and overrides the outer. Threads started with `contextvars.copy_context().run`,
    tasks and async generators see it as they see any context variable.

    Args:
        session: the conversation; written as `session.id` and `gen_ai.conversation.id`.
        user: the end user, as the application calls them; written as `enduser.id`.
        message: the application's own id of the answer about to be made, to attach feedback by later.
        variant: the arm of an A/B test.
        consent: what the answer may be used for: train, eval or none.
        values: anything else, as it is now; written as `rlhf.context.<name>`.

    Raises:
        ValueError: `consent` is not one of the three words.
    """
    if consent is not None and consent not in CONSENTS:
        raise ValueError(f"consent is {consent!r}; it is one of {', '.join(CONSENTS)}")
    outer = _current.get()
    inner = ApplicationContext(
        session=outer.session if session is None else session,
        user=outer.user if user is None else user,
        message=outer.message if message is None else message,
        variant=outer.variant if variant is None else variant,
        consent=outer.consent if consent is None else consent,
        values={**outer.values, **{name: codec.plain(value) for name, value in values.items()}}
        if values
        else outer.values,
    )
    token = _current.set(inner)
    try:
        yield inner
    finally:
        # A generator may be closed in another context than the one it was started in; there is nothing to restore then.
        with contextlib.suppress(ValueError):
            _current.reset(token)
