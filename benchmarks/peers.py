"""What other instrumentations add to the same calls and keep of a stream, side by side with ours in one run.

Each peer lives in an environment of its own (`.venvs/bench-*`, made on first use), with the versions of openai and
anthropic that are installed here, and is asked in turn with the bare client, the floor and ours as `cost.py` does it.
All capture content; all end their spans in a processor that throws them away, MLflow in its own store beside it, which
it writes on a thread of its own; anthropic's own tracing is off, as it would make a second span beside each of theirs.
Figures are CPU time of the application's thread.

python benchmarks/peers.py [--quick] [--json] [--rounds N] [PEER...]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cost
import memory
from harness import HERE, Row, arguments, environment, percentile, show
from variants import Discard, Variant, serve

if TYPE_CHECKING:
    import cases

_LABELS = {"own": "rlhf-otel, own provider", "foreign": "rlhf-otel, application's"}
_SAME = ("openai", "anthropic", "httpx2", "opentelemetry-sdk")
"""What is installed in every environment in the version that is installed here; the last one where it can be had."""


@dataclass(frozen=True)
class Peer:
    """Another instrumentation.

    Attributes:
        packages: what to install.
        switch_on: instruments the clients; returns what counts its spans.
        covers: the clients that it knows.
        lacks: cases of which it does not keep the text, and which are not compared therefore.
    """

    packages: tuple[str, ...]
    switch_on: Callable[[cases.Clients], Discard]
    covers: tuple[str, ...] = ("openai", "anthropic")
    lacks: tuple[str, ...] = ()

    def knows(self, case: str) -> bool:
        """Whether it is measured in `case`."""
        return case.startswith(self.covers) and case not in self.lacks


def _global_provider() -> tuple[Any, Discard]:
    """The provider that an application sets, with a processor that throws away."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    sink, provider = Discard(), TracerProvider()
    provider.add_span_processor(sink)
    trace.set_tracer_provider(provider)
    return provider, sink


def _instrumentors(*classes: str) -> Callable[[cases.Clients], Discard]:
    """Switches on instrumentors, each named by module and class."""

    def switch_on(_: cases.Clients) -> Discard:
        from importlib import import_module

        provider, sink = _global_provider()
        for path in classes:
            module, _, name = path.partition(":")
            getattr(import_module(module), name)().instrument(tracer_provider=provider)
        return sink

    return switch_on


def _langfuse(_: cases.Clients) -> Discard:
    from langfuse import Langfuse

    provider, sink = _global_provider()
    Langfuse(public_key="pk-lf-none", secret_key="sk-lf-none", base_url="http://127.0.0.1:9", tracer_provider=provider,
             span_exporter=_NoExporter())  # fmt: skip
    import langfuse.openai  # noqa: F401 - importing it is what patches openai

    return sink


class _NoExporter:
    """An exporter that throws away."""

    def export(self, spans: Sequence[Any]) -> Any:
        """Success."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits."""
        return True


def _logfire(clients: cases.Clients) -> Discard:
    import logfire

    sink = Discard()
    logfire.configure(send_to_logfire=False, console=False, additional_span_processors=[sink], inspect_arguments=False)
    for client in (clients.openai, clients.async_openai):
        logfire.instrument_openai(client)
    for client in (clients.anthropic, clients.async_anthropic):
        logfire.instrument_anthropic(client)
    return sink


def _mlflow(_: cases.Clients) -> Discard:
    import mlflow
    from mlflow.tracing.provider import get_bridged_tracer_provider

    mlflow.set_tracking_uri("sqlite:///mlflow.db")  # in the folder of this run; written by a thread of MLflow's own
    mlflow.openai.autolog()
    mlflow.anthropic.autolog()
    sink = Discard()
    get_bridged_tracer_provider().add_span_processor(sink)  # type: ignore[arg-type]
    return sink


PEERS = {
    "official genai": Peer(
        ("opentelemetry-instrumentation-genai-openai", "opentelemetry-instrumentation-genai-anthropic"),
        _instrumentors("opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
                       "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor"),
    ),
    "OpenLLMetry": Peer(
        ("opentelemetry-instrumentation-openai", "opentelemetry-instrumentation-anthropic"),
        _instrumentors("opentelemetry.instrumentation.openai:OpenAIInstrumentor",
                       "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor"),
    ),
    "OpenInference": Peer(
        ("openinference-instrumentation-openai", "openinference-instrumentation-anthropic"),
        _instrumentors("openinference.instrumentation.openai:OpenAIInstrumentor",
                       "openinference.instrumentation.anthropic:AnthropicInstrumentor"),
    ),
    "Langfuse": Peer(("langfuse",), _langfuse, covers=("openai",)),
    "Logfire": Peer(("logfire",), _logfire),
    "MLflow": Peer(("mlflow",), _mlflow, lacks=("anthropic stream of 500", "anthropic stream of 500, async")),
}  # fmt: skip


class _Instrumented(Variant):
    """The clients under a peer."""

    def __init__(self, clients: cases.Clients, peer: Peer) -> None:
        super().__init__(clients)
        self.sink = peer.switch_on(clients)

    def finished(self) -> None:
        """Some make more than one record of a call; so they are not counted."""

    def example(self) -> dict[str, Any]:
        """What the newest span carries."""
        return dict(self.sink.newest.attributes)

    def owed(self, *, streams: bool) -> tuple[str, ...]:
        """Each has names of its own; the text has to be there."""
        return ()


def _python_of(name: str) -> str:
    from importlib.metadata import version

    same = [f"{package}=={version(package)}" for package in _SAME]
    return str(environment("bench-" + name.lower().replace(" ", "-"), *same, *PEERS[name].packages) / "python")


def _commands(names: Sequence[str]) -> dict[str, cost.Command]:
    capture = {
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
        "ANTHROPIC_OPEN_TELEMETRY": "false",
        "TRACELOOP_TRACE_CONTENT": "true",
    }
    ours = {variant: cost.command(variant) for variant in cost.APART}
    theirs = {
        name: cost.Command((_python_of(name), str(HERE / "peers.py"), "--serve", name), capture) for name in names
    }
    return {**ours, **theirs}


def memory_rows(names: Sequence[str], streams: int) -> list[Row]:
    """What an open stream keeps, by variant."""
    bare = memory.measured("bare", streams)
    ours = {variant: memory.measured(variant, streams) for variant in ("floor", "own", "foreign")}
    theirs = {name: memory.measured(name, streams, _python_of(name)) for name in names}
    what = f"memory of an open stream, {memory.CHUNKS} chunks read, {streams} open"
    return [Row(what, _LABELS.get(name, name), kb - bare, "KB") for name, kb in {**ours, **theirs}.items()]


def cost_rows(names: Sequence[str], rounds: int, share: float) -> list[Row]:
    """For each case the floor, ours on our own provider and on an application's, and every peer."""
    asked = [(variant, case, False) for case in cost.CASES for variant in cost.APART]
    asked += [(name, case, False) for name in names for case in cost.CASES if PEERS[name].knows(case)]
    taken = cost.measure(_commands(names), asked, rounds, share)
    made = []
    for case in cost.CASES:
        figure = {variant: percentile(values, 0.1) for (variant, of, _), values in taken.items() if of == case}
        bare, floor = figure["bare"], figure["floor"] - figure["bare"]
        made += [
            Row(case, _LABELS.get(variant, variant), figure[variant] - bare, "us", (figure[variant] - bare) / floor)
            for variant in ("floor", "own", "foreign", *names)
            if variant in figure
        ]
    return made


def main() -> None:
    """Measures and prints; or serves as the process of one peer."""
    if sys.argv[1:2] == ["--serve"]:
        serve(lambda clients: _Instrumented(clients, PEERS[sys.argv[2]]))
        return
    options = arguments(__doc__, rounds=12, names=tuple(PEERS))
    names = options.names or tuple(PEERS)
    table = cost_rows(names, 1 if options.quick else options.rounds, 0.1 if options.quick else 1.0)
    table += memory_rows(names, 10 if options.quick else 200)
    show(table, "What others add to a call on the application's thread, and keep (ratio: to the floor)", options)


if __name__ == "__main__":
    main()
