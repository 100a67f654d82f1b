"""Under the launcher with an endpoint, every call arrives there, whatever the application imports first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rlhf_otel
from rlhf_otel import semconv
from rlhf_otel.cli.demo.command import environment_of
from rlhf_otel.cli.demo.script import Script
from rlhf_otel.testing import FakeCollector, FakeLLM, Reply

ALONE = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "httpx,httpx2"}
EXAMPLE = Path(rlhf_otel.__file__).parents[1] / "examples" / "chat.py"
ASK_CLAUDE = """
import anthropic
client = anthropic.Anthropic()
client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}])
"""
ASK_GPT = """
from openai import OpenAI
OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
"""


def test_the_example_arrives_whole(launch, tmp_path: Path) -> None:
    """Each of the nine calls of the example application is one span with its content, and none is the SDK's own."""
    with FakeLLM(responder=Script()) as llm, FakeCollector() as collector:
        done = launch("--endpoint", collector.http_url, sys.executable, str(EXAMPLE), **environment_of(llm), **ALONE)
        assert done.returncode == 0, done.stderr
    assert len(collector.spans) == 9
    assert {span.scope for span in collector.spans} == {semconv.SCOPE}
    assert all(semconv.INPUT_MESSAGES in span.attributes for span in collector.spans)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize(
    "first",
    [
        "",
        "import opentelemetry.trace",
        "import rlhf_otel; rlhf_otel.instrument()",
        "import rlhf_otel; rlhf_otel.add_processor(lambda interaction: interaction)",
        "import rlhf_otel; rlhf_otel.stats()",
        "from rlhf_otel import feedback",
    ],
)
@pytest.mark.parametrize("ask", [ASK_CLAUDE, ASK_GPT], ids=["anthropic", "openai"])
def test_the_order_of_imports_does_not_matter(launch, first: str, ask: str, protocol: str) -> None:
    """A call is recorded with its content whether the application comes by us, by OpenTelemetry or by nobody first."""
    with FakeLLM(Reply(text="Hello.")) as llm, FakeCollector(grpc=protocol == "grpc") as collector:
        variables = {**collector.environment(protocol), **environment_of(llm), **ALONE}
        done = launch.python(first + "\n" + ask, **variables)
    assert (done.returncode, done.stderr.count("not record")) == (0, 0), done.stderr
    (span,) = collector.spans
    assert (span.name, span.scope) == ("chat m", semconv.SCOPE)
    assert "Hello." in span.attributes[semconv.OUTPUT_MESSAGES]


def test_an_import_under_way_in_another_thread_is_waited_for(tmp_path: Path) -> None:
    """Switching on while a client library is being imported elsewhere records that library's calls all the same."""
    (tmp_path / "openai").mkdir()
    slow = "import time, rlhf_otel_test_started\ntime.sleep(0.3)\n__version__ = '2.0.0'\nDONE = True\n"
    (tmp_path / "openai" / "__init__.py").write_text(slow, encoding="utf-8")
    (tmp_path / "rlhf_otel_test_started.py").write_text("", encoding="utf-8")
    code = """
import sys, threading, time
from rlhf_otel import instrumentation
seen = []
instrumentation._apply = lambda package: seen.append(getattr(sys.modules[package], "DONE", False))
threading.Thread(target=lambda: __import__("openai")).start()
while "rlhf_otel_test_started" not in sys.modules: time.sleep(0.01)
instrumentation.switch_on(["openai"])
while not seen: time.sleep(0.01)
assert seen == [True], seen
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
