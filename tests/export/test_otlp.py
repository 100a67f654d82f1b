"""What arrives at a backend: the same little application over http and grpc."""

from __future__ import annotations

import json

import anthropic
import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeCollector, Reply, Usage


@pytest.fixture(params=["http/protobuf", "grpc"])
def arrived(request, llm, ask, monkeypatch):
    """The collector, after an app has made four calls and rated two of them over this protocol."""
    with FakeCollector(grpc=request.param == "grpc") as collector:
        for name, value in collector.environment(request.param).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "little-app")
        rlhf.instrument()
        llm.script(
            Reply(text="Paris.", id="resp-1", usage=Usage(input=7, output=3)),
            Reply(chunks=["It ", "is."], chunk_delay=0.01),
            Reply(text="Bonjour."),
            Reply(status=400, error="no such model"),
        )
        with rlhf.context(session="s1", user="u1", variant="B", message="m1", app_version="1.2"):
            answer = ask(temperature=0.5)
        "".join(chunk.choices[0].delta.content or "" for chunk in ask(stream=True) if chunk.choices)
        with anthropic.Anthropic(base_url=llm.anthropic_url, api_key="k", max_retries=0) as client:
            said = [{"role": "user", "content": "Salut"}]
            greeting = client.messages.create(model="claude", max_tokens=9, messages=said)
        with pytest.raises(Exception, match="no such model"):
            ask()
        refs = feedback.record(answer, True, comment="right"), feedback.record(greeting, 4, scale=(1, 5))
        assert rlhf.flush(20)
        yield collector, refs


def test_spans_arrive(arrived):
    """Each call is one client span of our scope with model, usage, content and the application's context."""
    collector, _ = arrived
    first, stream, greeting, failed = sorted(collector.spans, key=lambda span: span.start_ns)
    assert [span.name for span in (first, stream, greeting, failed)] == ["chat gpt-5", "chat gpt-5", "chat claude",
                                                                        "chat gpt-5"]  # fmt: skip
    assert {span.scope for span in collector.spans} == {"rlhf_otel"}
    assert {span.kind for span in collector.spans} == {"client"}
    assert {span.resource["service.name"] for span in collector.spans} == {"little-app"}
    expected = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
        "gen_ai.response.id": "resp-1", "gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3,
        "gen_ai.request.temperature": 0.5, "session.id": "s1", "gen_ai.conversation.id": "s1", "enduser.id": "u1",
        "rlhf.variant": "B", "feature_flag.result.variant": "B", "rlhf.message.id": "m1",
        "rlhf.context.app_version": "1.2",
    }  # fmt: skip
    assert expected.items() <= first.attributes.items()
    assert json.loads(first.attributes["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "Paris."}]
    assert stream.attributes["rlhf.stream.end"] == "completed"
    assert 0 < stream.attributes["rlhf.response.time_to_first_token"] < 5
    assert greeting.attributes["gen_ai.provider.name"] == "anthropic"
    assert (failed.status, failed.attributes["error.type"]) == ("error", "BadRequestError")


def test_feedback_points_at_the_rated_spans(arrived):
    """The ids of each feedback event are those of the span that was rated, in the backend as in the reference."""
    collector, refs = arrived
    rated = [(span.trace_id, span.span_id) for span in sorted(collector.spans, key=lambda span: span.start_ns)]
    assert [(log.trace_id, log.span_id) for log in collector.logs] == [rated[0], rated[2]]
    assert [ref.target["span_id"] for ref in refs] == [log.span_id for log in collector.logs]
    assert [ref.status for ref in refs] == ["spooled", "spooled"]
    assert {log.resource["service.name"] for log in collector.logs} == {"little-app"}


def test_metrics_arrive(arrived):
    """The conventions' histograms and our two of feedback arrive with the flush, the last calls included."""
    collector, _ = arrived
    found = {metric.name: metric for metric in collector.metrics}
    assert set(found) == {
        "gen_ai.client.operation.duration", "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.client.operation.time_per_output_chunk", "gen_ai.client.token.usage", "rlhf.feedback.count",
        "rlhf.feedback.score",
    }  # fmt: skip
    latest = {metric.name: metric for metric in collector.metrics}  # cumulative: the last export tells it all
    assert sum(point.count for point in latest["gen_ai.client.operation.duration"].points) == 4
    assert sum(point.value for point in latest["rlhf.feedback.count"].points) == 2


def test_the_protocol_is_the_one_asked_for(arrived, request):
    """Every signal travels over the protocol that the environment names."""
    collector, _ = arrived
    wanted = request.node.callspec.params["arrived"]
    assert {(batch.signal, batch.protocol) for batch in collector.batches} == {
        (signal, wanted) for signal in ("traces", "logs", "metrics")
    }


def test_nothing_is_kept_locally_beside_a_backend(arrived, tmp_path):
    """With an endpoint and no store asked for, no file is written."""
    rlhf.shutdown(10)
    assert [path.name for path in tmp_path.rglob("*")] == [".rlhf-otel", "spool"]
