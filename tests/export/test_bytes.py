"""Large prompts: requests are split by bytes, nothing is dropped in silence, and the store keeps every byte."""

from __future__ import annotations

import json
import threading

import pytest

import rlhf_otel as rlhf
from rlhf_otel import hooks
from rlhf_otel.export import sizes
from rlhf_otel.export.items import EndedSpan, Event
from rlhf_otel.export.outbox import Limits, Outbox
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector, Reply

MB = 1_000_000
protocols = pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])


@pytest.fixture
def backend(monkeypatch):
    """Makes a backend that takes requests up to a size, and points the application at it."""
    made = []

    def make(max_bytes, protocol="http/protobuf", **settings):
        collector = FakeCollector(grpc=protocol == "grpc", max_bytes=max_bytes)
        made.append(collector)
        for name, value in {**collector.environment(protocol), **settings}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "10")
        rlhf.instrument()
        return collector

    yield make
    rlhf.shutdown(10)
    for collector in made:
        collector.close()


def said(words):
    """Messages that say `words`."""
    return [{"role": "user", "content": words}]


def prompt(span):
    """What the span says that the user said."""
    return json.loads(span.attributes["gen_ai.input.messages"])[0]["parts"][0]["content"]


@protocols
def test_requests_are_split_by_bytes(protocol, backend, ask):
    """Calls that fit together by number but not by bytes go out in several requests, each within the limit."""
    collector = backend(None, protocol, RLHF_OTEL_MAX_EXPORT_BYTES=str(MB), OTEL_BSP_SCHEDULE_DELAY="5000")
    prompts = [f"{number}" + "äx" * 100_000 for number in range(9)]
    for one in prompts:
        ask(messages=said(one))
    assert rlhf.flush(20)
    assert sorted(map(prompt, collector.spans)) == prompts
    batches = [batch for batch in collector.batches if batch.signal == "traces"]
    assert len(batches) == 3
    assert max(batch.size for batch in batches) <= MB


@protocols
def test_what_is_larger_than_a_request_goes_alone_and_whole(protocol, backend, ask):
    """A backend that takes it gets a prompt of 20 MB byte for byte, and what came beside it."""
    collector = backend(None, protocol)
    large = "äx" * (7 * MB)
    for one in ("before", large, "after"):
        ask(messages=said(one))
    assert rlhf.flush(30)
    assert {prompt(span) for span in collector.spans} == {"before", large, "after"}
    assert hooks.counters["cut_to_fit"] == 0


@protocols
def test_what_no_backend_takes_is_cut_and_says_so(protocol, backend, ask, lines):
    """A prompt that is refused as too large is cut to what fits: valid JSON, a note, the figures, and one line."""
    collector = backend(4 * MB, protocol)
    for one in ("before", "x" * (20 * MB), "after"):
        ask(messages=said(one), temperature=0.5)
    assert rlhf.flush(30)
    spans = sorted(collector.spans, key=lambda span: span.start_ns)
    assert [prompt(spans[0]), prompt(spans[2])] == ["before", "after"]
    words, _, note = prompt(spans[1]).partition("…")
    assert set(words) == {"x"}
    assert note == f" [{20 * MB - len(words)} of {20 * MB} characters cut]"
    assert spans[1].attributes["gen_ai.request.temperature"] == 0.5
    assert hooks.counters["cut_to_fit"] == 1
    assert [line for line in lines() if "cut" in line] == [line for line in lines() if "refuses" in line] != []
    assert hooks.counters["dropped_undelivered"] == 0


@protocols
def test_a_limit_that_nobody_told_us_is_found(protocol, backend, ask):
    """A backend with a smaller limit than ours gets smaller requests at once, and in the end everything that fits."""
    collector = backend(MB, protocol, OTEL_BSP_SCHEDULE_DELAY="5000")
    for number in range(12):
        ask(messages=said(f"{number}" + "x" * 300_000))
    ask(messages=said("y" * (2 * MB)))
    assert rlhf.flush(30)
    assert sum("x" in prompt(span) and len(prompt(span)) > 300_000 for span in collector.spans) == 12
    (cut,) = [prompt(span) for span in collector.spans if "y" in prompt(span)]
    assert "characters cut]" in cut
    assert len(cut) > MB / 4


def test_the_store_keeps_every_byte(ask, llm, tmp_path):
    """A prompt and an answer of 20 MB come back from the embedded store as they were said."""
    rlhf.instrument(store=str(tmp_path / "calls.db"))
    large = "äx🙂" * (3 * MB)
    llm.script(Reply(text=large[::-1]))
    answer = ask(messages=said(large))
    assert rlhf.flush(60)
    with Store.open(tmp_path / "calls.db", read_only=True) as store:
        kept = store.interaction(rlhf.handle(answer).span_id)
    assert kept.input[0]["parts"][0]["content"] == large
    assert kept.output[0]["parts"][0]["content"] == large[::-1]


def test_a_dead_backend_holds_no_more_than_its_bytes(backend, ask, lines):
    """While nobody takes them, spans wait up to the limit; the oldest go beyond that, announced before and counted."""
    collector = backend(None, RLHF_OTEL_QUEUE_BYTES=str(MB), RLHF_OTEL_DURABILITY="memory")
    collector.fail(400)
    order = []
    rlhf.on("buffer_full", lambda item: order.append("full"))
    rlhf.on("drop", order.append)
    for number in range(8):
        ask(messages=said(f"{number}" + "x" * 300_000))
        assert not rlhf.flush(10)
    assert order == ["full", 1] * 5
    assert rlhf.stats()["dropped_undelivered"] == 5
    assert len([line for line in lines() if "the oldest is dropped" in line]) == 1
    collector.recover()
    rlhf.flush(20)
    assert sorted(prompt(span)[0] for span in collector.spans) == ["5", "6", "7"]


def test_feedback_is_dropped_last_by_bytes_too():
    """Where bytes are short, spans go first, however old the feedback beside them is; a single item may always wait."""

    class Sink:
        name, carries = "kept", "spans"

    box = Outbox(Sink(), Limits(100, 10, 0, 1000))
    feedback = Event(None, None)
    box.take(feedback, 600)
    for name in ("old", "new"):
        box.take(name, 400)
    assert (box.make_room(), box.waiting) == (1, [feedback, "new"])
    box.take("huge", 9000)
    assert (box.make_room(), box.waiting) == (2, [feedback])
    box = Outbox(Sink(), Limits(100, 10, 0, 1000))
    box.take("huge", 9000)
    assert (box.make_room(), box.waiting) == (0, ["huge"])


def test_the_queue_of_the_export_thread_is_bounded_in_bytes(backend, ask, monkeypatch):
    """Where the export thread is held up, requests beyond the limit are refused, announced and counted."""
    backend(None, RLHF_OTEL_QUEUE_BYTES=str(MB))
    entered, gate, refused = threading.Event(), threading.Event(), []

    def wait(interaction):
        entered.set()
        gate.wait(10)

    rlhf.add_processor(wait)
    rlhf.on("buffer_full", refused.append)
    ask()
    assert entered.wait(10)
    for _ in range(6):
        ask(messages=said("x" * 300_000))
    gate.set()
    assert not rlhf.flush(20)
    assert (len(refused), rlhf.stats()["dropped_queue_full"]) == (3, 3)


def test_sizes_are_those_of_the_wire_or_a_little_more(backend, ask):
    """The estimate is never below what is sent: a request that is meant to fit does."""
    collector = backend(None)
    seen = []
    for words in ("x" * 50_000, "ä" * 50_000, "🙂" * 10_000, '"\\\n' * 5_000):
        ask(messages=said(words), stop=["a", "b"], temperature=0.1)
        assert rlhf.flush(20)
        (span,) = collector.spans
        (size,) = [batch.size for batch in collector.batches if batch.signal == "traces"]
        seen.append((size, sizes.size_of(EndedSpan(span, None))))
        collector.clear()
    assert [(wire <= estimate <= wire + 2000) for wire, estimate in seen] == [True] * 4
