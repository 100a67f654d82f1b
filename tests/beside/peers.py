"""How an application switches each peer on: another instrumentation of the same client libraries."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One of them.

    Attributes:
        package: the distribution whose version names it.
        switch_on: activates it as its documentation says; takes the processor that shall see its spans.
        sdks: the client libraries that it instruments.
    """

    package: str
    switch_on: Callable[[Any], None]
    sdks: tuple[str, ...] = ("openai", "anthropic")

    @property
    def version(self) -> str | None:
        """The installed version; None where it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def _application_provider(processor: Any) -> None:
    """The application's own global provider, which most peers take."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(processor)
        trace.set_tracer_provider(provider)


def _instrumentors(*places: str) -> Callable[[Any], None]:
    def switch_on(processor: Any) -> None:
        _application_provider(processor)
        for place in places:
            module, _, name = place.partition(":")
            getattr(importlib.import_module(module), name)().instrument()

    return switch_on


def _langfuse(processor: Any) -> None:
    from langfuse import Langfuse

    _application_provider(processor)
    Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", span_exporter=InMemorySpanExporter())
    import langfuse.openai  # noqa: F401 - patches openai


def _logfire(processor: Any) -> None:
    import logfire

    logfire.configure(
        send_to_logfire=False, console=False, additional_span_processors=[processor], inspect_arguments=False
    )
    logfire.instrument_openai()
    logfire.instrument_anthropic()


def _mlflow(processor: Any) -> None:
    import mlflow

    _application_provider(processor)
    os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
    mlflow.set_tracking_uri("file:mlruns")
    mlflow.openai.autolog()
    mlflow.anthropic.autolog()


def _ddtrace(processor: Any) -> None:
    os.environ["DD_INSTRUMENTATION_TELEMETRY_ENABLED"] = "false"
    import ddtrace

    _application_provider(processor)
    ddtrace.patch(openai=True, anthropic=True)


PEERS = {
    "official": Peer(
        package="opentelemetry-instrumentation-genai-openai",
        switch_on=_instrumentors(
            "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor",
        ),
    ),
    "openai_v2": Peer(
        package="opentelemetry-instrumentation-openai-v2",
        switch_on=_instrumentors("opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor"),
        sdks=("openai",),
    ),
    "openinference": Peer(
        package="openinference-instrumentation-openai",
        switch_on=_instrumentors(
            "openinference.instrumentation.openai:OpenAIInstrumentor",
            "openinference.instrumentation.anthropic:AnthropicInstrumentor",
        ),
    ),
    "openllmetry": Peer(
        package="opentelemetry-instrumentation-openai",
        switch_on=_instrumentors(
            "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
            "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor",
        ),
    ),
    "langfuse": Peer(package="langfuse", switch_on=_langfuse, sdks=("openai",)),
    "logfire": Peer(package="logfire", switch_on=_logfire),
    "ddtrace": Peer(package="ddtrace", switch_on=_ddtrace),
    "mlflow": Peer(package="mlflow-skinny", switch_on=_mlflow),
}
