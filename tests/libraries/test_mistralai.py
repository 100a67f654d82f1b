"""mistralai traces itself where it is asked to: not twice what is recorded here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .case import required
from .wire import Body, Wire

required("mistralai.client")

APP = """
import sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import rlhf_otel as rlhf
from mistralai.client import Mistral
kept = InMemorySpanExporter()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(kept))
if sys.argv[2] == "recording":
    rlhf.instrument()
client = Mistral(api_key="k", server_url=sys.argv[1])
client.chat.complete(model="m", messages=[{"role": "user", "content": "Hi"}])
print(*(f"{span.instrumentation_scope.name} {span.name}" for span in kept.get_finished_spans()), sep=", ")
"""


ANSWER = Body({
    "id": "m-1", "object": "chat.completion", "model": "m", "created": 1,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
})  # fmt: skip


@pytest.mark.parametrize(("how", "spans"), [("bare", "mistralai_sdk_tracer chat m"), ("recording", "rlhf_otel chat m")])
def test_one_span_beside_the_tracing_of_the_sdk(how, spans):
    """With the SDK's own tracing on, a call is one span: the SDK's without us, ours with us."""
    wire = Wire()
    wire.tell(ANSWER)
    done = subprocess.run(
        [sys.executable, "-c", APP, wire.url, how],
        env={**os.environ, "MISTRAL_SDK_TELEMETRY": "global"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    wire.close()
    assert done.stdout == f"{spans}\n", done.stderr
