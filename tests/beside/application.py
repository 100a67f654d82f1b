"""An application with one peer and us, each switched on in turn: `python -m tests.beside.application PEER ORDER FILE`.

It calls models in every shape, alone with the first of the two and with both, and writes what it saw and what became of
it to FILE, one line of JSON for each call.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import sys
from pathlib import Path
from typing import Any

import anthropic
import openai
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeLLM
from tests.beside.calls import CALLS, KINDS, closed
from tests.beside.peers import PEERS
from tests.instrumentation.shapes import shown

CLIENTS = {
    ("openai", "sync"): openai.OpenAI,
    ("openai", "async"): openai.AsyncOpenAI,
    ("anthropic", "sync"): anthropic.Anthropic,
    ("anthropic", "async"): anthropic.AsyncAnthropic,
}


class Application:
    """The clients, the fake provider, and where spans and events of this process come together."""

    def __init__(self) -> None:
        self.spans, self.events = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.processor = SimpleSpanProcessor(self.spans)
        events = LoggerProvider(shutdown_on_exit=False)
        events.add_log_record_processor(SimpleLogRecordProcessor(self.events))
        _logs.set_logger_provider(events)
        self.loop = asyncio.new_event_loop()
        self.llm = FakeLLM()

    def client(self, sdk: str, kind: str) -> Any:
        url = self.llm.openai_url if sdk == "openai" else self.llm.anthropic_url
        return CLIENTS[sdk, kind](base_url=url, api_key="k", max_retries=0)

    def make_all(self, sdks: tuple[str, ...]) -> list[dict[str, Any]]:
        """Every call of the table, one after the other."""
        made = []
        for sdk in sdks:
            for kind in KINDS:
                client = self.client(sdk, kind)
                gc.collect()
                gc.freeze()  # what the libraries' modules hold need not be looked at after each call
                made += [self.make(call, kind, client) for call in CALLS if call.sdk == sdk]
                if kind == "async":
                    self.loop.run_until_complete(client.close())
                else:
                    client.close()
        return made

    def make(self, call: Any, kind: str, client: Any) -> dict[str, Any]:
        """One call, beneath a span of the application, and the feedback that is given on it afterwards."""
        self.spans.clear()
        self.events.clear()
        self.llm.clear()
        self.llm.script(call.reply)
        seen, last, found = contextvars.copy_context().run(self.run, kind, self._use(call, client))
        self._settle(rounds=4 if call.way is closed else 1)
        if last is not None:
            feedback.record(last, True)
        return {
            "call": call.id,
            "kind": kind,
            "seen": seen,
            "last": last and last.span_id,
            "found": found and found.span_id,
            "spans": [_told(span) for span in self.spans.get_finished_spans()],
            "rated": [
                f"{kept.log_record.span_id:016x}"
                for kept in self.events.get_finished_logs()
                if kept.log_record.event_name == "gen_ai.evaluation.result"
            ],
            "requests": len(self.llm.requests),
        }

    def _settle(self, rounds: int) -> None:
        """What was dropped is collected, and the generators among it closed: by the event loop, one after the other."""
        for _ in range(rounds):
            gc.collect()
            for _ in range(3):
                self.loop.run_until_complete(asyncio.sleep(0))

    async def _use(self, call: Any, client: Any) -> Any:
        with trace.get_tracer("app").start_as_current_span("app"):
            results: list[Any] = []
            try:
                seen = await call.way(_remembering(call.method(client), results), dict(call.ask))
            except Exception as error:
                seen = shown(error)
            return repr(seen), rlhf.last(), rlhf.handle(results[0]) if results else None

    def run(self, kind: str, coroutine: Any) -> Any:
        """To its end; what uses a synchronous client never waits."""
        if kind == "async":
            return self.loop.run_until_complete(coroutine)
        try:
            coroutine.send(None)
        except StopIteration as finished:
            return finished.value
        raise AssertionError("a synchronous client does not wait for an event loop")


def _remembering(method: Any, results: list[Any]) -> Any:
    """The same method, whose results can be asked for afterwards."""

    def called(**ask: Any) -> Any:
        made = method(**ask)
        if not asyncio.iscoroutine(made):
            results.append(made)
            return made
        return awaited(made)

    async def awaited(made: Any) -> Any:
        results.append(await made)
        return results[-1]

    return called


def _told(span: Any) -> dict[str, Any]:
    return {
        "name": span.name,
        "scope": span.instrumentation_scope.name,
        "kind": span.kind.name,
        "id": f"{span.context.span_id:016x}",
        "trace": f"{span.context.trace_id:032x}",
        "parent": span.parent and f"{span.parent.span_id:016x}",
        "status": span.status.status_code.name,
        "attributes": dict(span.attributes),
        "seconds": (span.end_time - span.start_time) / 1e9,
    }


def main(peer: str, order: str, file: str) -> None:
    """Switches both on in this order, and makes all calls after each step."""
    logging.basicConfig(level=logging.ERROR)
    application = Application()
    steps = [
        ("theirs", lambda: PEERS[peer].switch_on(application.processor)),
        ("ours", rlhf.instrument),
    ]
    if order == "ours-first":
        steps.reverse()
    with Path(file).open("w") as out:
        for place, (name, switch_on) in enumerate(steps):
            switch_on()
            if place or name == "theirs":
                for line in application.make_all(PEERS[peer].sdks):
                    print(json.dumps({"active": "both" if place else name, **line}, default=str), file=out)
    application.llm.close()
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
