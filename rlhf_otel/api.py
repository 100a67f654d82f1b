"""What `import rlhf_otel` offers: the joiner of the rooms, for applications that wire by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from rlhf_otel import app_context, consents, handles, hooks, instrumentation, semconv, totals
from rlhf_otel import config as settings
from rlhf_otel.export import setup
from rlhf_otel.export.pipeline import add_processor
from rlhf_otel.records import Consent, Feedback, Handle, Interaction
from rlhf_otel.steps import encoded

__all__ = ["add_processor", "capture", "clear", "collect_context", "consent", "disable", "enable", "flush",
           "instrument", "interactions", "on", "opt_in", "opt_out", "shutdown", "stats", "uninstrument"]  # fmt: skip

_READ_WAIT_S = 5.0
"""How long reading waits for what was recorded a moment ago to be stored."""

on = hooks.on
flush = setup.flush


def instrument(client: Any = None, **arguments: Any) -> Any:
    """Records calls to models from now on: all of them, or those of one client. Idempotent.

    A global TracerProvider that the application has set, before or later, is used and never replaced. Without one, and
    without an OTLP endpoint, everything goes into the embedded store, `.rlhf-otel/store.db`.

    Args:
        client: a client of openai or anthropic; None for every client of every library, also of those that the
            application imports later.
        arguments: settings, by the names that `rlhf-otel config` lists: endpoint, capture, store, sample_rate, ...

    Returns:
        `client`.

    Raises:
        ConfigError: an argument has a value that it cannot have. What is wrong in the environment or the file is one
            line in the log, and nothing is recorded: whoever runs the application must not break it.
        TypeError: `client` is not a client that can be instrumented.
    """
    try:
        config = settings.load(arguments)
    except settings.ConfigError as error:
        if error.by_code or hooks.strict:
            raise
        hooks.say("settings", "not recording: %s", error)
        return client
    if setup.configure(config) is None:
        return client
    if client is None:
        instrumentation.switch_on(config.providers)
    else:
        instrumentation.instrument_client(client)
    return client


def uninstrument() -> None:
    """Puts every client library back as it was. What has been recorded is still delivered."""
    instrumentation.switch_off()


def shutdown(timeout: float = 3.0) -> bool:
    """Ends open streams, delivers what there is, and puts every client library back.

    Returns:
        True only if everything was acknowledged within `timeout` seconds.
    """
    instrumentation.end_open_streams()
    instrumentation.switch_off()
    return setup.shutdown(timeout)


def enable() -> None:
    """Records calls again after `disable`."""
    hooks.enabled = True


def disable() -> None:
    """Lets calls through unrecorded until `enable`."""
    hooks.enabled = False


def stats() -> dict[str, Any]:
    """What happened in this process so far.

    Counts of calls, interactions, errors, feedback, drops, failed uploads (`failed_batches`), faults, and of what waits
    to be delivered (`spooled` of them on the disk alone). Calls that are `sampled_out` are `held` for a while, then
    `promoted` to interactions by feedback, or `expired`. `feedback_rate` and `error_rate` of all calls, their
    `average_duration_s`, and the newest `sessions` with their calls (`interactions`), errors and how many were rated.
    """
    telemetry = setup.current()
    waiting = telemetry.own.intake.waiting if telemetry is not None else 0
    if telemetry is not None:
        telemetry.hold.let_go()
    known = ("calls", "opted_out", "interactions", "errors", "sampled_out", "promoted", "expired", "feedback",
             "feedback_refused",
             "signals_detected", "dismissed",
             "dropped_by_processor", "dropped_queue_full", "dropped_undelivered", "dropped_spool_full",
             "failed_batches", "faults")  # fmt: skip
    spooled = telemetry.own.worker.on_disk if telemetry is not None else 0
    return {
        **dict.fromkeys(known, 0),
        **hooks.counters,
        "waiting": waiting,
        "spooled": spooled,
        "held": 0 if telemetry is None else len(telemetry.hold),
        "held_bytes": 0 if telemetry is None else telemetry.hold.bytes,
        **totals.process.shown(),
    }


def consent(word: Consent, *, session: str | None = None, user: str | None = None) -> None:
    """Records what a person has said of all their calls, or of those of a session: earlier and later ones.

    It is stored with the calls that are made from now on, and holds at export for those that were made before.

    Args:
        word: what the calls may be used for: train, eval or none.
        session: whose calls; the session of `context` by default, where no user is named either.
        user: whose calls.

    Raises:
        ValueError: `word` is none of the three, or neither session nor user is known.
    """
    session, user = _subject(session, user)
    said = consents.Statement(consent=consents.checked(word), time_ns=time.time_ns(), session=session, user=user)
    consents.process.say(said)
    if hooks.telemetry is not None:
        hooks.telemetry.state(said)


def opt_out(*, session: str | None = None, user: str | None = None) -> None:
    """Has nothing more of this session, or of this user, recorded by this process: neither calls nor feedback.

    What was recorded before stays, without consent; `rlhf-otel purge` erases it. Arguments as for `consent`.
    """
    session, user = _subject(session, user)
    consent("none", session=session, user=user)
    consents.process.take_out(session, user, is_out=True)
    if (telemetry := setup.current()) is not None:
        telemetry.hold.forget(session=session, user=user)


def opt_in(*, session: str | None = None, user: str | None = None) -> None:
    """Takes `opt_out` back. Consent stays what it is until `consent` says otherwise."""
    consents.process.take_out(*_subject(session, user), is_out=False)


def _subject(session: str | None, user: str | None) -> tuple[str | None, str | None]:
    session = session or (app_context.collected().session if user is None else None)
    if session is None and user is None:
        raise ValueError("neither a session nor a user is named: pass one, or call this within rlhf.context(session=)")
    return session, user


def clear() -> None:
    """Forgets what this process remembers of calls: counts, handles, conversations, and whom it has asked.

    What was recorded stays where it is, and is still delivered.
    """
    from rlhf_otel.feedback import asking, detect

    hooks.counters.clear()
    totals.process.forget()
    handles.forget()
    asking.forget()
    detect.forget()


def collect_context() -> dict[str, Any]:
    """What would be attached to a call that is made here and now, and the resource that goes out with every call."""
    held = app_context.collected()
    fields = {name: getattr(held, name) for name in ("session", "user", "message", "variant", "consent")}
    fields["anonymous_user"] = None if held.user else app_context.anonymous()
    telemetry = setup.current()
    resource = {} if telemetry is None else dict(telemetry.own.resource.attributes)
    given = {name: value for name, value in fields.items() if value is not None}
    given |= {"opt_out": True} if app_context.is_out() else {}
    return {**given, "context": dict(held.values), "resource": resource}


def interactions(
    *,
    has_feedback: bool | None = None,
    session: str | None = None,
    user: str | None = None,
    since: float | None = None,
    limit: int | None = None,
) -> Iterator[tuple[Interaction, list[Feedback]]]:
    """Interactions of the embedded store, newest first, each with the feedback that counts now.

    Args:
        has_feedback: only those with feedback, or only those without.
        session: only those of this session.
        user: only those of this person.
        since: only those that began later than this many seconds since the epoch.
        limit: at most so many.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    from rlhf_otel.store import Store

    telemetry = setup.current()
    setup.flush(_READ_WAIT_S)
    sink = telemetry.own.store_sink if telemetry is not None and not telemetry.own.is_bypassed else None
    store = (
        sink.store if sink is not None else Store.open(settings.load().store or settings.DEFAULT_STORE, read_only=True)
    )
    since_ns = None if since is None else int(since * 1e9)
    found = store.joined(has_feedback=has_feedback, session=session, user=user, since_ns=since_ns)
    yield from islice(found, limit)


def capture(
    *,
    prompt: str | Sequence[Mapping[str, Any]],
    response: str | None = None,
    model: str | None = None,
    provider: str = "custom",
    operation: str = "chat",
    usage: Mapping[str, int] | None = None,
    error: BaseException | str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    steps: Sequence[str | Mapping[str, Any]] = (),
    attributes: Mapping[str, Any] | None = None,
) -> Handle | None:
    """Records an interaction that no client library made: a model behind your own HTTP call, or in this process.

    Args:
        prompt: text, or messages as `{"role": ..., "content": text}` or with `parts` as the conventions have them.
        response: the answer.
        model: which model answered.
        provider: who runs it, in the words of `gen_ai.provider.name`.
        operation: chat, text_completion or embeddings.
        usage: `input_tokens` and `output_tokens`, and `cached_tokens`, `reasoning_tokens` where known.
        error: what went wrong, if something did.
        start_ns: when the call began, in nanoseconds since the epoch; now by default.
        end_ns: when it ended; now by default.
        steps: the steps of the answer, for feedback on each: texts, or `{"content", "kind", "time_ns"}`.
        attributes: further span attributes.

    Returns:
        The handle to give feedback on; None where nothing is recorded now, or a processor has dropped it. (Where
        processors run on the export thread it is not known yet, and feedback on what they drop stays pending.)
    """
    telemetry = hooks.telemetry
    from rlhf_otel.instrumentation import under_way

    if telemetry is None or not under_way.may_begin(telemetry):
        return None
    from rlhf_otel.instrumentation.manual import record_call

    now = time.time_ns()
    try:
        begin = start_ns or now
        told = {semconv.STEPS: encoded(steps)} if steps and telemetry.captures_content else {}
        call = record_call(telemetry, prompt=prompt, response=response, model=model, provider=provider,
                           operation=operation, usage=usage or {}, error=error,
                           attributes={**(attributes or {}), **told},
                           start_ns=begin, end_ns=now if end_ns is None else max(begin, end_ns))  # fmt: skip
    except Exception as fault:  # noqa: BLE001 - the application's answer must not fail over a malformed record of it
        hooks.fault("recording a call that was handed over", fault)
        return None
    if call.handle is None or call.dropped:
        return None
    handles.made(call.handle)
    return call.handle
