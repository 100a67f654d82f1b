"""What is captured, by a switch each, what is attached, and what the sums say of it."""

from __future__ import annotations

import openai
import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeCollector, FakeLLM, Reply


@pytest.fixture(scope="module")
def llm():
    """A provider of models."""
    with FakeLLM() as server:
        yield server


def ask(llm):
    with openai.OpenAI(base_url=llm.openai_url, api_key="k", max_retries=0) as client:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])


def test_everything_is_captured_by_default(llm):
    """A call, an opinion, figures, and what went wrong, with the environment and the version on all of it."""
    llm.script(Reply(), Reply(status=400, error="no such model"))
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url, environment="staging", app_version="1.2")
        feedback.record(ask(llm), True)
        with pytest.raises(openai.BadRequestError):
            ask(llm)
        assert rlhf.flush(20)
        fine, failed = sorted(collector.spans, key=lambda span: span.start_ns)
        assert (failed.attributes["error.type"], failed.attributes["http.response.status_code"]) == (
            "BadRequestError",
            400,
        )
        assert "no such model" in failed.status_message
        assert {"gen_ai.client.operation.duration", "rlhf.feedback.count"} <= {each.name for each in collector.metrics}
        for each in (fine, collector.logs[0]):
            told = each.resource["deployment.environment.name"], each.resource["service.version"]
            assert told == ("staging", "1.2")


def test_without_metrics(llm):
    """Spans and feedback alone."""
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url, capture_metrics=False)
        feedback.record(ask(llm), True)
        assert rlhf.flush(20)
        assert (len(collector.spans), len(collector.logs), collector.metrics) == (1, 1, [])


def test_without_errors(llm):
    """That a call failed is recorded, and nothing of why."""
    llm.script(Reply(status=400, error="no such model"))
    rlhf.instrument(store=":memory:", capture_errors=False)
    with pytest.raises(openai.BadRequestError):
        ask(llm)
    ((call, _),) = rlhf.interactions()
    assert (call.status, call.error_type, call.error_message) == ("error", None, None)
    assert "http.response.status_code" not in call.attributes


def test_without_interactions(llm):
    """Calls go by unrecorded, and feedback on the calls of others is taken."""
    rlhf.instrument(store=":memory:", capture_interactions=False)
    assert rlhf.handle(ask(llm)) is None
    assert rlhf.capture(prompt="q", response="a") is None
    assert feedback.record("00f067aa0ba902b7", True).status == "pending"
    assert list(rlhf.interactions()) == []
    rlhf.shutdown(1)
    rlhf.instrument(store=":memory:")
    assert rlhf.capture(prompt="q", response="a") is not None


def test_without_feedback(llm, caplog):
    """The verbs take none, and say nothing of it."""
    rlhf.instrument(store=":memory:", capture_feedback=False)
    assert feedback.record(ask(llm), True) is None
    assert feedback.signal(rlhf.last(), "copy") is None
    ((_, given),) = rlhf.interactions()
    assert given == []
    assert [record for record in caplog.records if record.levelno > 20] == []


def test_what_would_be_attached():
    """The context here and now, and the resource."""
    rlhf.instrument(store=":memory:", service_name="shop", environment="test")
    with rlhf.context(session="s", variant="B", tier="gold"):
        shown = rlhf.collect_context()
    assert (shown["session"], shown["variant"], shown["context"]) == ("s", "B", {"tier": "gold"})
    assert len(shown["anonymous_user"]) == 16
    assert shown["resource"]["service.name"] == "shop"
    assert shown["resource"]["deployment.environment.name"] == "test"
    with rlhf.context(user="u1"):
        assert "anonymous_user" not in rlhf.collect_context()


def test_without_context(llm):
    """Nothing of it is attached, shown or handed on."""
    rlhf.instrument(store=":memory:", collect_context=False)
    with rlhf.context(session="s", user="u1", message="m", tier="gold"):
        ask(llm)
        assert {**rlhf.collect_context(), "resource": {}} == {"context": {}, "resource": {}}
        assert rlhf.baggage() == {}
    ((call, _),) = rlhf.interactions()
    assert (call.session, call.user, call.anonymous_user, call.message_id, call.context) == (None, None, None, None, {})


def test_sums_and_rates():
    """Counts, rates, the average duration, and each session; a call that is rated twice is one rated call."""
    rlhf.clear()
    rlhf.instrument(store=":memory:")
    assert [rlhf.stats()[name] for name in ("feedback_rate", "error_rate", "average_duration_s")] == [None] * 3
    start = 1_795_748_850 * 10**9
    for number in range(4):
        with rlhf.context(session="a" if number < 3 else "b"):
            made = rlhf.capture(prompt="q", response="a", start_ns=start, end_ns=start + number * 10**9,
                                error="slow" if number == 3 else None)  # fmt: skip
        if number in (1, 3):
            rlhf.flush(5)
            feedback.record(made, True)
            feedback.record(made, False, name="tone")
            feedback.signal(made, "copy")
    rlhf.flush(5)
    stats = rlhf.stats()
    assert (stats["interactions"], stats["errors"], stats["feedback"], stats["waiting"]) == (4, 1, 6, 0)
    assert (stats["feedback_rate"], stats["error_rate"], round(stats["average_duration_s"], 1)) == (0.5, 0.25, 1.5)
    assert stats["sessions"] == {
        "a": {"interactions": 3, "errors": 0, "rated": 1}, "b": {"interactions": 1, "errors": 1, "rated": 1},
    }  # fmt: skip


def test_clearing():
    """Counts, handles and sessions are as at the start; what was recorded is still there."""
    rlhf.instrument(store=":memory:")
    with rlhf.context(message="m-1"):
        made = rlhf.capture(prompt="q", response="a")
    rlhf.flush(5)
    rlhf.clear()
    stats = rlhf.stats()
    assert (stats["interactions"], stats["feedback_rate"], stats["sessions"]) == (0, None, {})
    assert feedback.record(message="m-1", value=True).target == {"message_id": "m-1"}
    ((call, given),) = rlhf.interactions()
    assert (call.span_id, len(given)) == (made.span_id, 1)
