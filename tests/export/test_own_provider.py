"""Our own provider: work is put off as long as nobody else looks, and not a moment longer."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

import rlhf_otel as rlhf
from rlhf_otel import config, feedback, hooks
from rlhf_otel.export import setup
from rlhf_otel.records import Interaction
from rlhf_otel.store import Store

MAIL = "jane.doe@example.com"


def test_the_pipeline_runs_on_a_thread_of_its_own(ask):
    """Processors do not cost the application's thread anything."""
    names = []
    rlhf.add_processor(lambda interaction: names.append(threading.current_thread().name))
    rlhf.instrument()
    ask()
    assert rlhf.flush(5)
    assert names == ["rlhf-otel-spool"]


def test_what_is_changed_after_the_call_does_not_reach_the_record(ask):
    """The request is kept as it was sent, though the application goes on with the same list."""
    rlhf.instrument()
    messages = [{"role": "user", "content": "first"}]
    ask(messages=messages)
    messages[0]["content"] = "changed"
    messages.append({"role": "user", "content": "second"})
    ((interaction, _),) = rlhf.interactions()
    assert [part["content"] for m in interaction.input for part in m["parts"]] == ["first"]


def test_what_is_changed_in_an_answer_does_not_reach_the_record(ask):
    """The answer is kept as it came, though the application changes it before anybody has read it."""
    gate = threading.Event()
    rlhf.add_processor(lambda interaction: gate.wait(5) and None)
    rlhf.instrument()
    ask()  # holds up the export thread
    answer = ask()
    said = answer.choices[0].message.content
    answer.choices[0].message.content = "changed"
    answer.usage.completion_tokens = -1
    gate.set()
    (newest, _), _ = rlhf.interactions()
    assert newest.span_id == rlhf.handle(answer).span_id
    assert [part["content"] for m in newest.output for part in m["parts"]] == [said]
    assert newest.output_tokens > 0


def test_a_processor_added_to_our_provider_switches_to_inline(ask):
    """From then on a span is final when its call returns; what was put off still arrives."""
    telemetry = setup.configure_global(config.load({"store": ":memory:"}))
    rlhf.instrument()
    before = rlhf.handle(ask())
    exporter = InMemorySpanExporter()
    trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
    after = rlhf.handle(ask(messages=[{"role": "user", "content": f"I am {MAIL}"}]))
    (span,) = exporter.get_finished_spans()
    assert f"{span.context.span_id:016x}" == after.span_id
    assert "I am" in span.attributes["gen_ai.input.messages"]
    assert MAIL not in span.attributes["gen_ai.input.messages"]
    assert trace.get_tracer_provider() is telemetry.own.tracer_provider
    assert [i.span_id for i, _ in rlhf.interactions()] == [after.span_id, before.span_id]


def test_force_flush_and_shutdown_of_our_provider_deliver(collector, ask):
    """OpenTelemetry's own calls on our provider do what ours do."""
    telemetry = setup.configure_global(config.load({"endpoint": collector.http_url}))
    rlhf.instrument()
    ask()
    assert trace.get_tracer_provider().force_flush(5000)
    assert len(collector.spans) == 1
    ask()
    telemetry.own.tracer_provider.shutdown()
    assert len(collector.spans) == 2


def test_spans_of_the_application_travel_too(collector, ask):
    """On our global provider the application's own spans go to the same backend, with ours as their children."""
    setup.configure_global(config.load({"endpoint": collector.http_url}))
    rlhf.instrument()
    with trace.get_tracer("app").start_as_current_span("request"):
        ask()
    assert rlhf.flush(10)
    child, parent = collector.spans
    assert (parent.name, parent.scope) == ("request", "app")
    assert (child.parent_span_id, child.trace_id) == (parent.span_id, parent.trace_id)


def test_the_tree_around_a_call_is_in_the_store():
    """Spans of others are kept beside the calls that they surround."""
    setup.configure_global(config.load({}))
    rlhf.instrument()
    with trace.get_tracer("app").start_as_current_span("request", attributes={"http.route": "/chat"}):
        made = rlhf.capture(prompt="a", response="b")
    assert rlhf.flush(5)
    ((interaction, _),) = rlhf.interactions()
    (span,) = setup.current().own.store_sink.store.spans(made.trace_id)
    assert (span.name, span.attributes["http.route"]) == ("request", "/chat")
    assert interaction.parent_span_id == span.span_id


def test_a_share_of_traces_is_kept_and_all_feedback():
    """`sample_rate=0` keeps no call, still answers with handles, and keeps the feedback as pending."""
    rlhf.instrument(sample_rate=0.0, hold_age=0)
    made = rlhf.capture(prompt="a", response="b")
    assert made.sampled is False
    assert feedback.record(made, True).status == "pending"
    assert list(rlhf.interactions()) == []
    assert len(setup.current().own.store_sink.store.pending()) == 1


def test_opentelemetrys_sampler_is_honoured(monkeypatch):
    """`OTEL_TRACES_SAMPLER` decides where our own setting says nothing."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    rlhf.instrument()
    assert rlhf.capture(prompt="a", response="b").sampled is False


@pytest.mark.parametrize(
    ("mode", "on_span", "on_event"),
    [
        ("NO_CONTENT", 0, 0),
        ("SPAN_ONLY", 1, 0),
        ("EVENT_ONLY", 0, 1),
        ("SPAN_AND_EVENT", 1, 1),
        ("span_and_event", 1, 1),
    ],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_content_goes_where_the_mode_says(collector, theirs, ask, mode, on_span, on_event, foreign):
    """The conventions' modes, in any case, put content on spans, events, both or nowhere; one flush has it all."""
    if foreign:
        trace.set_tracer_provider(theirs)
    rlhf.instrument(endpoint=collector.http_url, capture=mode)
    ask(messages=[{"role": "system", "content": "be brief"}, {"role": "user", "content": f"canary of {MAIL}"}])
    assert rlhf.flush(10)
    spans = theirs.exporter.get_finished_spans() if foreign else collector.spans
    events = [log for log in collector.logs if log.event_name == "gen_ai.client.inference.operation.details"]
    assert [len(spans), len(events)] == [1, on_event]
    assert ("canary" in repr(dict(spans[0].attributes))) is bool(on_span)
    assert MAIL not in repr(dict(spans[0].attributes)) + repr(events)
    for event in events:
        assert event.attributes["gen_ai.input.messages"][-1]["parts"][0]["content"].startswith("canary of ")
        assert event.span_id == rlhf.last().span_id
    if not foreign and on_span:
        assert json.loads(spans[0].attributes["gen_ai.input.messages"])[-1]["role"] == "user"


def test_no_content_means_nowhere(ask, collector, llm, caplog):
    """With content off a canary is found in no signal, in no log line and in no store."""
    caplog.set_level("DEBUG")
    rlhf.instrument(endpoint=collector.http_url, store="s.db", capture="no_content")
    from rlhf_otel.testing import Reply

    llm.script(Reply(text="canary of the answer"))
    ask(messages=[{"role": "user", "content": "canary of the prompt"}])
    assert rlhf.flush(10)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("rlhf_otel")]
    ((interaction, _),) = rlhf.interactions()
    assert "canary" not in repr((collector.batches, ours, interaction))
    assert (interaction.input, interaction.output) == (None, None)


def test_shutdown_delivers_and_one_may_start_again(collector, ask, tmp_path):
    """After `shutdown()` nothing is recorded; a second `instrument()` with other settings holds."""
    rlhf.instrument(endpoint=collector.http_url)
    ask()
    assert rlhf.shutdown(10)
    assert len(collector.spans) == 1
    assert hooks.telemetry is None
    ask()
    assert rlhf.capture(prompt="a", response="b") is None
    rlhf.instrument(store="again.db")
    ask()
    assert len(list(rlhf.interactions())) == 1
    assert len(collector.spans) == 1


def test_a_global_provider_of_ours_outlives_shutdown(ask):
    """The global provider cannot be set twice: the one we made is used again, with the new settings."""
    setup.configure_global(config.load({"store": "one.db"}))
    rlhf.instrument()
    ask()
    assert rlhf.shutdown(5)
    setup.configure_global(config.load({"store": "two.db"}))
    rlhf.instrument()
    made = rlhf.handle(ask())
    assert [i.span_id for i, _ in rlhf.interactions()] == [made.span_id]
    with Store.open("one.db", read_only=True) as store:
        assert store.counts()["interactions"] == 1


def test_instrumenting_twice_is_the_same_as_once(ask):
    """The second call changes nothing, and every call is one span."""
    rlhf.instrument()
    rlhf.instrument()
    ask()
    assert len(list(rlhf.interactions())) == 1


def test_calls_that_another_instrumentation_recorded_are_redacted_too():
    """What it wrote on our provider has not been through our pipeline before it comes to the store."""
    rlhf.instrument(store=":memory:")
    said = '[{"role":"user","parts":[{"type":"text","content":"I am jane.doe@example.com"}]}]'
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": said}
    provider = setup.current().own.tracer_provider
    provider.get_tracer("another").start_span("chat", attributes=attributes).end()
    ((interaction, _),) = rlhf.interactions()
    assert interaction.input[0]["parts"][0]["content"] == "I am [REDACTED:email]"


def test_the_calls_remembered_for_metrics_are_bounded_whatever_threads_do(monkeypatch):
    """Many threads may end calls at once; none of them fails, and no more than so many are kept."""
    monkeypatch.setattr("rlhf_otel.export.arms._MOST", 50)
    rlhf.instrument(store=":memory:")
    telemetry = setup.current()

    def remember(thread):
        for number in range(500):
            telemetry._arms.remember(Interaction(trace_id="", span_id=f"{thread}-{number}", start_ns=0, end_ns=0))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(remember, range(8)))
    assert len(telemetry._arms._arms) == 50


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_whose_span_is_on_another_provider(ask, theirs, stream):
    """An adopted span that goes to somebody else's backend is in our store as well, by the ids that feedback has."""
    rlhf.instrument(store=":memory:")
    chat = {"gen_ai.operation.name": "chat"}
    with theirs.get_tracer("theirs").start_as_current_span("theirs", kind=SpanKind.CLIENT, attributes=chat):
        list(ask(stream=stream))
    assert feedback.record(rlhf.last(), True).status == "joined"
    ((interaction, rated),) = rlhf.interactions()
    (span,) = theirs.exporter.get_finished_spans()
    assert (interaction.span_id, interaction.name) == (f"{span.context.span_id:016x}", "chat gpt-5")
    assert interaction.input[0]["parts"][0]["content"] == "Hi"
    assert '"Hi"' in span.attributes["gen_ai.input.messages"]
    assert [one.value for one in rated] == [True]


def test_a_call_that_a_processor_drops_from_another_provider(ask, theirs):
    """What a processor drops is not kept by way of somebody else's span."""
    rlhf.instrument(store=":memory:")

    def drop(interaction):
        raise rlhf.Drop

    rlhf.add_processor(drop)
    with theirs.get_tracer("theirs").start_as_current_span("theirs", attributes={"gen_ai.operation.name": "chat"}):
        ask()
    assert list(rlhf.interactions()) == []
