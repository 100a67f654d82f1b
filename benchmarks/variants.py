"""The process in which one variant is measured. `cost.py` starts one for each and asks them in turn.

Reads lines of JSON, `{"case": ..., "calls": ..., "whole": ...}`, and answers each with the nanoseconds of CPU time of
every call, or with the one figure of the whole process for all of them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import cases
import floor

_WARM_UP = 30


class Variant:
    """Nothing: the bare client."""

    def __init__(self, clients: cases.Clients) -> None:
        self.clients = clients

    def finished(self) -> int | None:
        """How many spans have ended, with everything that is owed on them; None where there are none."""
        return None

    def example(self) -> dict[str, Any] | None:
        """The attributes of the newest span."""
        return None

    def owed(self, *, streams: bool) -> tuple[str, ...]:
        """What a span has to carry, beside the text of the answer, to be in the comparison at all."""
        return (*_CALL, *(_STREAM if streams else ()))


class Discard:
    """A span processor that keeps the newest span alone."""

    count = 0
    newest: Any = None

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Nothing."""

    def on_end(self, span: Any) -> None:
        """Counts."""
        self.count += 1
        self.newest = span

    def _on_ending(self, span: Any) -> None:
        """Nothing."""

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits."""
        return True


class EncodingExporter:
    """Encodes as OTLP protobuf and throws the bytes away."""

    count = 0
    newest: Any = None

    def export(self, spans: Any) -> Any:
        """Does what the OTLP exporter does before it sends."""
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
        from opentelemetry.sdk.trace.export import SpanExportResult

        encode_spans(spans).SerializePartialToString()
        self.count += len(spans)
        self.newest = spans[-1]
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Nothing waits."""
        return True


class Floor(Variant):
    """The hand-written wrapper, into a processor that discards."""

    def __init__(self, clients: cases.Clients) -> None:
        super().__init__(clients)
        from opentelemetry.sdk.trace import TracerProvider

        self.provider = TracerProvider()
        self.provider.add_span_processor(self.processor())
        tracer = self.provider.get_tracer("floor")
        floor.instrument_openai(clients.openai, tracer)
        floor.instrument_async_openai(clients.async_openai, tracer)
        floor.instrument_anthropic(clients.anthropic, tracer)
        floor.instrument_async_anthropic(clients.async_anthropic, tracer)

    def processor(self) -> Any:
        """Where its spans go."""
        self.sink: Any = Discard()
        return self.sink

    def finished(self) -> int:
        """What the processor or the exporter counted."""
        assert self.provider.force_flush(30_000)
        return int(self.sink.count)

    def example(self) -> dict[str, Any]:
        """What the newest span carries."""
        return dict(self.sink.newest.attributes)


class FloorExported(Floor):
    """The same with the SDK's batch processor and OTLP encoding."""

    def processor(self) -> Any:
        """Batches as the SDK does by default."""
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self.sink = EncodingExporter()
        return BatchSpanProcessor(self.sink)


class Foreign(Variant):
    """Ours where the application has set a provider: everything inline, redaction too; a processor that discards."""

    def __init__(self, clients: cases.Clients) -> None:
        super().__init__(clients)
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        import rlhf_otel

        self.sink = Discard()
        provider = TracerProvider()
        provider.add_span_processor(self.sink)  # type: ignore[arg-type]
        trace.set_tracer_provider(provider)
        rlhf_otel.instrument()

    def finished(self) -> int:
        """What the processor counted."""
        assert_no_faults()
        return self.sink.count

    def example(self) -> dict[str, Any]:
        """What the newest span carries."""
        return dict(self.sink.newest.attributes)


class _Sink:
    """A sink of the export thread that discards what it gets."""

    name = "discard"
    count = 0
    newest: Any = None

    def wants(self, item: Any) -> bool:
        """Everything but feedback."""
        return hasattr(item, "interaction")

    def send(self, items: Any) -> bool:
        """Counts."""
        self.count += len(items)
        self.newest = items[-1].readable
        return True

    def close(self) -> None:
        """Nothing to let go of."""


class Own(Variant):
    """Ours on its own provider: the rest of the work is done by the export thread, into a sink that discards."""

    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, clients: cases.Clients) -> None:
        super().__init__(clients)
        import rlhf_otel
        from rlhf_otel.export import setup

        rlhf_otel.instrument(**self.settings)
        telemetry = setup.current()
        assert telemetry is not None
        telemetry.own.worker._make_sinks = self.sinks
        self._flush = rlhf_otel.flush

    def sinks(self) -> list[Any]:
        """Where its spans go."""
        self.sink: Any = _Sink()
        return [self.sink]

    def finished(self) -> int:
        """What the sink or the exporter counted."""
        assert self._flush(30.0)
        assert_no_faults()
        return int(self.sink.count)

    def example(self) -> dict[str, Any]:
        """What the newest span carries."""
        return dict(self.sink.newest.attributes)


class SampledOut(Own):
    """Ours where no trace is sampled: every call waits for somebody to rate it."""

    settings: Mapping[str, Any] = MappingProxyType({"sample_rate": 0.0})

    def finished(self) -> int:
        """What was sampled out, as nothing goes to the sink."""
        from rlhf_otel import hooks

        assert_no_faults()
        return hooks.counters["sampled_out"]

    def example(self) -> dict[str, Any]:
        """The newest span, once somebody has rated its call."""
        from rlhf_otel import feedback
        from rlhf_otel.export import setup

        telemetry = setup.current()
        assert telemetry is not None
        feedback.record(span_id=next(reversed(telemetry.hold._held)), value=True)
        assert self._flush(30.0)
        return super().example()


class OwnExported(Own):
    """The same with OTLP encoding, and with everything written to the spool before it is sent."""

    def sinks(self) -> list[Any]:
        """A sink that does what the one for OTLP does before it sends."""
        self.sink = _JoiningSink()
        return [self.sink]


class _JoiningSink(_Sink):
    """Makes requests of what was encoded, and throws the bytes away."""

    def send(self, items: Any) -> bool:
        """Joins and counts."""
        from rlhf_otel.export import wire

        wire.request([item.packed for item in items])
        return super().send(items)


def assert_no_faults() -> None:
    """A reader that fails would make its variant look cheap."""
    from rlhf_otel import hooks

    assert not hooks.counters["faults"], dict(hooks.counters)


VARIANTS: dict[str, type[Variant]] = {
    "bare": Variant,
    "bare2": Variant,
    "floor": Floor,
    "own": Own,
    "foreign": Foreign,
    "sampled out": SampledOut,
    "floor exported": FloorExported,
    "own exported": OwnExported,
}

_CALL = ("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens",
         "gen_ai.response.id", "gen_ai.response.model", "gen_ai.response.finish_reasons")  # fmt: skip
_STREAM = ("rlhf.response.time_to_first_token", "rlhf.response.output_tokens_per_second")


class Measurement:
    """Runs one case so many times."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.cases = variant.clients.cases()
        self.loop = asyncio.new_event_loop()
        self.warm: set[str] = set()

    def answer(self, case: str, calls: int, *, whole: bool) -> list[float]:
        """Nanoseconds of each call, on this thread; or of the whole process, for one call on average."""
        call = self.cases[case]
        if case not in self.warm:
            self._run(case, call, _WARM_UP)
            self._check(case)
            gc.collect()
            gc.freeze()
            self.warm.add(case)
        before = self.variant.finished()
        if whole:
            began = time.process_time_ns()
            self._run(case, call, calls)
            after = self.variant.finished()
            taken = [(time.process_time_ns() - began) / calls]
        else:
            taken = self._run(case, call, calls)
            after = self.variant.finished()
        if before is not None and after is not None and after - before != calls:
            raise AssertionError(f"{after - before} spans of {calls} calls")
        gc.collect()
        return taken

    def _run(self, case: str, call: Callable[[], Any], calls: int) -> list[float]:
        if "async" in case:
            return self.loop.run_until_complete(_timed_async(call, calls))
        return _timed(call, calls)

    def _check(self, case: str) -> None:
        """Looks at one span: the text of both sides has to be there, and of a stream its figures."""
        self.variant.finished()
        attributes = self.variant.example()
        if attributes is None:
            return
        missing = [name for name in self.variant.owed(streams="stream" in case) if name not in attributes]
        word = f"word{cases.CHUNKS - 10}" if "stream" in case else "Seine"
        if missing or not any(word in str(value) for value in attributes.values()):
            raise AssertionError(f"{case}: the span lacks {missing or word}")


def _timed(call: Callable[[], Any], calls: int) -> list[float]:
    clock, taken = time.thread_time_ns, []
    for _ in range(calls):
        began = clock()
        call()
        taken.append(float(clock() - began))
    return taken


async def _timed_async(call: Callable[[], Any], calls: int) -> list[float]:
    clock, taken = time.thread_time_ns, []
    for _ in range(calls):
        began = clock()
        await call()
        taken.append(float(clock() - began))
    return taken


def serve(make: Callable[[cases.Clients], Variant]) -> None:
    """Answers the process that started this one, until it has no more to ask."""
    measurement = Measurement(make(cases.Clients()))
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(measurement.answer(asked["case"], asked["calls"], whole=asked["whole"])), flush=True)


if __name__ == "__main__":
    serve(VARIANTS[sys.argv[1]])
