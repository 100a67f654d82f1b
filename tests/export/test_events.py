"""Feedback events of ours beside what the SDK makes of the same, and who hears of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
from opentelemetry.sdk.resources import Resource

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.export import encoder, events, otlp, setup, wire
from rlhf_otel.export.items import Event
from rlhf_otel.records import Feedback
from rlhf_otel.testing import FakeCollector

TEXT = st.text(max_size=80)
VALUES = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False),
                   st.lists(TEXT, max_size=3), st.lists(st.integers(0, 9), max_size=3))  # fmt: skip
IDS = st.tuples(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
SAID = st.lists(st.tuples(IDS, st.integers(1, 2**62), st.dictionaries(TEXT, VALUES, max_size=6)), max_size=5)
GIVEN = Feedback(id="a", name="tone", kind="binary", time_ns=5, trace_id="ab" * 16, span_id="cd" * 8, value=True)


def source():
    """What makes events, on a provider of the SDK's."""
    return events.Events(LoggerProvider(Resource({"service.name": "a"}), shutdown_on_exit=False))


@settings(max_examples=60, deadline=None)
@given(SAID)
def test_events_are_encoded_as_by_the_sdk(said):
    """Whatever is in them, and the first as the others."""
    made_by, pack = source(), encoder.EventEncoder().pack
    made = []
    for (trace_id, span_id), time_ns, attributes in said:
        rated = Feedback(id="a", name="n", kind="score", time_ns=time_ns, trace_id=f"{trace_id:032x}",
                         span_id=f"{span_id:016x}")  # fmt: skip
        made.append(made_by.made(rated, attributes))
    ours = wire.REQUESTS["logs"].FromString(wire.request([pack(each) for each in made]))
    assert ours == encode_logs([each.as_the_sdk for each in made])


def test_what_is_not_plain_is_left_to_the_sdk():
    """It takes what our encoder does not."""
    made = source().made(GIVEN, {"a": {"b": b"c"}})
    pack = encoder.EventEncoder().pack
    for _ in range(2):
        assert wire.REQUESTS["logs"].FromString(wire.request([pack(made)])) == encode_logs([made.as_the_sdk])


def test_an_exporter_of_others_has_the_record_of_the_sdk():
    """What takes no bytes gets what it has always got."""
    exporter = InMemoryLogRecordExporter()
    sink = otlp.EventSink(exporter)
    item = sink.lean(Event(source().made(GIVEN, {"k": "v"}), GIVEN))
    assert sink.send([item])
    (record,) = exporter.get_finished_logs()
    assert (record.log_record.event_name, record.log_record.attributes) == ("gen_ai.evaluation.result", {"k": "v"})
    assert (record.log_record.trace_id, record.log_record.span_id) == (int("ab" * 16, 16), int("cd" * 8, 16))
    assert record.resource.attributes["service.name"] == "a"


class Listener(LogRecordProcessor):
    """Keeps the names of events."""

    def __init__(self):
        self.heard = []

    def on_emit(self, log_record):
        """Keeps one."""
        self.heard.append(log_record.log_record.event_name)

    def shutdown(self):
        """Nothing."""

    def force_flush(self, timeout_millis=30_000):
        """Nothing to flush."""
        return True


@pytest.mark.parametrize("listens", [False, True])
def test_whoever_listens_to_our_provider_hears_of_feedback(listens, monkeypatch, tmp_path):
    """As of any event of the SDK; and it arrives once either way."""
    monkeypatch.chdir(tmp_path)
    listener = Listener()
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url)
        if listens:
            setup.current().own.logger_provider.add_log_record_processor(listener)
        feedback.record(span_id="cd" * 8, trace_id="ab" * 16, value=True, id="f1")
        assert rlhf.flush(10)
        rlhf.shutdown(2)
    assert listener.heard == ["gen_ai.evaluation.result"] * listens
    assert [record.attributes["rlhf.feedback.id"] for record in collector.logs] == ["f1"]


def test_limits_of_the_sdk_hold(monkeypatch, tmp_path):
    """Where a variable says how long attributes may be, the SDK cuts them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "20")
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url)
        feedback.record(span_id="cd" * 8, value=True, comment="x" * 50)
        assert rlhf.flush(10)
        rlhf.shutdown(2)
    (record,) = collector.logs
    assert record.attributes["gen_ai.evaluation.explanation"] == "x" * 20
