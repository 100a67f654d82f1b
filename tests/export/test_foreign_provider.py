"""The application's own provider: used, never replaced; each span on it is final and redacted when its call is over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import Reply

KEY, MAIL = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH", "jane.doe@example.com"
SECRET = {"messages": [{"role": "user", "content": f"my key is {KEY}, mail {MAIL}"}]}


def told(span):
    """Everything that a span says, as one text."""
    events = [(event.name, dict(event.attributes)) for event in span.events]
    return repr((span.name, dict(span.attributes), span.status.description, events))


def check_final(span):
    """The span is whole, and holds neither the key nor the address."""
    assert span.end_time is not None
    assert "my key is" in span.attributes["gen_ai.input.messages"]
    assert KEY not in told(span)
    assert MAIL not in told(span)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_call_is_there_when_it_returns(when, theirs, ask, llm):
    """Set before or after `instrument()`, their exporter has the final, redacted span when the call returns."""
    if when == "before":
        trace.set_tracer_provider(theirs)
    rlhf.instrument()
    if when == "after":
        trace.set_tracer_provider(theirs)
    llm.script(Reply(text=f"I note {KEY} of {MAIL}."))
    ask(**SECRET)
    (span,) = theirs.exporter.get_finished_spans()
    check_final(span)
    assert "I note" in span.attributes["gen_ai.output.messages"]
    assert trace.get_tracer_provider() is theirs
    assert list(Path().iterdir()) == []


def test_a_stream_is_there_when_it_ends(theirs, ask, llm):
    """The span of a stream is there right after its last chunk, redacted though the key came in pieces."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    llm.script(Reply(chunks=["I note ", KEY[:20], KEY[20:], " and ", MAIL[:6], MAIL[6:]]))
    stream = ask(stream=True, **SECRET)
    assert theirs.exporter.get_finished_spans() == ()
    for _ in stream:
        pass
    (span,) = theirs.exporter.get_finished_spans()
    check_final(span)
    assert span.attributes["rlhf.stream.end"] == "completed"


def test_error_texts_are_redacted(theirs, ask, llm):
    """The message of an error is redacted in the status and in every attribute and event."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    llm.script(Reply(status=401, error=f"Incorrect API key provided: {KEY} for {MAIL}"))
    with pytest.raises(Exception, match="Incorrect API key"):
        ask(**SECRET)
    (span,) = theirs.exporter.get_finished_spans()
    check_final(span)
    assert not span.status.is_ok
    assert "Incorrect API key" in span.status.description


def test_half_a_character_costs_nobody_their_spans(theirs):
    """OTLP has no form for it, and an exporter loses all spans of a batch in which one has it in its name or status."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    rlhf.capture(prompt="q", error="no \ud83d", model="m\ud800", provider="p\udfff", attributes={"k\ud800": "v\ud800"})
    (span,) = theirs.exporter.get_finished_spans()
    (encoded,) = encode_spans([span]).resource_spans[0].scope_spans[0].spans
    assert (encoded.name, encoded.status.message) == ("chat m\ufffd", "no \ufffd")
    told = {each.key: each.value.string_value for each in encoded.attributes}
    assert told.items() >= {"k\ufffd": "v\ufffd", "gen_ai.provider.name": "p\ufffd"}.items()


def test_a_provider_set_between_two_calls_gets_the_second(theirs, ask):
    """The first call is in our store, the second on their provider, and neither on both."""
    rlhf.instrument()
    first = rlhf.handle(ask())
    trace.set_tracer_provider(theirs)
    second = rlhf.handle(ask())
    assert [f"{s.context.span_id:016x}" for s in theirs.exporter.get_finished_spans()] == [second.span_id]
    assert rlhf.flush(5)
    assert [i.span_id for i, _ in rlhf.interactions()] == [first.span_id]


def test_a_provider_set_while_a_stream_is_open(theirs, ask):
    """A stream that began on ours ends on ours; what begins later is on theirs."""
    rlhf.instrument()
    stream = ask(stream=True)
    next(iter(stream))
    trace.set_tracer_provider(theirs)
    later = rlhf.handle(ask())
    for _ in stream:
        pass
    began = rlhf.handle(stream)
    assert [f"{s.context.span_id:016x}" for s in theirs.exporter.get_finished_spans()] == [later.span_id]
    assert rlhf.flush(5)
    assert [i.span_id for i, _ in rlhf.interactions()] == [began.span_id]


def test_their_provider_and_a_store(theirs, ask):
    """With `store=` the call is in their exporter and in the embedded store, the same and once in each."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument(store="here.db")
    answer = ask(**SECRET)
    feedback.record(answer, True)
    ask()
    rows = list(rlhf.interactions())
    assert [i.span_id for i, _ in rows][::-1] == [
        f"{s.context.span_id:016x}" for s in theirs.exporter.get_finished_spans()
    ]
    assert [len(given) for _, given in rows] == [0, 1]
    assert KEY not in repr(rows)


def test_feedback_without_their_logger_provider_is_kept(theirs, ask, lines):
    """Feedback has no other place to go then: it waits in the default store, and one line says so."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    ref = feedback.record(ask(), True, comment=f"from {MAIL}")
    assert rlhf.flush(5)
    assert ref.status == "pending"
    from rlhf_otel.store import Store

    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        (kept,) = store.pending()
        assert store.counts()["interactions"] == 0
    assert kept.id == ref.id
    assert MAIL not in kept.comment
    assert lines() == ["rlhf-otel: no backend takes log events, so feedback is kept in .rlhf-otel/store.db"]


def test_feedback_goes_to_their_logger_provider(theirs, ask):
    """With a global LoggerProvider the event is on it, redacted, in the context of the rated span."""
    trace.set_tracer_provider(theirs)
    logs = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    rlhf.instrument()
    answer = ask()
    _logs.set_logger_provider(provider)
    ref = feedback.record(answer, True, comment=f"from {MAIL}")
    (log,) = [log.log_record for log in logs.get_finished_logs()]
    (span,) = theirs.exporter.get_finished_spans()
    assert (log.trace_id, log.span_id) == (span.context.trace_id, span.context.span_id)
    assert (ref.status, log.event_name) == ("sent", "gen_ai.evaluation.result")
    assert MAIL not in repr(dict(log.attributes))
    assert list(Path().iterdir()) == []


def test_a_sampled_out_call_on_their_provider(ask):
    """Their sampler decides; the call's result and its handle are there all the same."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    rlhf.instrument()
    answer = ask()
    assert exporter.get_finished_spans() == ()
    assert rlhf.handle(answer).sampled is False
    assert feedback.record(answer, True).status == "pending"
    provider.shutdown()


def test_their_processors_see_the_span_final(theirs, ask):
    """A processor of theirs that reads the span when it ends reads what is exported."""
    seen = []

    class Reader(SimpleSpanProcessor):
        def on_end(self, span):
            seen.append(dict(span.attributes))

    theirs.add_span_processor(Reader(InMemorySpanExporter()))
    trace.set_tracer_provider(theirs)
    rlhf.instrument()
    ask(**SECRET)
    (span,) = theirs.exporter.get_finished_spans()
    assert seen == [dict(span.attributes)]


def test_no_second_exporter_for_their_spans(theirs, ask, collector):
    """With an endpoint in our settings their spans go to their exporters alone; our metrics and events use ours."""
    trace.set_tracer_provider(theirs)
    rlhf.instrument(endpoint=collector.http_url)
    feedback.record(ask(), True)
    assert rlhf.flush(10)
    assert [len(collector.spans), len(collector.logs)] == [0, 1]
    assert len(theirs.exporter.get_finished_spans()) == 1
    assert "gen_ai.client.operation.duration" in {metric.name for metric in collector.metrics}


@pytest.mark.parametrize("limit", [200, 1000])
def test_content_over_a_length_limit_stays_json(ask, monkeypatch, limit):
    """A limit on attribute length cuts texts within the JSON, which says how much is gone."""
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", str(limit))
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    rlhf.instrument()
    turns = [{"role": "user", "content": f"{n} " + "word " * 500} for n in range(3)]
    with rlhf.context(shop={"items": ["x" * 3000]}):
        ask(messages=turns)
    (span,) = exporter.get_finished_spans()
    encoded = span.attributes["gen_ai.input.messages"]
    assert len(encoded) <= limit
    assert "cut]" in json.dumps(json.loads(encoded), ensure_ascii=False)
    shop = span.attributes["rlhf.context.shop"]
    assert len(shop) <= limit
    assert "cut]" in json.loads(shop)["items"][0]
    provider.shutdown()
