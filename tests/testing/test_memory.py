"""`capture()` keeps in memory what an instrumented application records."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks
from rlhf_otel.testing import FixedIds, Reply, capture

ASK = {"model": "m", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


@pytest.fixture(autouse=True)
def instrumented(tmp_path, monkeypatch):
    """An application that is instrumented with defaults, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    rlhf.instrument()
    yield
    rlhf.shutdown()


def test_calls_and_feedback_come_back_as_records(llm, openai_client, tmp_path):
    """A call and a rating inside the block are an interaction and a feedback on its span; the disk stays empty."""
    llm.script(Reply(text="Paris."))
    with capture() as captured:
        answer = openai_client.chat.completions.create(**ASK)
        feedback.record(answer, True, comment="right")
    (interaction,), (thumb,) = captured.interactions, captured.feedback
    assert (interaction.name, interaction.provider, interaction.response_id) == ("chat m", "openai", answer.id)
    assert interaction.output[0]["parts"][0]["content"] == "Paris."
    assert (thumb.value, thumb.comment) == (True, "right")
    assert (thumb.trace_id, thumb.span_id) == (interaction.trace_id, interaction.span_id)
    assert list(tmp_path.iterdir()) == []


def test_opentelemetrys_own_objects_are_there(openai_client):
    """Spans, log records and metrics are kept as OpenTelemetry made them; metrics are read inside the block."""
    with capture() as captured:
        feedback.record(openai_client.chat.completions.create(**ASK), True)
        metrics = {metric.name for metric in captured.metrics}
    assert [span.name for span in captured.spans] == ["chat m"]
    assert [record.event_name for record in captured.logs] == ["gen_ai.evaluation.result"]
    assert "gen_ai.client.operation.duration" in metrics


def test_content_can_be_left_out(openai_client):
    """With content off the interaction has figures but neither prompt nor answer."""
    with capture(content=False) as captured:
        openai_client.chat.completions.create(**ASK)
    (interaction,) = captured.interactions
    assert (interaction.input, interaction.output) == (None, None)
    assert interaction.output_tokens == Reply().usage.output


def test_an_error_is_an_interaction_too(llm, openai_client):
    """A call that fails is kept with its status and the type of its error."""
    llm.script(Reply(status=400, error="not today"))
    with capture() as captured, pytest.raises(Exception, match="not today"):
        openai_client.chat.completions.create(**ASK)
    assert [(i.status, bool(i.error_type)) for i in captured.interactions] == [("error", True)]


def test_ids_can_be_fixed(openai_client):
    """With fixed ids the calls of every run have the same span ids."""
    with capture(ids=FixedIds()) as captured:
        for _ in range(2):
            openai_client.chat.completions.create(**ASK)
    assert [interaction.span_id for interaction in captured.interactions] == [f"{1:016x}", f"{2:016x}"]


def test_waiting_for_other_threads(openai_client):
    """wait_for returns once another thread's call has ended, and raises where none comes."""
    with capture() as captured, ThreadPoolExecutor(1) as pool:
        pool.submit(openai_client.chat.completions.create, **ASK)
        captured.wait_for(interactions=1)
        assert len(captured.interactions) == 1
        with pytest.raises(TimeoutError, match="1 interactions and 0 feedback"):
            captured.wait_for(feedback=1, timeout=0.01)


def test_clear_forgets(openai_client):
    """clear() leaves neither spans nor log records."""
    with capture() as captured:
        feedback.record(openai_client.chat.completions.create(**ASK), True)
        captured.clear()
        assert (captured.spans, captured.logs) == ([], [])


def test_everything_is_put_back():
    """After the block, also one that raised, telemetry and strictness are as they were."""
    before = hooks.telemetry, hooks.strict
    with pytest.raises(KeyError), capture():
        assert hooks.strict
        raise KeyError
    assert (hooks.telemetry, hooks.strict) == before


def test_without_an_engine_it_says_so(monkeypatch):
    """Where nothing offers to make telemetry the block cannot be entered."""
    monkeypatch.setattr(hooks, "connect", None)
    with pytest.raises(RuntimeError, match="connect is not set"), capture():
        pytest.fail("the block was entered")
