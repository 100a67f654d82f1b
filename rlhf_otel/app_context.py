"""What the application tells us about the calls it is about to make: session, user, variant, consent, anything."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from rlhf_otel import codec, consents, hooks
from rlhf_otel.parts import PARTS, Parts, asked_for
from rlhf_otel.propagation import FIELDS, HEADER, decoded, encoded
from rlhf_otel.records import Consent

ANONYMOUS = secrets.token_hex(8)
"""Stands for the user of a process that names none; drawn anew in each process, also after a fork."""


@dataclasses.dataclass(frozen=True, slots=True)
class ApplicationContext:
    """What `context` put in place. `values` are the keywords that have no meaning of their own.

    `opt_out` is `"true"` where nothing is to be recorded.
    """

    session: str | None = None
    user: str | None = None
    message: str | None = None
    variant: str | None = None
    consent: Consent | None = None
    opt_out: str | None = None
    capture: Parts | None = None
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def _renew_anonymous() -> None:
    global ANONYMOUS
    ANONYMOUS = secrets.token_hex(8)


hooks.after_fork(_renew_anonymous)

_EMPTY = ApplicationContext()
_current: ContextVar[ApplicationContext] = ContextVar("rlhf_otel_context", default=_EMPTY)


def collected() -> ApplicationContext:
    """What the innermost `context` around this line, and those around it, have set; where the setting
    `collect_context` is off, no more than what may be captured.
    """
    held = _current.get()
    if not _may_collect():
        return _EMPTY if held.capture is None else ApplicationContext(capture=held.capture)
    consent = consents.process.of(held.session, held.user, held.consent)
    return held if consent == held.consent else dataclasses.replace(held, consent=consent)


def is_out() -> bool:
    """Whether nothing that happens here is to be recorded, whatever the settings."""
    held = _current.get()
    return held.opt_out == "true" or consents.process.are_out(held.session, held.user)


def anonymous() -> str | None:
    """What stands for a user that was not named; None where the setting `collect_context` is off."""
    return ANONYMOUS if _may_collect() else None


def _may_collect() -> bool:
    return hooks.settings is None or bool(hooks.settings.collect_context)


def baggage() -> dict[str, str]:
    """The header by which another service of yours learns this context: put it on the requests to that service.

    Returns:
        `{"baggage": ...}`, for `rlhf.context(baggage=...)` there; empty where there is nothing to tell.
    """
    held = collected()
    fields = {name: getattr(held, name) for name in FIELDS}
    fields["opt_out"] = "true" if is_out() else None
    if held.capture is not None:
        fields["capture"] = ",".join(sorted(held.capture)) or "none"
    header = encoded(fields, held.values)
    return {HEADER: header} if header else {}


def _within(
    outer: ApplicationContext, given: Mapping[str, Any], values: Mapping[str, Any], header: str | None
) -> ApplicationContext:
    """What holds inside `outer`: what is given, else what came from another service, else what held before."""
    fields, brought = decoded(header) if header else ({}, {})
    if fields.get("consent") not in consents.CONSENTS:
        fields.pop("consent", None)
    told: dict[str, Any] = {**fields}
    if "capture" in fields:
        told["capture"] = _told_parts(fields["capture"])
    named = {name: value for name, value in given.items() if value is not None}
    plain = {name: codec.plain(value) for name, value in values.items()}
    held = {name: getattr(outer, name) for name in given}
    return ApplicationContext(**{**held, **told, **named}, values={**outer.values, **brought, **plain})


def _told_parts(words: str) -> Parts:
    """What another service lets be captured; nothing where this one does not know what it means."""
    try:
        return asked_for(words) or frozenset()
    except ValueError:
        return frozenset()


@contextlib.contextmanager
def context(
    *,
    session: str | None = None,
    user: str | None = None,
    message: str | None = None,
    variant: str | None = None,
    consent: Consent | None = None,
    opt_out: bool | None = None,
    capture: bool | str | Iterable[str] | None = None,
    baggage: str | None = None,
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
        opt_out: True where nothing is to be recorded: neither calls nor feedback.
        capture: False where nothing that is said here shall be recorded; or the parts that may be, by the names of the
            setting `capture_parts`, of those that the settings allow.
        baggage: the header of that name of a request from another service of yours, which had it from `rlhf.baggage()`.
            What is given here beside it wins.
        values: anything else, as it is now; written as `rlhf.context.<name>`.

    Raises:
        ValueError: `consent` is not one of the three words, or `capture` names something else than parts.
    """
    if consent is not None:
        consents.checked(consent)
    out = None if opt_out is None else str(opt_out).lower()
    given = {"session": session, "user": user, "message": message, "variant": variant, "consent": consent,
             "opt_out": out, "capture": PARTS if capture is True else asked_for(capture)}  # fmt: skip
    inner = _within(_current.get(), given, values, baggage)
    token = _current.set(inner)
    try:
        yield inner
    finally:
        # A generator may be closed in another context than the one it was started in; there is nothing to restore then.
        with contextlib.suppress(ValueError):
            _current.reset(token)
