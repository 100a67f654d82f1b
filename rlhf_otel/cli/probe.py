"""Asks an endpoint whether it takes a span and a feedback event, by sending one of each."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rlhf_otel.semconv import PROBE_SCOPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rlhf_otel.config import Config

TIMEOUT_S = "2"
NAME = "rlhf-otel doctor"
NOT_GRPC, NOT_HTTP = "what answers there does not speak grpc", "what answers there does not speak HTTP/1"

_NO_SUCH_PATH = r"\b404\b|\b405\b|unimplemented"
_KEEP_FEEDBACK = (
    "it takes no log events, as Phoenix, MLflow and Langfuse do not: keep feedback here with"
    " RLHF_OTEL_STORE=.rlhf-otel/store.db and OTEL_LOGS_EXPORTER=none; `rlhf-otel push` copies it over"
)
# What the exporter said -> what helps.
_REMEDIES: tuple[tuple[str, str], ...] = (
    (NOT_GRPC, "it may speak http/protobuf: --protocol http/protobuf (OTEL_EXPORTER_OTLP_PROTOCOL)"),
    (NOT_HTTP.lower(), "it may speak grpc: --protocol grpc (OTEL_EXPORTER_OTLP_PROTOCOL)"),
    (r"\b401\b|\b403\b|unauthenticated|permission.?denied|unauthori|forbidden",
     "the backend refuses the key: check --headers / OTEL_EXPORTER_OTLP_HEADERS"),
    (_NO_SUCH_PATH,
     "the address is not an OTLP receiver: give the base URL, without /v1/traces, as the backend's docs name it"),
    (r"\b415\b|\b400\b|invalid.?argument",
     "the receiver does not understand the request: try the other --protocol (http/protobuf, grpc)"),
    (r"name or service|nodename|getaddrinfo|name resolution|dns|resolve",
     "the host name is not known here: check it for a slip, and the network"),
    (r"certificate|ssl|tls", "check https or http in the URL, and OTEL_EXPORTER_OTLP_CERTIFICATE"),
    (r"refused|unavailable|connect|remote end closed|timed? ?out|deadline|reset",
     "nothing answers there: start the collector or `rlhf-otel serve`, check host and port"
     " (4318 is http/protobuf, 4317 is grpc)"),
)  # fmt: skip


def send(config: Config, signals: Sequence[str]) -> dict[str, str | None]:
    """Sends one item of each of `signals`, all at once; for each, why it was not taken, or None."""
    import threading

    reasons: dict[str, str | None] = {}
    with _short_timeout() as patience_s, _overheard() as said:
        deadline = time.monotonic() + patience_s + 1
        threads = []
        for signal in signals:
            item = {"traces": _span, "logs": _event}[signal]()
            reasons[signal] = ""
            threads.append(threading.Thread(target=_send, args=(signal, config, item, said, reasons), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
    # The exporters do not say the same thing twice, though it be of another signal.
    usual = next(filter(None, reasons.values()), f"no answer within {patience_s:g} s: timed out")
    return {signal: usual if reason == "" else reason for signal, reason in reasons.items()}


def _span() -> Any:
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    span = provider.get_tracer(PROBE_SCOPE).start_span(NAME)
    span.end()
    return span


def _event() -> Any:
    from opentelemetry._logs import LogRecord
    from opentelemetry.sdk._logs import LoggerProvider

    from rlhf_otel.codec import feedback_attributes
    from rlhf_otel.records import Feedback
    from rlhf_otel.semconv import EVALUATION_EVENT

    now = time.time_ns()
    feedback = Feedback(id=f"doctor-{now}", name="doctor", kind="comment", time_ns=now, comment=NAME, source="builder")
    kept = _Keep()
    provider = LoggerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_log_record_processor(kept)  # type: ignore[arg-type]
    record = LogRecord(timestamp=now, event_name=EVALUATION_EVENT, attributes=feedback_attributes(feedback))
    provider.get_logger(PROBE_SCOPE).emit(record)
    return kept.record


def remedy(reason: str, *, is_feedback_alone: bool = False) -> str:
    """What helps against what the exporter said; where only feedback is refused, the address is right."""
    if is_feedback_alone and re.search(_NO_SUCH_PATH, reason.lower()):
        return _KEEP_FEEDBACK
    for pattern, text in _REMEDIES:
        if re.search(pattern, reason.lower()):
            return text
    return "read what the receiver's own log says of it"


class _Keep:
    """A log record processor that keeps the record, with its resource and scope."""

    record: Any = None

    def on_emit(self, log_record: Any) -> None:
        self.record = log_record

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing to do."""
        return True


def _resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    return Resource.create({"service.name": NAME})


def _send(
    signal: str, config: Config, item: Any, said: Mapping[int, list[str]], reasons: dict[str, str | None]
) -> None:
    """Notes under `signal` why it was not taken, None where it was; nothing where the exporter does not say."""
    import threading

    from rlhf_otel.export import otlp

    heard = said[threading.get_ident()]
    taken = [_takes(exporter, item, heard) for exporter in otlp.exporters(signal, config)]
    if taken and all(taken):
        reasons[signal] = None
    else:
        reasons[signal] = _brief(heard[0]) if heard else ""


def _brief(reason: str) -> str:
    """The system's own words where a library has wrapped them in its."""
    if "BadStatusLine" in reason:
        return NOT_HTTP
    if re.search(r"last error: UNIMPLEMENTED|http1\.x", reason):
        return NOT_GRPC
    found = re.search(r"\[Errno -?\d+\] [^\"')]+|(connect )?timeout=[\d.]+|Connection refused", reason)
    return found[0] if found else reason[:200]


def _takes(exporter: Any, item: Any, said: list[str]) -> bool:
    try:
        return bool(exporter.export([item]).name == "SUCCESS")
    except Exception as error:  # noqa: BLE001 - whatever is wrong is the finding
        said.append(f"{type(error).__name__}: {error}")
        return False
    finally:
        exporter.shutdown()


@contextlib.contextmanager
def _short_timeout() -> Iterator[float]:
    """Does not keep a person waiting for ten seconds, unless they have said how long; yields how long it is."""
    name = "OTEL_EXPORTER_OTLP_TIMEOUT"
    before = os.environ.get(name)
    os.environ[name] = before or TIMEOUT_S
    try:
        yield float(os.environ[name])
    finally:
        if before is None:
            del os.environ[name]


@contextlib.contextmanager
def _overheard() -> Iterator[Mapping[int, list[str]]]:
    """What the exporters log meanwhile, by thread, in place of their printing it."""
    said: defaultdict[int, list[str]] = defaultdict(list)

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said[record.thread or 0].append(" ".join(record.getMessage().split()))

    ear, ears = Ear(level=logging.WARNING), ("opentelemetry", "rlhf_otel", "urllib3")
    loggers = [logging.getLogger(name) for name in ears]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(ear)
        logger.propagate = False
    try:
        yield said
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(ear)
            logger.propagate = propagate
