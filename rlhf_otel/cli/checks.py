"""What `rlhf-otel doctor` looks at: each check yields findings, each finding has a remedy where something is wrong."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rlhf_otel import libraries
from rlhf_otel.cli.common import near, without_secrets
from rlhf_otel.config import SETTINGS, Config, endpoint_fault, headers_are_wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Verdict = Literal["ok", "warn", "fail"]

# Instrumentations that do not come as an OpenTelemetry entry point, by distribution.
_OTHER_TRACERS = ("langfuse", "logfire", "ddtrace", "openlit", "langsmith", "traceloop-sdk", "arize-phoenix-otel")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, in a word or two.
        status: ok, warn (works, but perhaps not as meant) or fail.
        detail: what was found.
        remedy: what helps; empty where nothing is wrong.
    """

    check: str
    status: Verdict
    detail: str
    remedy: str = ""


def is_off(config: Config) -> str:
    """The switch by which recording is off; empty where it is on."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "OTEL_SDK_DISABLED=true"
    return "" if config.enabled else f"enabled=false (from {config.values['enabled'].source})"


def recording(config: Config) -> Iterator[Finding]:
    """Whether anything is recorded at all, and with what."""
    switch = is_off(config)
    if switch:
        yield Finding("recording", "warn", f"switched off by {switch}", f"take {switch.partition('=')[0]} away")
    elif not config.captures_content:
        yield Finding("recording", "ok", f"without content (capture from {config.values['capture'].source})")
    else:
        yield Finding("recording", "ok", f"with content ({config.capture})")
    if config.sample_rate == 0:
        kept = f"only what is rated within {config.hold_age:g} s" if config.hold_age else "nothing"
        yield Finding("sampling", "warn", f"sample_rate is 0, so {kept} is kept", "set RLHF_OTEL_SAMPLE_RATE to 1")


def settings(config: Config) -> Iterator[Finding]:
    """What somebody has chosen."""
    for setting in SETTINGS:
        if config.is_set(setting.name):
            value = without_secrets(setting.name, config.values[setting.name].value)
            yield Finding("setting", "ok", f"{setting.name} = {value} (from {config.values[setting.name].source})")


def redaction(config: Config) -> Iterator[Finding]:
    """Names in `redact_rules` that no rule has: what they were meant to take out stays in."""
    from rlhf_otel.redact.configured import NAMES, unknown_rules

    for name in unknown_rules(config) if config.redact else ():
        said = f"redact_rules names {name!r}, which is no rule and no group{near(name, sorted(NAMES))}"
        yield Finding("redaction", "warn", said, "`rlhf-otel redact --list` shows all; put it right in "
                      + config.values["redact_rules"].source)  # fmt: skip


def variables(_config: Config) -> Iterator[Finding]:
    """Variables that look like ours and mean nothing."""
    known = [setting.env for setting in SETTINGS]
    for name in sorted(os.environ):
        if name.startswith("RLHF_OTEL_") and name not in known:
            yield Finding("setting", "warn", f"{name} means nothing{near(name, known)}", f"fix or unset {name}")


def client_libraries(config: Config) -> Iterator[Finding]:
    """Which client libraries are installed, and whether their calls would be recorded."""
    from rlhf_otel.instrumentation import providers
    from rlhf_otel.launcher.instrumentors import recorded

    wanted = recorded(config)
    absent, left_out = [], []
    for package, module in providers.known().items():
        try:
            found = version(libraries.distribution(package))
        except PackageNotFoundError:
            absent.append(package)
            continue
        finding = _supported(package, found, module)
        if finding.status == "ok" and package not in wanted:
            left_out.append(f"{package} {found}")
        else:
            yield finding
    if left_out:
        said = f"left out by the settings: {', '.join(left_out)}"
        yield Finding("not recorded", "warn", said, f"see {config.values['providers'].source}")
    if absent:
        yield Finding("not installed", "ok", ", ".join(absent))
    if len(absent) == len(providers.known()):
        yield Finding("client libraries", "warn", "none is installed", "for example: pip install openai")
    yield from _unknown_libraries(config)


def _unknown_libraries(config: Config) -> Iterator[Finding]:
    """Names in the setting `providers` that no library has."""
    from rlhf_otel.instrumentation import providers

    known = list(providers.known())
    for name in config.providers:
        if name != "all" and libraries.named(name, known) is None:
            wrong = f"providers: no client library is called {name}{near(name, known)}"
            yield Finding(
                "setting", "warn", wrong, f"use the names above, or unset {config.values['providers'].source}"
            )


def _supported(package: str, found: str, module: str) -> Finding:
    from rlhf_otel.instrumentation import providers

    versions = providers.load(module).versions
    known = f"{libraries.supported(package, versions)} supported"
    if libraries.is_supported(package, found, versions):
        return Finding(package, "ok", f"{found} would be recorded ({known})")
    remedy = f"pip install -U '{libraries.distribution(package)}<{versions[1] + 1}'"
    return Finding(package, "warn", f"{found} is not recorded: {known}", remedy)


def other_instrumentations(config: Config) -> Iterator[Finding]:
    """What else records the same calls here, and how we live with it."""
    from rlhf_otel.launcher.entry_points import entry_points
    from rlhf_otel.launcher.instrumentors import INSTRUMENTOR, recorded, recorded_by_us

    ours = recorded(config)
    for point in entry_points(INSTRUMENTOR):
        if recorded_by_us(point, ours):
            source = point.dist.name if point.dist else point.value
            yield Finding(
                "other tracing", "ok", f"{source} stays off under rlhf-otel-instrument, so no call counts twice"
            )
    for package in _OTHER_TRACERS:
        try:
            found = version(package)
        except PackageNotFoundError:
            continue
        yield Finding("other tracing", "ok", f"{package} {found} is installed; a span of its own for a call is adopted")


def store(config: Config) -> Iterator[Finding]:
    """Whether the embedded store can be read and written, and what is in it."""
    from rlhf_otel.export.own import store_path

    path = store_path(config)
    if path is None:
        yield Finding(
            "store", "ok", "not used: calls go to the endpoint alone (RLHF_OTEL_STORE keeps them here as well)"
        )
    elif path == ":memory:":
        yield Finding("store", "ok", "in memory: nothing is kept when the process ends")
    elif not Path(path).exists():
        yield _could_be_made(Path(path))
    else:
        yield from _opened(path)


def _could_be_made(path: Path) -> Finding:
    wrong = _refusal(path)
    if wrong:
        return Finding("store", "fail", f"{path} cannot be made: {wrong}", "name another with RLHF_OTEL_STORE")
    return Finding("store", "ok", f"{path} is made with the first call")


def _refusal(path: Path) -> str:
    """Why nothing can be made at `path`; empty where it can. Tries it in the nearest folder, and leaves nothing."""
    import tempfile

    full = path.expanduser().absolute()
    folder = next(place for place in (full, *full.parents) if place.exists())
    try:
        Path(tempfile.mkdtemp(prefix=".rlhf-otel-", dir=folder)).rmdir()
    except OSError as error:
        return f"{folder} takes nothing ({error.strerror})"
    return ""


def _opened(path: str) -> Iterator[Finding]:
    """Opens it for writing, which also brings an older schema up to date."""
    from rlhf_otel.store import Store, StoreError
    from rlhf_otel.store.inbox import Inbox

    try:
        with Store.open(path) as opened:
            counts, aside = opened.counts(), Inbox(opened).aside()
    except StoreError as error:
        newer = "newer version" in str(error)
        helps = "upgrade rlhf-otel: pip install -U rlhf-otel" if newer else "move the file away"
        yield Finding("store", "fail", str(error), f"{helps}, or name another with RLHF_OTEL_STORE")
        return
    calls, feedback, waiting = counts["interactions"], counts["feedback"], counts["pending"]
    inside = f"{calls:,} calls, {feedback:,} feedback, {waiting:,} waiting"
    hint = "; `rlhf-otel feedback --pending` lists feedback whose call is missing" if waiting else ""
    yield Finding("store", "ok", f"{path} is writable and holds {inside}{hint}")
    if aside:
        said = f"{aside} batches that were received could not be read in, and are kept as they came"
        yield Finding("store", "warn", said, "upgrade rlhf-otel and start `rlhf-otel serve`, which tries them again")


def spool(config: Config) -> Iterator[Finding]:
    """What survives a crash, and what has been left on the disk."""
    from rlhf_otel.export.own import spools
    from rlhf_otel.export.spool.looking import seen

    if not spools(config):
        yield Finding("spool", "ok", "not used: what has not been delivered ends with the process")
        return
    if wrong := _refusal(Path(config.spool)):
        detail = f"{config.spool} cannot be written: {wrong}; what has not been delivered ends with the process"
        yield Finding("spool", "warn", detail, "name another with RLHF_OTEL_SPOOL, or set RLHF_OTEL_DURABILITY=memory")
        return
    what = "every span that has ended" if config.durability == "sync" else "all but the last 20 ms"
    yield Finding("spool", "ok", f"{config.spool} keeps {what} until it is delivered (durability {config.durability})")
    waiting = list(seen(Path(config.spool).expanduser()))
    left = sum(each.items for each in waiting if not each.is_owned)
    if owned := sum(each.items for each in waiting if each.is_owned):
        yield Finding("spool", "ok", f"{owned} items of running processes wait there")
    if left:
        helps = "`rlhf-otel spool replay` sends them; so does their application when it runs again"
        yield Finding("spool", "warn", f"{left} items wait there, left by processes that have ended", helps)


def endpoint(config: Config) -> Iterator[Finding]:
    """Whether the endpoint takes a span and a feedback event."""
    from rlhf_otel.cli import probe
    from rlhf_otel.export import otlp

    things = {"traces": "a span", "logs": "a feedback event"}
    wrong = set(_wrong_headers(config))
    for name in sorted(wrong):
        detail = f"{name} has a part that is no key=value, and that part is not sent"
        yield Finding("headers", "fail", detail, "it takes key=value,key=value, as in api-key=KEY")
    wanted = []
    for signal in things:
        if otlp.is_silenced(signal):
            name = f"OTEL_{signal.upper()}_EXPORTER"
            if signal == "logs" and config.store:
                yield Finding("endpoint", "ok", f"none for feedback ({name}=none): it is kept in {config.store}")
                continue
            yield Finding("endpoint", "warn", f"{name}=none: {signal} go nowhere", f"take {name} away")
        elif not otlp.wanted_exporters(signal, config):
            yield Finding("endpoint", "ok", f"none for {signal}: they stay on this machine")
        elif fault := endpoint_fault(*_address(signal, config)):
            yield Finding("endpoint", "fail", f"not tried for {signal}: {fault}", "give the whole URL")
        elif not wrong:  # else the exporter would say what is in them
            wanted.append(signal)
    reasons = probe.send(config, wanted)
    for signal, reason in reasons.items():
        if reason is None:
            yield Finding("endpoint", "ok", f"takes {things[signal]}")
        else:
            alone = signal == "logs" and reasons.get("traces", "") is None
            helps = probe.remedy(reason, is_feedback_alone=alone)
            yield Finding("endpoint", "fail", f"does not take {things[signal]}: {reason}", helps)


def _wrong_headers(config: Config) -> Iterator[str]:
    """The variables, or the setting, with headers that no backend would get."""
    if headers_are_wrong(config.headers):
        source = config.values["headers"].source
        yield source if source.startswith("OTEL_") else f"headers (from {source})"
    for signal in ("TRACES", "LOGS", "METRICS"):
        name = f"OTEL_EXPORTER_OTLP_{signal}_HEADERS"
        if headers_are_wrong(os.environ.get(name)):
            yield name


def _address(signal: str, config: Config) -> tuple[str | None, str]:
    """Endpoint and protocol of one signal."""
    prefix = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
    url = os.environ.get(f"{prefix}_ENDPOINT") or config.endpoint
    return without_secrets("endpoint", url), os.environ.get(f"{prefix}_PROTOCOL") or config.protocol


CHECKS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    recording,
    settings,
    redaction,
    variables,
    client_libraries,
    other_instrumentations,
    store,
    spool,
    endpoint,
)


def examine(config: Config) -> Iterator[Finding]:
    """Every finding."""
    for check in CHECKS:
        yield from _guarded(check, config)


def _guarded(check: Callable[[Config], Iterator[Finding]], config: Config) -> Iterator[Finding]:
    """A check that fails itself is a finding, too."""
    try:
        yield from check(config)
    except Exception as error:  # noqa: BLE001 - the doctor reports what is broken, itself included
        name = check.__name__.replace("_", " ")
        yield Finding(name, "fail", f"{type(error).__name__}: {error}", "please report this with the line above")
