"""What the garbage collector comes upon ends without harm, and what fails keeps nothing of the application alive."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import types
import weakref

import openai
import pytest

from rlhf_otel import instrumentation
from rlhf_otel.instrumentation import collected
from rlhf_otel.instrumentation.held import HeldSpan
from rlhf_otel.testing import Reply, capture

ASK = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


def leave_in_a_cycle(client: openai.OpenAI) -> None:
    """Reads one chunk of a stream and drops it where only the garbage collector finds it."""
    stream = client.chat.completions.create(**ASK, stream=True)
    next(stream)
    cycle: list[object] = [stream]
    cycle.append(cycle)


def test_a_collection_within_code_that_holds_locks_ends_nothing_there(llm, clients) -> None:
    """A stream that is found while OpenTelemetry's code holds a lock is ended later, on another thread, and once."""
    lock, ended_by = threading.Lock(), []
    instrumentation.switch_on()
    with capture() as captured:
        inner = captured.tracer_provider._active_span_processor.on_end

        def on_end(span: object) -> None:
            with lock:
                ended_by.append(threading.current_thread())
            inner(span)

        captured.tracer_provider._active_span_processor.on_end = on_end
        leave_in_a_cycle(clients["openai", "sync"])
        code = "def collect(lock, gc):\n    with lock:\n        gc.collect()"
        sdk = types.ModuleType("opentelemetry.sdk.pretended")
        exec(code, vars(sdk))
        sdk.collect(lock, gc)
        (interaction,) = captured.wait_for(interactions=1, timeout=10) or captured.interactions
    assert interaction.stream_end == "abandoned"
    assert [thread is threading.main_thread() for thread in ended_by] == [False]


def test_a_collection_that_the_application_asks_for_ends_streams_at_once(llm, clients) -> None:
    """After `gc.collect()` the span of a stream that was left in a cycle is there."""
    instrumentation.switch_on()
    with capture() as captured:
        leave_in_a_cycle(clients["openai", "sync"])
        assert captured.interactions == []
        gc.collect()
        assert [i.stream_end for i in captured.interactions] == ["abandoned"]


def test_an_end_that_fails_holds_up_no_other(monkeypatch) -> None:
    """What one end raises (a processor of the application's, say) is no reason not to run those after it."""
    ended = threading.Event()

    def fails() -> None:
        raise ZeroDivisionError

    collected.watch()
    for end in (fails, ended.set):
        collected._late.put(end)
    assert ended.wait(10)
    ended.clear()
    monkeypatch.setattr(collected, "_found", [fails, ended.set])
    gc.collect()
    assert ended.is_set()


def test_the_end_of_the_process_does_not_wait_for_what_the_thread_has_taken() -> None:
    """Both take what was collected from the same queue; neither waits for what the other has got."""
    ended, interval = [], sys.getswitchinterval()
    collected.watch()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(2000):
            for number in range(10):
                collected._late.put(functools.partial(ended.append, number))
            collected.end_all()
    finally:
        sys.setswitchinterval(interval)
    assert len(ended) >= 19_999


def test_a_stream_where_no_thread_is_to_be_had(llm, clients, monkeypatch) -> None:
    """It is recorded as any other: the thread is for what the garbage collector finds within locks alone."""

    start = threading.Thread.start

    def no_thread(thread: threading.Thread) -> None:
        if thread.name.startswith("rlhf-otel"):
            raise RuntimeError("can't start new thread")
        start(thread)  # of the fake provider

    instrumentation.switch_on()
    collected._begin_anew()
    with capture() as captured:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", no_thread)
            stream = clients["openai", "sync"].chat.completions.create(**ASK, stream=True)
        assert len(list(stream)) > 1
        assert [i.stream_end for i in captured.interactions] == ["completed"]
    collected._begin_anew()


def test_a_failed_call_keeps_nothing_of_the_application_alive(llm, clients) -> None:
    """The locals of the frames that an exception came through die with them, without the garbage collector."""

    class Held:
        """Something of the application's."""

    def handler() -> weakref.ref[Held]:
        held = Held()
        with pytest.raises(openai.BadRequestError):
            clients["openai", "sync"].chat.completions.create(**ASK)
        return weakref.ref(held)

    llm.script(Reply(status=400, error="no"))
    instrumentation.switch_on()
    with capture() as captured:
        gc.disable()
        try:
            assert handler()() is None
        finally:
            gc.enable()
    assert [i.error_type for i in captured.interactions] == ["BadRequestError"]


def test_the_end_of_an_adopted_span_is_its_owners_to_the_nanosecond() -> None:
    """`span.end(end_time=...)` by keyword is passed on as it was given."""

    ended: list[int | None] = []

    class Span:
        def end(self, end_time: int | None = None) -> None:
            ended.append(end_time)

    span = Span()
    held = HeldSpan(span, stream=False)
    span.end(end_time=7)
    assert ended == []
    held.release()
    assert ended == [7]


def test_a_request_within_a_call_is_not_taken_for_it(llm, clients) -> None:
    """What a transport asks for by the same client in the midst of a call changes nothing about that call."""
    client = clients["openai", "sync"]
    instrumentation.switch_on()
    built = client._build_request
    llm.script(Reply(text="yes", headers={"x-request-id": "of-the-call"}))

    def build(*args: object, **kwargs: object) -> object:
        request = built(*args, **kwargs)
        if "chat" in str(request.url):
            client.models.list()
        return request

    with capture() as captured:
        client._build_request = build
        try:
            client.chat.completions.create(**ASK)
        finally:
            del client._build_request
    (interaction,) = captured.interactions
    assert interaction.attributes["http.response.header.x-request-id"] in (["of-the-call"], ("of-the-call",))
    assert interaction.input
