"""The metrics: names, units, buckets and attributes."""

from __future__ import annotations

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.testing import Reply, Usage

DURATION_BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
TOKEN_BUCKETS = [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]


def measured(collector):
    """The newest state of each metric by its name."""
    assert rlhf.flush(20)
    return {metric.name: metric for metric in collector.metrics}


def test_names_units_buckets_and_attributes_are_the_conventions(collector, ask, llm, provider):
    """A streamed call is measured as the conventions say, down to the bucket bounds."""
    rlhf.instrument(endpoint=collector.http_url)
    llm.script(Reply(chunks=["a", "b"], usage=Usage(input=7, output=3), model="gpt-5-mini"))
    list(ask(stream=True, stream_options={"include_usage": True}))
    found = measured(collector)
    common = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5",
        "gen_ai.response.model": "gpt-5-mini", "server.address": "127.0.0.1",
        "server.port": int(provider.openai_url.split(":")[2].split("/")[0]),
    }  # fmt: skip
    for name in ("duration", "time_to_first_chunk", "time_per_output_chunk"):
        metric = found[f"gen_ai.client.operation.{name}"]
        (point,) = metric.points
        assert (metric.unit, metric.kind, list(point.bounds)) == ("s", "histogram", DURATION_BUCKETS)
        assert point.attributes == common
    tokens = found["gen_ai.client.token.usage"]
    assert tokens.unit == "{token}"
    assert {(p.attributes["gen_ai.token.type"], p.sum) for p in tokens.points} == {("input", 7), ("output", 3)}
    assert [list(point.bounds) for point in tokens.points] == [TOKEN_BUCKETS] * 2


def test_a_failed_call_is_measured_with_its_error(collector, ask, llm):
    """`error.type` is on the duration, and no tokens are counted."""
    rlhf.instrument(endpoint=collector.http_url)
    llm.script(Reply(status=400, error="no"))
    with pytest.raises(Exception, match="no"):
        ask()
    found = measured(collector)
    (point,) = found["gen_ai.client.operation.duration"].points
    assert point.attributes["error.type"] == "BadRequestError"
    assert "gen_ai.client.token.usage" not in found


def test_the_next_names(collector, ask):
    """`RLHF_OTEL_METRIC_NAMES=next` writes the names that the conventions are moving to."""
    rlhf.instrument(endpoint=collector.http_url, metric_names="next")
    list(ask(stream=True))
    names = set(measured(collector))
    assert names >= {
        "gen_ai.client.inference.duration", "gen_ai.client.inference.time_to_first_chunk",
        "gen_ai.client.inference.time_per_output_chunk",
    }  # fmt: skip
    assert not [name for name in names if name.startswith("gen_ai.client.operation.")]


def test_feedback_is_counted_by_kind_model_variant_and_allowed_words(collector):
    """Names and labels that are not on the list count as `other`, so that a user's words make no new series."""
    rlhf.instrument(endpoint=collector.http_url, feedback_labels=["user_feedback", "pass", "helpfulness"])
    with rlhf.context(variant="B"):
        made = rlhf.capture(prompt="a", response="b", model="m")
    rlhf.flush(10)
    feedback.record(made, True)
    feedback.record(made, 4, scale=(1, 5), name="helpfulness", label="good")
    feedback.record(made, "too long", name="a user's own words")
    found = measured(collector)
    assert {tuple(sorted(point.attributes.items())) for point in found["rlhf.feedback.count"].points} == {
        (("gen_ai.evaluation.name", "user_feedback"), ("gen_ai.request.model", "m"), ("rlhf.feedback.kind", "binary"),
         ("rlhf.variant", "B")),
        (("gen_ai.evaluation.name", "helpfulness"), ("gen_ai.evaluation.score.label", "other"),
         ("gen_ai.request.model", "m"), ("rlhf.feedback.kind", "rating"), ("rlhf.variant", "B")),
        (("gen_ai.evaluation.name", "other"), ("gen_ai.evaluation.score.label", "other"),
         ("gen_ai.request.model", "m"), ("rlhf.feedback.kind", "categorical"), ("rlhf.variant", "B")),
    }  # fmt: skip
    assert sorted(point.sum for point in found["rlhf.feedback.score"].points) == [0.75, 1.0]


def test_metrics_leave_while_the_application_idles(collector, monkeypatch):
    """What was measured is exported when the interval is over, though nothing else happens then."""
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    rlhf.instrument(endpoint=collector.http_url, batch_delay_ms=1)
    rlhf.capture(prompt="a", response="b")
    collector.wait_for(metrics=1)
    collector.clear()
    rlhf.capture(prompt="a", response="b")
    collector.wait_for(metrics=1)
    assert collector.metrics[0].points[0].count == 2


def test_no_backend_means_no_metrics(monkeypatch):
    """Without somewhere to send them to, no meter provider is made."""
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b")
    rlhf.flush(5)
    from rlhf_otel.export import setup

    assert setup.current().own.meter_provider is None


def test_a_backend_without_metrics_harms_nothing(collector, lines):
    """Calls and feedback are acknowledged though metrics are refused, which is one line."""
    collector.fail(404, signal="metrics")
    rlhf.instrument(endpoint=collector.http_url)
    made = rlhf.capture(prompt="a", response="b")
    feedback.record(made, True)
    assert rlhf.flush(10)
    assert rlhf.flush(10)
    assert lines() == ["rlhf-otel: the backend does not take metrics (calls and feedback are not affected)"]


def test_what_is_dropped_is_a_metric(collector):
    """Each drop is counted by the reason for it."""
    hooks.count("dropped_spool_full", 3)
    rlhf.instrument(endpoint=collector.http_url)
    rlhf.capture(prompt="a", response="b")
    points = measured(collector)["rlhf.export.dropped"].points
    assert [(point.attributes, point.value) for point in points] == [({"reason": "spool_full"}, 3)]
