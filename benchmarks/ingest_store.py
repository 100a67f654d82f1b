"""What it costs to take OTLP requests apart and to put what is in them into the embedded store.

`python benchmarks/ingest_store.py` measures requests of 512 spans, each with a prompt of 2 KB and an answer of 0.5 KB
that no other has, and requests of a single span, many of them in one transaction. Prints spans a CPU second by step;
each figure is the best of some runs, as the machine may have other things to do.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent))

from store_size import library_prose

from rlhf_otel import codec, semconv
from rlhf_otel.store import Store
from rlhf_otel.store.otlp import decode_traces

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT, ANSWER = 2_000, 500


def requests(count: int, spans: int) -> list[bytes]:
    """So many requests of so many spans each, as bytes; no two texts in them are the same."""
    random.seed(11)
    words = " ".join(library_prose()).split()

    def text(length: int) -> str:
        start = random.randrange(len(words) - length)
        said = " ".join([f"{random.getrandbits(64):x}", *words[start : start + length // 4]])
        return said[:length]

    return [_request([(text(PROMPT), text(ANSWER)) for _ in range(spans)]) for _ in range(count)]


def _request(texts: list[tuple[str, str]]) -> bytes:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    for key, value in (("service.name", "shop"), ("telemetry.sdk.language", "python")):
        group.resource.attributes.add(key=key).value.string_value = value
    scoped = group.scope_spans.add(scope={"name": semconv.SCOPE, "version": "1"})
    for prompt, answer in texts:
        _add_span(scoped.spans, prompt, answer)
    return request.SerializeToString()


def _add_span(spans: Any, prompt: str, answer: str) -> None:
    start = 1_760_000_000_000_000_000 + random.getrandbits(50)
    span = spans.add(
        trace_id=random.randbytes(16), span_id=random.randbytes(8), name="chat gpt-4o-mini", kind=3,
        start_time_unix_nano=start, end_time_unix_nano=start + random.getrandbits(32),
    )  # fmt: skip
    texts = {
        semconv.OPERATION_NAME: "chat", semconv.PROVIDER_NAME: "openai", semconv.REQUEST_MODEL: "gpt-4o-mini",
        semconv.RESPONSE_MODEL: "gpt-4o-mini-2024-07-18", semconv.RESPONSE_ID: f"chatcmpl-{random.getrandbits(128):x}",
        semconv.SESSION_ID: f"conv-{random.getrandbits(48):x}", semconv.INPUT_MESSAGES: _messages("user", prompt),
        semconv.OUTPUT_MESSAGES: _messages("assistant", answer),
    }  # fmt: skip
    for key, value in texts.items():
        span.attributes.add(key=key).value.string_value = value
    for key in (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS):
        span.attributes.add(key=key).value.int_value = random.randrange(50, 4000)
    span.attributes.add(key=semconv.REQUEST_TEMPERATURE).value.double_value = 0.7


def _messages(role: str, content: str) -> str:
    return codec.dumps([{"role": role, "parts": [{"type": "text", "content": content}]}])


def best(runs: int, work: Callable[[], None]) -> float:
    """The least CPU time that `work` took, in seconds."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def parsed(raw: list[bytes]) -> list[Any]:
    """The requests that `raw` are."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return [ExportTraceServiceRequest.FromString(each) for each in raw]


def rows(title: str, raw: list[bytes], spans: int, together: int, runs: int) -> None:
    """Measures and prints each step for the requests `raw`, `together` of which go into one transaction."""
    total = len(raw) * spans
    messages = parsed(raw)
    decoded = [decode_traces(message) for message in messages]

    def store() -> None:
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as opened:
            for at in range(0, len(decoded), together):
                opened.add_decoded(*decoded[at : at + together])

    def everything() -> None:
        with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "store.db") as opened:
            for at in range(0, len(raw), together):
                opened.add_decoded(*(decode_traces(each) for each in parsed(raw[at : at + together])))

    steps: dict[str, Callable[[], Any]] = {
        "parse": lambda: parsed(raw), "decode": lambda: [decode_traces(each) for each in messages],
        "store": store, "all of it": everything,
    }  # fmt: skip
    for name, work in steps.items():
        print(f"{title:36} {name:10} {total / best(runs, work):10,.0f} spans/s")


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=5120)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    rows("512-span requests", requests(arguments.spans // 512, 512), 512, 2, arguments.runs)
    rows("1-span requests, 64 a transaction", requests(arguments.spans // 4, 1), 1, 64, arguments.runs)


if __name__ == "__main__":
    main()
