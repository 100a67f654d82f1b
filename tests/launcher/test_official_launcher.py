"""`opentelemetry-instrument` finds our instrumentors and switches them on, as it does with any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhf_otel.testing import FakeLLM, Reply

APP = """
import json, openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
calls = [dict(s.attributes) for s in kept.get_finished_spans() if s.instrumentation_scope.name == "rlhf_otel"]
print(json.dumps(calls))
"""
OTHERS = "openai,anthropic"
"""What other instrumentations of client libraries call themselves, whose spans would be adopted."""


def run_under_official_launcher(folder: Path, llm: FakeLLM, **environment: str) -> list[dict[str, object]]:
    """The attributes of the spans that an application's own provider got."""
    (folder / "app.py").write_text(APP, encoding="utf-8")
    launcher = Path(sys.executable).with_name("opentelemetry-instrument")
    alone = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": OTHERS, **environment}
    variables = {**os.environ, "OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none", **alone}
    command = [str(launcher), sys.executable, "app.py"]
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    calls: list[dict[str, object]] = json.loads(ended.stdout.splitlines()[-1])
    return calls


@pytest.mark.parametrize(("mode", "has_content"), [("", False), ("span_only", True), ("NO_CONTENT", False)])
def test_one_span_with_the_content_that_the_conventions_ask_for(tmp_path: Path, mode: str, has_content: bool) -> None:
    """A call is one span on the application's provider; its content is there only where the variable says so."""
    with FakeLLM(Reply(text="Hello.")) as llm:
        variable = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": mode} if mode else {}
        (call,) = run_under_official_launcher(tmp_path, llm, **variable)
    assert (call["gen_ai.operation.name"], call["gen_ai.request.model"]) == ("chat", "m")
    assert ("gen_ai.output.messages" in call) is has_content
    assert not (tmp_path / ".rlhf-otel").exists()


def test_our_instrumentors_can_be_disabled_by_name(tmp_path: Path) -> None:
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=rlhf_openai` leaves the call unrecorded."""
    with FakeLLM() as llm:
        calls = run_under_official_launcher(
            tmp_path, llm, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=f"rlhf_openai,{OTHERS}"
        )
    assert calls == []
