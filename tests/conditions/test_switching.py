"""Recording that is switched on and off, and providers that the application sets late, while calls are being made."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once

import rlhf_otel as rlhf
from rlhf_otel import instrumentation
from rlhf_otel.export.items import interaction_of
from rlhf_otel.instrumentation.call import open_streams

from .conftest import answer_to, pairs, recorded


@pytest.fixture
def client(llm):
    with openai.OpenAI(base_url=llm.openai_url, api_key="k", max_retries=0) as made:
        yield made


def ask(client, prompt, **more):
    """One call; of a stream, what is to be read."""
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": prompt}], **more)


def said(call):
    """Prompt, answer and end of a call."""
    texts = (
        "".join(part["content"] for message in messages or () for part in message["parts"])
        for messages in (call.input, call.output)
    )
    return (*texts, call.stream_end)


def kept():
    """What the store holds."""
    assert rlhf.flush(30)
    return [call for call, _ in rlhf.interactions()]


def test_on_and_off_with_streams_open(client, clean_process):
    """However often it is switched, each stream that began while it was on is one span, and the others are none."""
    opened, before = [], openai._base_client.SyncAPIClient.request
    for turn in range(10):
        rlhf.instrument(store=":memory:")
        opened.append(ask(client, f"on {turn}", stream=True))
        next(opened[-1])
        rlhf.uninstrument()
        opened.append(ask(client, f"off {turn}", stream=True))
        next(opened[-1])
    for stream in opened[:10]:
        for _ in stream:
            pass
    for stream in opened[10:]:
        stream.close()
    whole = [(f"on {turn}", answer_to(f"on {turn}"), "completed") for turn in range(5)]
    # The first chunk only names a role.
    assert sorted(map(said, kept())) == [*whole, *((f"on {turn}", "", "abandoned") for turn in range(5, 10))]
    assert openai._base_client.SyncAPIClient.request is before
    assert len(open_streams) == 0


def test_switching_while_threads_ask(client, captured):
    """Switching at any moment neither breaks a call nor records one twice; what is asked after it is on is recorded."""
    stop, asked = threading.Event(), itertools.count()

    def work():
        while not stop.is_set():
            number = next(asked)
            assert ask(client, f"call {number}").choices[0].message.content == answer_to(f"call {number}")

    failures = []
    threading.excepthook, hook = lambda args: failures.append(args.exc_value), threading.excepthook
    threads = [threading.Thread(target=work) for _ in range(4)]
    try:
        for thread in threads:
            thread.start()
        for _ in range(30):
            instrumentation.switch_off()
            instrumentation.switch_on(["openai"])
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        threading.excepthook = hook
    ask(client, "last")
    seen = recorded(captured)
    assert failures == []
    assert len(seen) == len(set(seen))
    asked_for = pairs("last", *(f"call {number}" for number in range(next(asked))))
    without_question = {("", answer) for _, answer in asked_for}  # switched off between its beginning and its request
    assert set(seen) <= {*asked_for, *without_question}
    assert ("last", answer_to("last")) in seen


@pytest.fixture
def theirs(monkeypatch):
    """A provider as an application makes it, not global yet."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    provider = TracerProvider(shutdown_on_exit=False)
    provider.exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(provider.exporter))
    yield provider
    provider.shutdown()


def test_a_provider_that_is_set_while_threads_ask(client, clean_process, theirs):
    """Each call is in one place and in one only: ours before the application set its provider, theirs after."""
    prompts = [f"call {number}" for number in range(80)]
    rlhf.instrument()

    def work(prompt):
        if prompt == "call 40":
            trace.set_tracer_provider(theirs)
        ask(client, prompt)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, prompts))
    ours = kept()
    exported = [interaction_of(span) for span in theirs.exporter.get_finished_spans()]
    assert min(len(ours), len(exported)) > 0
    assert sorted(map(said, [*ours, *exported])) == [(*pair, None) for pair in pairs(*prompts)]
