"""The end of a process: everything is delivered, and nobody notices us."""

from __future__ import annotations

import time

import pytest

from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector

CALL = "import rlhf_otel as rlhf\nrlhf.instrument()\nrlhf.capture(prompt='hello', response='world', model='m')\n"
PROTOCOLS = ["http/protobuf", "grpc"]


def stored() -> list:
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        return list(store.interactions())


@pytest.fixture
def both():
    """A backend for both protocols."""
    with FakeCollector(grpc=True) as server:
        yield server


def test_a_short_script_leaves_everything_in_the_store(script):
    """A script that ends right after its only call has it in the store, and says nothing."""
    ended = script(CALL)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [i.request_model for i in stored()] == ["m"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_short_script_delivers_everything_to_a_backend(script, both, protocol):
    """Spans, feedback and metrics of a script that ends within milliseconds arrive, and it says nothing."""
    code = f"{CALL}from rlhf_otel import feedback\nfeedback.record(rlhf.last(), True)\n"
    ended = script(code, **both.environment(protocol))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert [len(both.spans), len(both.logs)] == [1, 1]
    assert {batch.protocol for batch in both.batches} == {protocol}
    assert "gen_ai.client.operation.duration" in {metric.name for metric in both.metrics}


@pytest.mark.parametrize(
    ("ending", "code", "says"),
    [("import sys; sys.exit(7)", 7, ""), ("raise RuntimeError('boom')", 1, "boom"), ("import os; os.abort", 0, "")],
)
def test_the_exit_code_is_the_applications(script, ending, code, says):
    """`sys.exit`, an unhandled exception and a plain end keep their code and their words; the call is stored."""
    ended = script(f"{CALL}{ending}\n")
    assert ended.returncode == code
    assert ended.stderr.strip().endswith(says)
    assert "rlhf" not in ended.stderr.replace("app.py", "")
    assert len(stored()) == 1


def test_calls_of_exit_handlers_and_late_threads_are_kept(script):
    """What the application still does in its own threads and exit handlers is delivered too."""
    code = """
import atexit, threading, time
import rlhf_otel as rlhf
rlhf.instrument()
atexit.register(lambda: rlhf.capture(prompt="handler", response="x", model="handler"))
def late():
    time.sleep(0.2)
    rlhf.capture(prompt="late", response="x", model="late")
threading.Thread(target=late).start()
rlhf.capture(prompt="main", response="x", model="main")
"""
    ended = script(code)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {i.request_model for i in stored()} == {"main", "late", "handler"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_dead_backend_does_not_hold_up_the_end(script, protocol):
    """With nobody listening the process ends by itself soon after `exit_timeout`, with its own code and one line."""
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    began = time.monotonic()
    ended = script(f"{CALL}import sys; sys.exit(5)\n", RLHF_OTEL_EXIT_TIMEOUT="1", **endpoint)
    assert time.monotonic() - began < 12
    assert (ended.returncode, ended.stdout) == (5, "")
    assert len(ended.stderr.splitlines()) <= 1
    assert not ended.stderr or ended.stderr.startswith("rlhf-otel: ")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_backend_that_hangs_does_not_hold_up_the_end(script, both, protocol):
    """A backend that takes the connection and never answers costs `exit_timeout` and no more."""
    both.hang(60)
    began = time.monotonic()
    ended = script(CALL, RLHF_OTEL_EXIT_TIMEOUT="1", **both.environment(protocol))
    assert time.monotonic() - began < 12
    assert (ended.returncode, ended.stdout) == (0, "")


def test_an_open_stream_becomes_one_abandoned_span(script, provider):
    """A stream that the application never finished is one span with what came so far."""
    code = f"""
import openai, rlhf_otel as rlhf
rlhf.instrument()
client = openai.OpenAI(base_url={provider.openai_url!r}, api_key="k")
stream = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "Hi"}}], stream=True)
chunks = iter(stream)
next(chunks), next(chunks)
"""
    ended = script(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    (interaction,) = stored()
    assert (interaction.stream_end, interaction.status) == ("abandoned", "unset")
    assert interaction.output[0]["parts"][0]["content"]


def test_an_open_stream_reaches_a_provider_that_was_set_late(script, provider):
    """The application's own provider is shut down at exit as well; the open stream is ended before that."""
    code = f"""
import openai, rlhf_otel as rlhf
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
rlhf.instrument()
theirs = TracerProvider()
theirs.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
trace.set_tracer_provider(theirs)
client = openai.OpenAI(base_url={provider.openai_url!r}, api_key="k")
stream = client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "Hi"}}], stream=True)
chunks = iter(stream)
next(chunks), next(chunks)
"""
    ended = script(code)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"rlhf.stream.end": "abandoned"' in ended.stdout
    assert ended.stdout.count('"name": "chat m"') == 1


def test_what_could_not_be_delivered_at_the_end_is_said_and_counted(script):
    """With a backend that is down and no spool, the last line says how many items are lost and what to do about it."""
    with FakeCollector() as server:
        environment = {**server.environment(), "RLHF_OTEL_EXIT_TIMEOUT": "1", "RLHF_OTEL_DURABILITY": "memory"}
    ended = script(f"{CALL}rlhf.capture(prompt='a', response='b')\n", **environment)
    last = ended.stderr.splitlines()[-1]
    assert (ended.returncode, ended.stdout) == (0, "")
    assert last.startswith("rlhf-otel: 2 items could not be delivered") and "rlhf-otel doctor" in last


def test_what_fails_at_the_end_does_not_keep_the_rest_from_delivery(script):
    """Ending what is still open runs code of the application, which may raise; the rest is stored all the same."""
    code = "from rlhf_otel import hooks\ndef broken():\n    raise RuntimeError('no')\nhooks.before_exit = broken\n"
    ended = script(CALL + code)
    assert ended.returncode == 0
    assert "ending what is open at exit: RuntimeError" in ended.stderr
    assert [i.request_model for i in stored()] == ["m"]
