"""Records what another emitter writes about a few calls, as OTLP in JSON: the fixtures beside this file.

Run it with a Python that has the emitter and OpenTelemetry's exporters, from the top of the checkout:
`PYTHONPATH=. python tests/store/recorded/record.py openllmetry > tests/store/recorded/openllmetry.json`
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import sys
from typing import Any

from rlhf_otel.testing import FakeCollector, FakeLLM, Reply

IDS = ("traceId", "spanId", "parentSpanId")
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]
AFTER_TOOL = [
    {"role": "user", "content": "Rain in Paris?"},
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "yes"},
]  # fmt: skip


def providers() -> tuple[Any, Any]:
    """The application's global providers, which export at once."""
    from opentelemetry import _logs, trace
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    resource = Resource({"service.name": "shop"})
    tracing, logging = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    logging.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
    trace.set_tracer_provider(tracing)
    _logs.set_logger_provider(logging)
    return tracing, logging


def instrumentors(*places: str) -> Any:
    """Switches on the instrumentors of these names."""

    def switch_on() -> None:
        providers()
        for place in places:
            module, _, name = place.partition(":")
            getattr(importlib.import_module(module), name)().instrument()

    return switch_on


def logfire() -> None:
    """Logfire's, with its feedback on the last call."""
    import logfire as lf

    lf.configure(send_to_logfire=False, console=False, inspect_arguments=False, service_name="shop")
    lf.instrument_openai()


def logfire_feedback() -> None:
    """Logfire's form of feedback."""
    import logfire as lf
    from logfire.experimental.annotations import get_traceparent, record_feedback

    with lf.span("asked") as span:
        parent = get_traceparent(span)
    record_feedback(parent, "thumbs", True, comment="good one", extra={"page": 3})
    record_feedback(parent, "stars", 4)
    record_feedback(parent, "tone", "friendly")


def openlit() -> None:
    """OpenLIT's."""
    import openlit as ol

    providers()
    ol.init(otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], disable_batch=True, disable_metrics=True)


def openlit_feedback() -> None:
    """OpenLIT's form of feedback."""
    import openlit as ol
    from opentelemetry import trace

    with trace.get_tracer("app").start_as_current_span("asked") as span:
        context = span.get_span_context()
    ids = {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
    ol.log_score("user_feedback", True, comment="good one", idempotency_key="vote-1", metadata={"page": 3}, **ids)
    ol.log_score("stars", 4, **ids)
    ol.log_score("tone", "friendly", **ids)


def langfuse() -> None:
    """Langfuse's, which exports by itself."""
    import langfuse as lf
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    lf.Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", span_exporter=OTLPSpanExporter(), flush_at=1)
    import langfuse.openai  # noqa: F401 - patches openai


EMITTERS = {
    "openllmetry": (instrumentors("opentelemetry.instrumentation.openai:OpenAIInstrumentor",
                                  "opentelemetry.instrumentation.anthropic:AnthropicInstrumentor"), None),
    "openllmetry_old": (instrumentors("opentelemetry.instrumentation.openai:OpenAIInstrumentor"), None),
    "official": (instrumentors("opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
                               "opentelemetry.instrumentation.genai.anthropic:AnthropicInstrumentor"), None),
    "official_v2": (instrumentors("opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor"), None),
    "openinference": (instrumentors("openinference.instrumentation.openai:OpenAIInstrumentor",
                                    "openinference.instrumentation.anthropic:AnthropicInstrumentor"), None),
    "logfire": (logfire, logfire_feedback), "openlit": (openlit, openlit_feedback), "langfuse": (langfuse, None),
}  # fmt: skip
SCRIPT = [
    Reply(text="Hello there."),
    Reply(text="one two three"),
    Reply(tool_calls=[("weather", '{"city": "Paris"}', "call_1")]),
    Reply(text="It rains."),
    Reply(status=400, error="no such model"),
    Reply(embeddings=[[0.5, 0.25]]),
]


def openai_calls(server: FakeLLM) -> None:
    """An answer, a stream, a tool call, what follows it, an error and an embedding."""
    import openai

    client = openai.OpenAI(api_key="none", base_url=server.openai_url, max_retries=0)
    chat = client.chat.completions.create
    chat(model="gpt-4o", messages=TALK, temperature=0.5, max_tokens=50)  # type: ignore[arg-type]
    for _ in chat(model="gpt-4o", messages=TALK, stream=True, stream_options={"include_usage": True}):  # type: ignore
        pass
    chat(model="gpt-4o", messages=AFTER_TOOL[:1], tools=[TOOL])  # type: ignore
    chat(model="gpt-4o", messages=AFTER_TOOL)  # type: ignore[arg-type]
    with contextlib.suppress(openai.APIError):
        chat(model="none", messages=TALK)  # type: ignore[arg-type]
    client.embeddings.create(model="text-embedding-3-small", input="a text")


def anthropic_calls(server: FakeLLM) -> None:
    """An answer and a tool call, where the client is installed."""
    try:
        import anthropic
    except ImportError:
        return
    client = anthropic.Anthropic(api_key="none", base_url=server.anthropic_url, max_retries=0)
    server.script(Reply(text="Hello there."), Reply(tool_calls=[("weather", '{"city": "Paris"}', "toolu_1")]))
    client.messages.create(model="claude-sonnet-4-5", max_tokens=50, system="Be brief.", messages=TALK[1:])  # type: ignore
    client.messages.create(
        model="claude-sonnet-4-5", max_tokens=50, messages=AFTER_TOOL[:1],  # type: ignore[arg-type]
        tools=[{"name": "weather", "input_schema": {"type": "object"}}],
    )  # fmt: skip


class KeepingCollector(FakeCollector):
    """Keeps the requests themselves."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, bytes]] = []
        super().__init__()

    def take(self, signal: Any, protocol: Any, payload: bytes, headers: Any, size: int) -> Any:
        """What arrives is noted first."""
        self.requests.append((signal, payload))
        return super().take(signal, protocol, payload, headers, size)


def as_otlp(message: Any) -> Any:
    """A request in OTLP's JSON: protobuf's own, but for ids in hexadecimal and enums as numbers."""
    from google.protobuf.json_format import MessageToDict

    def hexed(value: Any) -> Any:
        if isinstance(value, list):
            return [hexed(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {key: base64.b64decode(item).hex().upper() if key in IDS else hexed(item) for key, item in value.items()}

    return hexed(MessageToDict(message, use_integers_for_enums=True))


def without_paths(value: Any) -> Any:
    """`value` without the stack traces, which name files of the machine."""
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("key") == "exception.stacktrace":
        return {"key": value["key"], "value": {"stringValue": "Traceback"}}
    return {key: without_paths(item) for key, item in value.items()}


def recorded(name: str) -> dict[str, list[Any]]:
    """The requests that the emitter `name` makes of the calls, by signal, in OTLP's JSON."""
    from opentelemetry import _logs, trace

    switch_on, feedback = EMITTERS[name]
    with FakeLLM() as server, KeepingCollector() as collector:
        os.environ.update(collector.environment())
        os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
        os.environ.setdefault("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT")
        switch_on()
        server.script(*SCRIPT)
        openai_calls(server)
        anthropic_calls(server)
        if feedback is not None:
            feedback()
        for provider in (trace.get_tracer_provider(), _logs.get_logger_provider()):
            getattr(provider, "force_flush", bool)()
        kinds: dict[str, list[Any]] = {"traces": [], "logs": []}
        from rlhf_otel.store.inbox import request_type

        for signal, payload in collector.requests:
            if signal in kinds:
                kinds[signal].append(without_paths(as_otlp(request_type(signal).FromString(payload))))
        return kinds


if __name__ == "__main__":
    json.dump(recorded(sys.argv[1]), sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")
    sys.stdout.flush()
    os._exit(0)
