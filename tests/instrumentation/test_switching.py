"""What is switched on, for whom and from when; and that switching off leaves nothing behind."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import subprocess
import sys
import textwrap

import anthropic
import openai
import pytest
import wrapt
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import rlhf_otel as rlhf
from rlhf_otel import hooks, instrumentation
from rlhf_otel.instrumentation import AnthropicInstrumentor, OpenAIInstrumentor
from rlhf_otel.testing import Reply, capture

from .conftest import CLASSES
from .shapes import settle

sdks = pytest.mark.parametrize("sdk", [openai, anthropic], ids=lambda sdk: sdk.__name__)
kinds = pytest.mark.parametrize("kind", ["sync", "async"])
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


def make(sdk, kind, llm):
    return CLASSES[sdk][kind == "async"](base_url=f"{llm.url}/v1", api_key="k", max_retries=0)


async def ask(client):
    create = client.messages.create if hasattr(client, "messages") else client.chat.completions.create
    return await settle(create(model="m", max_tokens=9, messages=[{"role": "user", "content": "Hi"}]))


def patchable(sdk):
    """What the SDK's classes hold where we might put something."""
    base, streaming = sdk._base_client, sdk._streaming
    classes = (base.BaseClient, base.SyncAPIClient, base.AsyncAPIClient, streaming.Stream, streaming.AsyncStream)
    return [(cls, name, value) for cls in classes for name, value in vars(cls).items() if not name.startswith("_abc")]


# --- One client ---------------------------------------------------------------------------------------------------


@kinds
@sdks
def test_one_client(sdk, kind, llm, run):
    """`instrument(client)` records that client and the copies that it makes of itself, and no other."""
    mine, other = make(sdk, kind, llm), make(sdk, kind, llm)
    assert rlhf.instrument(mine, store=":memory:") is mine
    with capture() as kept:
        for client, count in ((mine, 1), (other, 1), (mine.with_options(timeout=9), 2), (mine.copy(), 3)):
            run(kind, ask(client))
            assert len(kept.spans) == count


def test_not_a_client():
    """What is no client of a library that can be instrumented is refused with a word on what can."""
    with pytest.raises(TypeError, match="dict is not a client that can be instrumented"):
        rlhf.instrument({}, store=":memory:")


@kinds
@sdks
def test_raw_methods_made_before(sdk, kind, llm, run, captured):
    """Methods that a client made and kept while it was recorded let calls through once it no longer is."""
    client = make(sdk, kind, llm)
    owner = client.messages if sdk is anthropic else client.chat.completions
    create = owner.with_raw_response.create
    asked = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    run(kind, settle(create(**asked)))
    instrumentation.switch_off()
    run(kind, settle(create(**asked)))
    assert len(captured.spans) == 1


# --- On and off ---------------------------------------------------------------------------------------------------


@sdks
def test_everything_is_put_back(sdk, llm):
    """After `uninstrument()` every attribute of the SDK's classes is the very object that it was."""
    before = patchable(sdk)
    rlhf.instrument(store=":memory:")
    assert patchable(sdk) != before
    rlhf.uninstrument()
    assert all(now[2] is then[2] for now, then in zip(patchable(sdk), before, strict=True))


@sdks
def test_again_and_again(sdk, llm, run):
    """Switching on twice records once; off and on again works, also for a client made before."""
    client = make(sdk, "sync", llm)
    for _ in range(3):
        rlhf.instrument(store=":memory:")
        rlhf.instrument()
        with capture() as kept:
            run("sync", ask(client))
            rlhf.uninstrument()
            run("sync", ask(client))
        assert len(kept.spans) == 1


def test_a_wrapper_around_ours_survives(llm, run, captured):
    """A wrapper that somebody put around ours stays; ours lets calls through, and records once when on again."""
    client_class, client = openai._base_client.SyncAPIClient, make(openai, "sync", llm)
    ours = client_class.request
    seen = []

    def theirs(client, *args, **kwargs):
        seen.append(len(captured.spans))
        return ours(client, *args, **kwargs)

    client_class.request = theirs
    try:
        instrumentation.switch_off()
        assert client_class.request is theirs
        run("sync", ask(client))
        instrumentation.switch_on()
        run("sync", ask(client))
        assert (seen, len(captured.spans)) == ([0, 0], 1)
    finally:
        instrumentation.switch_off()
        client_class.request = ours.__wrapped__


def test_a_pause(llm, run, captured):
    """Between `disable()` and `enable()` calls are let through unrecorded."""
    client = make(openai, "sync", llm)
    rlhf.disable()
    try:
        run("sync", ask(client))
    finally:
        rlhf.enable()
    run("sync", ask(client))
    assert len(captured.spans) == 1


def test_an_open_stream_outlives_switching_off(clients, llm, captured):
    """A stream that is under way when recording is switched off ends its span all the same."""
    llm.script(Reply(text="one two"))
    stream = clients["openai", "sync"].chat.completions.create(model="m", messages=[], stream=True)
    instrumentation.switch_off()
    list(stream)
    assert [span.attributes["rlhf.stream.end"] for span in captured.spans] == ["completed"]


# --- Which versions -----------------------------------------------------------------------------------------------


@sdks
@pytest.mark.parametrize("version", ["99.0.0", "nonsense", ""])
def test_unknown_versions_are_left_alone(version, sdk, llm, run, monkeypatch, caplog):
    """A version that we do not know is not touched, with one line that says which ones we do."""
    monkeypatch.setattr(sdk, "__version__", version)
    before = patchable(sdk)
    with capture() as kept:
        instrumentation.switch_on((sdk.__name__,))
        instrumentation.switch_on((sdk.__name__,))
        run("sync", ask(make(sdk, "sync", llm)))
    assert [now[2] is then[2] for now, then in zip(patchable(sdk), before, strict=True)] == [True] * len(before)
    assert kept.spans == []
    lines = [record.getMessage() for record in caplog.records if record.name == "rlhf_otel"]
    assert len(lines) == 1
    assert f"{sdk.__name__} {version} is not recorded: majors" in lines[0]


def test_unknown_packages(caplog):
    """A name that stands for no library is reported once, and the others are switched on."""
    with caplog.at_level(logging.WARNING, "rlhf_otel"):
        instrumentation.switch_on(("nosuch", "openai"))
    assert "no client library called 'nosuch' can be instrumented" in caplog.text
    assert list(instrumentation.patched_packages()) == ["openai"]


# --- Instrumentor classes, by hand --------------------------------------------------------------------------------


@pytest.fixture
def by_hand():
    """A provider as an application makes one, and both instrumentors wired to it by `switch()`."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = [OpenAIInstrumentor(), AnthropicInstrumentor()]

    def switch():
        for instrumentor in made:
            instrumentor.instrument(tracer_provider=provider)
        return exporter

    yield switch
    for instrumentor in made:
        if instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.uninstrument()


MODES = [
    (None, False), ("", False), ("NO_CONTENT", False), ("no_content", False), ("false", False), ("EVENT_ONLY", False),
    ("SPAN_ONLY", True), ("span_only", True), ("Span_And_Event", True), ("true", True),
]  # fmt: skip


@sdks
@pytest.mark.parametrize(("value", "captures"), MODES)
def test_content_only_as_the_variable_says(value, captures, sdk, llm, run, by_hand, monkeypatch):
    """An instrumentor that is wired by hand writes content to its spans only where OpenTelemetry's variable says so."""
    if value is not None:
        monkeypatch.setenv(CONTENT, value)
    llm.script(Reply(text="Hello."))
    exporter = by_hand()
    run("sync", ask(make(sdk, "sync", llm)))
    (span,) = exporter.get_finished_spans()
    assert ("gen_ai.input.messages" in span.attributes, "gen_ai.output.messages" in span.attributes) == (captures,) * 2
    assert ("Hello." in repr(dict(span.attributes))) == captures
    assert (span.attributes["gen_ai.request.max_tokens"], span.attributes["gen_ai.usage.output_tokens"]) == (9, 9)


@sdks
def test_uninstrumented_by_hand(sdk, llm, run, by_hand):
    """`uninstrument()` of an instrumentor class puts its library back."""
    before = patchable(sdk)
    exporter = by_hand()
    (OpenAIInstrumentor if sdk is openai else AnthropicInstrumentor)().uninstrument()
    run("sync", ask(make(sdk, "sync", llm)))
    assert exporter.get_finished_spans() == ()
    assert all(now[2] is then[2] for now, then in zip(patchable(sdk), before, strict=True))


# --- When the library is imported ---------------------------------------------------------------------------------


def in_a_new_process(code):
    """Runs `code` in a fresh interpreter and gives what it printed."""
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.split()


def test_no_library_is_imported():
    """`instrument()` imports no LLM client library."""
    code = """
        import sys, rlhf_otel
        rlhf_otel.instrument(store=":memory:")
        print(*(name for name in ("openai", "anthropic", "httpx", "httpx2", "pydantic") if name in sys.modules))
    """
    assert in_a_new_process(code) == []


def test_a_library_that_is_imported_later(server):
    """A library that the application imports after `instrument()` is recorded from its first call on."""
    code = f"""
        import rlhf_otel
        rlhf_otel.instrument(store=":memory:")
        import openai, anthropic
        openai.OpenAI(base_url="{server.openai_url}", api_key="k").embeddings.create(model="m", input="x")
        ask = dict(model="m", max_tokens=9, messages=[dict(role="user", content="Hi")])
        anthropic.Anthropic(base_url="{server.anthropic_url}", api_key="k").messages.create(**ask)
        assert rlhf_otel.flush(10)
        print(*sorted(interaction.provider for interaction, _ in rlhf_otel.interactions()))
    """
    assert in_a_new_process(code) == ["anthropic", "openai"]


def test_hooks_are_registered_once(monkeypatch):
    """However often it is switched on, the import of a library is watched by one hook."""
    registered = []
    monkeypatch.setattr(wrapt, "register_post_import_hook", lambda hook, name: registered.append(name))
    monkeypatch.setattr(instrumentation, "_hooked", set())
    monkeypatch.delitem(sys.modules, "openai")
    instrumentation.switch_on(("openai",))
    instrumentation.switch_on(("openai",))
    assert registered == ["openai"]


def test_hooks_have_their_defaults():
    """No test left recording switched off or strict."""
    assert (hooks.enabled, hooks.strict) == (True, False)


def test_a_subclass_whose_wrapper_holds_itself(llm):
    """A decorator that retries may refer to the function that it makes; the library is patched all the same."""

    def retried(function):
        @functools.wraps(function)
        def again(*args, **kwargs):
            again.calls += 1
            return function(*args, **kwargs)

        again.calls = 0
        return again

    class Retrying(openai.OpenAI):
        @retried
        def request(self, *args, **kwargs):
            return super().request(*args, **kwargs)

    with capture() as kept, Retrying(base_url=llm.openai_url, api_key="k") as client:
        instrumentation.switch_on()
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        assert len(kept.spans) == 1
    assert Retrying.request.calls == 1


def test_a_part_that_is_imported_later_and_is_not_as_expected(monkeypatch):
    """The application's import succeeds whatever befalls us in it; the fault is counted."""
    name = "openai.resources.responses.responses"
    faults = hooks.counters["faults"]
    with capture(strict=False):
        instrumentation.switch_on()
        monkeypatch.setattr(instrumentation._patches["openai"].provider, "connections", {name: ()})
        monkeypatch.delitem(sys.modules, name, raising=False)
        instrumentation.switch_off()
        instrumentation.switch_on()
        assert importlib.import_module(name).Responses
    assert hooks.counters["faults"] == faults + 1
