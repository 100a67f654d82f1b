"""Delivery through OpenTelemetry's own exporters: OTLP over http and grpc, and whatever `OTEL_*_EXPORTER` names."""

from __future__ import annotations

import logging
import operator
import os
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

from rlhf_otel import hooks
from rlhf_otel.config import Config
from rlhf_otel.export import sizes
from rlhf_otel.export.items import EndedSpan, Event

BACKEND = "backend"
"""The key of the one line that says that the backend does not take what we send."""
Signal = str
"""traces, logs or metrics."""


def wanted_exporters(signal: Signal, config: Config) -> tuple[str, ...]:
    """The exporters of one signal, by the words of `OTEL_<SIGNAL>_EXPORTER`; otlp where only an endpoint is set."""
    named = _named(signal)
    if named:
        return tuple(word for word in named if word != "none")
    # Feedback follows its spans to the collector that OTLP's defaults mean.
    follows = signal == "logs" and "otlp" in _named("traces")
    return ("otlp",) if follows or has_endpoint(signal, config) else ()


def _named(signal: Signal) -> list[str]:
    words = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").split(",")
    return [word for word in (part.strip().lower() for part in words) if word]


def has_endpoint(signal: Signal, config: Config) -> bool:
    """Whether OTLP has somewhere to go for this signal."""
    return bool(config.endpoint or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"))


def destinations(config: Config) -> list[str]:
    """Where OTLP goes, in words without secrets: what tells whether the items of another process go the same way."""
    return [
        f"{signal} {_protocol(signal, config)} {_without_secrets(_endpoint(signal, config))}"
        for signal in ("traces", "logs")
        if "otlp" in wanted_exporters(signal, config)
    ]


def _protocol(signal: Signal, config: Config) -> str:
    return str(os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or config.protocol)


def _endpoint(signal: Signal, config: Config) -> str:
    if of_signal := os.environ.get(_signal_endpoint(signal)):
        return of_signal
    is_grpc = _protocol(signal, config) == "grpc"
    base = config.endpoint or f"http://localhost:{4317 if is_grpc else 4318}"
    return str(base) if is_grpc else f"{base.rstrip('/')}/v1/{signal}"


def _without_secrets(url: str) -> str:
    return re.sub(r"(//)[^/@]*@", r"\1", url).partition("?")[0]


def is_silenced(signal: Signal) -> bool:
    """Whether `OTEL_<SIGNAL>_EXPORTER=none` says that this signal goes nowhere."""
    return _named(signal) == ["none"]


def exporters(signal: Signal, config: Config, *, spooled: bool = False) -> list[Any]:
    """The exporters of one signal, made now. One that cannot be made is reported and left out.

    Where everything is `spooled`, something else stands in for it: what is on the disk for that backend stays there.
    """
    made = []
    for word in wanted_exporters(signal, config):
        try:
            made.append(_make(word, signal, config))
        except Exception as error:  # noqa: BLE001 - the application runs on without a backend
            hooks.say(f"exporter {word}", "the %s exporter %r cannot be made: %s", signal, word, error)
            if spooled and word == "otlp":
                made.append(NoExporter())
    return made


class NoExporter:
    """Takes nothing."""

    name = "FAILURE"
    _translate_data: Any = None  # as those have that take bytes

    def export(self, _items: Any) -> NoExporter:
        """Refuses; what has the name of an answer is one."""
        return self

    def shutdown(self) -> None:
        """Nothing."""


def _make(word: str, signal: Signal, config: Config) -> Any:
    if word != "otlp":
        from importlib.metadata import entry_points

        found = list(entry_points(group=f"opentelemetry_{signal}_exporter", name=word))
        if not found:
            raise LookupError(
                f"nothing installed is called that; OTEL_{signal.upper()}_EXPORTER takes otlp, console, none"
            )
        return found[0].load()()
    protocol = _protocol(signal, config)
    made = _otlp_class(signal, protocol)(**_arguments(signal, protocol, config))
    if isinstance(codes := getattr(made, "_retryable_error_codes", None), frozenset):
        # What is too large does not get smaller by being sent again for seconds; what else there is comes again anyway.
        made._retryable_error_codes = frozenset(code for code in codes if code.name != "RESOURCE_EXHAUSTED")
    return made


def _otlp_class(signal: Signal, protocol: str) -> Callable[..., Any]:
    if protocol == "grpc":
        if signal == "traces":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Traces

            return Traces
        if signal == "logs":
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Logs

            return Logs
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Metrics

        return Metrics
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpTraces

        return HttpTraces
    if signal == "logs":
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs

        return HttpLogs
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics

    return HttpMetrics


def _arguments(signal: Signal, protocol: str, config: Config) -> dict[str, Any]:
    """What was set in code or in the file has to be handed over; the exporters read the environment by themselves."""
    arguments: dict[str, Any] = {}
    if config.endpoint and not _from_environment("endpoint", config) and not os.environ.get(_signal_endpoint(signal)):
        base = config.endpoint.rstrip("/")
        arguments["endpoint"] = base if protocol == "grpc" else f"{base}/v1/{signal}"
    if protocol == "grpc" and str(config.endpoint or "").startswith("http://"):
        arguments["insecure"] = True
    if config.headers and not _from_environment("headers", config):
        from opentelemetry.util.re import parse_env_headers

        arguments["headers"] = parse_env_headers(config.headers, liberal=True)
    return arguments


def _signal_endpoint(signal: Signal) -> str:
    return f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"


def _from_environment(name: str, config: Config) -> bool:
    return config.values[name].source.startswith("OTEL_")


class _ExporterSink:
    """Sends through one of the SDK's exporters: bytes where it is one for OTLP, else the SDK's own objects."""

    topic = BACKEND
    carries: Literal["spans", "events"]
    signal: Literal["traces", "logs"]

    def __init__(self, exporter: Any) -> None:
        from rlhf_otel.export import encoder
        from rlhf_otel.export.answers import Answers

        self.name = f"{self.signal}_{type(exporter).__name__}"
        self.is_too_large = False
        self._exporter = exporter
        self.takes_bytes = encoder.hand_to(exporter, self.signal)
        """Whether it takes what came back from the spool."""
        self._answers = Answers(exporter, self.signal)

    def lean(self, item: Any) -> Any:
        """Of `item` what is sent, which may wait for long."""
        if not self.takes_bytes:
            return replace(item, packed=None, readable=getattr(item.readable, "as_the_sdk", item.readable))
        return replace(item if item.packed is not None else packed(item), readable=None)

    def send(self, items: Sequence[Any]) -> bool:
        """True when the exporter reports success."""
        self._answers.forget()
        wanted = operator.attrgetter("packed" if self.takes_bytes else "readable")
        with quiet() as said:
            sent = self._exporter.export([wanted(item) for item in items]).name == "SUCCESS"
        self.is_too_large = not sent and any(map(_TOO_LARGE.search, said))
        return bool(sent)

    @property
    def retry_after_s(self) -> float:
        """How long the backend asked us to wait before the next attempt."""
        return self._answers.retry_after_s

    @property
    def refusal(self) -> str:
        """The status with which the backend refused the last request; empty where there was none."""
        return self._answers.refusal

    @property
    def has_answered(self) -> bool | None:
        """Whether the backend has answered the last request; None where that cannot be known."""
        return self._answers.has_answered

    def cut(self, item: Any, most: int) -> Any:
        """`item` in at most `most` bytes; None where that cannot be."""
        return sizes.cut(item, most)

    def close(self) -> None:
        """Shuts the exporter down."""
        self._exporter.shutdown()

    def _can_take(self, item: Any) -> bool:
        """What came back from the spool has no object of the SDK's any more."""
        return self.takes_bytes or item.readable is not None


class SpanSink(_ExporterSink):
    """Sends spans."""

    carries: Literal["spans", "events"] = "spans"
    signal = "traces"

    def wants(self, item: Any) -> bool:
        """Spans of calls and of other instrumentations."""
        return isinstance(item, EndedSpan) and not item.local_only and self._can_take(item)

    def lean(self, item: EndedSpan) -> EndedSpan:
        """The span alone."""
        if item.written is not None:  # what the disk has in its place is not what is sent
            item = replace(item, packed=None, written=None)
        lean: EndedSpan = super().lean(item)
        return replace(lean, interaction=None)


class EventSink(_ExporterSink):
    """Sends feedback and other events."""

    carries: Literal["spans", "events"] = "events"
    signal = "logs"

    def wants(self, item: Any) -> bool:
        """Log records: feedback first of all."""
        return not isinstance(item, EndedSpan) and self._can_take(item)


def packed(item: Any) -> Any:
    """`item` with its bytes: those that are to be written, where they are others than are to be sent."""
    from rlhf_otel.export import encoder

    if isinstance(item, Event):
        return Event(item.readable, item.feedback, encoder.pack_log(item.readable))
    if not isinstance(item, EndedSpan):
        return replace(item, packed=encoder.pack_log(item.readable))
    return replace(item, packed=encoder.pack_span(item.written or item.readable))


_TOO_LARGE = re.compile(r"code: 413\b|larger than max|too large|exceeds max_request_size", re.IGNORECASE)
"""How the exporters' lines tell that a request was refused for its size, by http and by grpc; no result tells it."""


class quiet:  # noqa: N801 - used as a statement
    """While inside, the exporters' own log lines of this thread go to our debug log.

    They print a warning for every attempt and an error for every batch; we say it once a minute, in one line.
    """

    _threads: ClassVar[dict[int, list[str]]] = {}

    def __enter__(self) -> list[str]:
        """The list of what they say, as they say it."""
        from opentelemetry import context

        for name in _noisy_loggers():
            filters = logging.getLogger(name).filters
            if _demote not in filters:
                filters.insert(0, _demote)  # before the exporters' own, which swallow what they have said before
        said = quiet._threads[threading.get_ident()] = []
        # Instrumentations of HTTP clients shall not trace the requests that carry their traces.
        self._token = context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
        return said

    def __exit__(self, *_: object) -> None:
        from opentelemetry import context

        quiet._threads.pop(threading.get_ident(), None)
        context.detach(self._token)


def _noisy_loggers() -> list[str]:
    known = [name for name in list(logging.root.manager.loggerDict) if name.startswith("opentelemetry.exporter")]
    return [*known, "urllib3.connectionpool"]


def _demote(record: logging.LogRecord) -> bool:
    said = quiet._threads.get(record.thread or 0)
    if said is None:
        return True
    said.append(record.getMessage())
    hooks.logger.debug("exporter: %s", said[-1])
    return False
