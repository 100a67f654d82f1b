"""ddtrace where it makes OpenTelemetry's spans as well: the calls of its integrations are its own spans, and ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

APPLICATION = """
import ddtrace  # before OpenTelemetry, as `ddtrace-run` does
import json, sys
import anthropic, openai
from ddtrace.opentelemetry import TracerProvider
from ddtrace.trace import TraceFilter, tracer
from opentelemetry import trace
import rlhf_otel as rlhf
from rlhf_otel.testing import FakeLLM

kept = []
class Filter(TraceFilter):
    def process_trace(self, spans):
        kept.append([{"name": s.name, "id": f"{s.span_id:016x}", **s.get_tags(), **s.get_metrics()} for s in spans])

trace.set_tracer_provider(TracerProvider())
steps = [lambda: ddtrace.patch(openai=True, anthropic=True), rlhf.instrument]
for step in steps if sys.argv[1] == "peer-first" else reversed(steps):
    step()
tracer.configure(trace_processors=[Filter()])
ask = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
rated = []
with FakeLLM() as llm:
    clients = [(openai.OpenAI(base_url=llm.openai_url, api_key="k").chat.completions, {}),
               (anthropic.Anthropic(base_url=llm.anthropic_url, api_key="k").messages, {"max_tokens": 9})]
    for client, more in clients:
        client.create(**ask, **more)
        rated.append(rlhf.last().span_id)
        list(client.create(**ask, **more, stream=True))
        rated.append(rlhf.last().span_id)
print(json.dumps([kept, rated]))
"""


@pytest.mark.skipif(find_spec("ddtrace") is None, reason="ddtrace is not installed here")
@pytest.mark.parametrize("order", ["peer-first", "ours-first"])
def test_one_span_on_either_side(order, tmp_path):
    """Each call is one span, ddtrace's, with our attributes, and the handle is that span's."""
    environment = {
        **os.environ,
        "DD_TRACE_OTEL_ENABLED": "true",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    ended = subprocess.run([sys.executable, "-c", APPLICATION, order], cwd=tmp_path, env=environment, check=False,
                           capture_output=True, text=True, timeout=120)  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    kept, rated = json.loads(ended.stdout.splitlines()[-1])
    names = ["openai.request", "openai.request", "anthropic.request", "anthropic.request"]
    assert [[span["name"] for span in trace] for trace in kept] == [[name] for name in names]
    assert [trace[0]["id"] for trace in kept] == rated
    assert [('"Hi"' in trace[0]["gen_ai.input.messages"]) for trace in kept] == [True] * 4
    assert [trace[0]["gen_ai.usage.output_tokens"] for trace in kept] == [9] * 4
