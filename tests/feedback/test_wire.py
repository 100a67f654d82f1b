"""The feedback event, exactly as it is on the wire, over http and grpc."""

from __future__ import annotations

import time

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.testing import FakeCollector

INFO = 9


@pytest.fixture(params=["http/protobuf", "grpc"])
def sent(request):
    """Sends what the test gives; returns the only event that arrived."""
    with FakeCollector(grpc=request.param == "grpc") as collector:
        url = collector.grpc_url if request.param == "grpc" else collector.http_url
        rlhf.instrument(endpoint=url, protocol=request.param)

        def deliver():
            assert rlhf.flush(20)
            (event,) = collector.logs
            return event

        yield deliver
        rlhf.shutdown(1)


@pytest.fixture
def call():
    """A call that was recorded."""
    return lambda: rlhf.capture(prompt="question", response="answer", model="m")


def test_the_envelope(sent, call):
    """Event name, the ids and flags of the rated span, the moment of rating, severity and scope."""
    made = call()
    before = time.time_ns()
    ref = feedback.record(made, True)
    after = time.time_ns()
    event = sent()
    assert (event.event_name, event.severity, event.scope) == ("gen_ai.evaluation.result", INFO, "rlhf_otel")
    assert (event.trace_id, event.span_id, event.flags) == (made.trace_id, made.span_id, 1)
    assert before <= event.time_ns <= after
    assert (ref.status, event.body) == ("spooled", None)


def base(ref, kind, name="user_feedback", **more):
    """The attributes that every event of a call has."""
    return {
        "gen_ai.evaluation.name": name, "rlhf.feedback.id": ref.id, "rlhf.feedback.kind": kind,
        "rlhf.feedback.source": "end_user", "rlhf.feedback.annotator_kind": "HUMAN", **more,
    }  # fmt: skip


def test_a_thumb(sent, call):
    """A number with the word of the conventions."""
    made = call()
    ref = feedback.record(made, False)
    assert sent().attributes == base(
        ref, "binary",
        **{"gen_ai.evaluation.score.value": 0.0, "gen_ai.evaluation.score.label": "fail",
           "rlhf.feedback.target_start": made.start_ns},
    )  # fmt: skip


def test_a_rating_with_everything(sent, call):
    """Scale, label, comment, rater, step, range, metadata, and the time that was given."""
    made = call()
    when = time.time_ns() - 3600 * 10**9
    ref = feedback.record(
        made, 4, scale=(1, 5), name="helpfulness", label="good", comment="nice", rater="u1", id="m-7:u1",
        source="annotator", annotator_kind="LLM", step=3, range=(0, 6), metadata={"page": 2, "path": {"a": 1}},
        time_ns=when,
    )  # fmt: skip
    event = sent()
    assert event.time_ns == when
    assert event.attributes == {
        "gen_ai.evaluation.name": "helpfulness", "gen_ai.evaluation.score.value": 4.0,
        "gen_ai.evaluation.score.label": "good", "gen_ai.evaluation.explanation": "nice", "enduser.id": "u1",
        "rlhf.feedback.id": ref.id, "rlhf.feedback.kind": "rating", "rlhf.feedback.source": "annotator",
        "rlhf.feedback.annotator_kind": "LLM", "rlhf.feedback.score.min": 1.0, "rlhf.feedback.score.max": 5.0,
        "rlhf.feedback.step": 3, "rlhf.feedback.range": [0, 6], "rlhf.feedback.metadata.page": 2,
        "rlhf.feedback.metadata.path": '{"a":1}', "rlhf.feedback.target_start": made.start_ns,
    }  # fmt: skip


def test_a_category(sent, call):
    """A word is the label."""
    made = call()
    ref = feedback.record(made, "too long")
    assert sent().attributes == base(
        ref, "categorical",
        **{"gen_ai.evaluation.score.label": "too long", "rlhf.feedback.target_start": made.start_ns},
    )  # fmt: skip


def test_a_correction(sent, call):
    """The ideal answer in an attribute of its own."""
    made = call()
    ref = feedback.correct(made, "the ideal answer")
    assert sent().attributes == base(
        ref, "correction", "correction",
        **{"rlhf.feedback.correction": "the ideal answer", "rlhf.feedback.target_start": made.start_ns},
    )  # fmt: skip


def test_a_preference(sent, call):
    """Both sides by span id, strength and position, in the context of the better one."""
    better, worse = call(), call()
    ref = feedback.prefer(chosen=better, rejected=worse, margin=2, position="rejected")
    event = sent()
    assert event.span_id == better.span_id
    assert event.attributes == base(
        ref, "preference", "preference",
        **{"rlhf.feedback.chosen": better.span_id, "rlhf.feedback.rejected": worse.span_id, "rlhf.feedback.margin": 2,
           "rlhf.feedback.position": "rejected", "rlhf.feedback.target_start": better.start_ns},
    )  # fmt: skip


def test_a_ranking(sent, call):
    """The order by span ids, in the context of the best."""
    made = [call(), call()]
    ref = feedback.rank(made)
    assert sent().attributes == base(
        ref, "ranking", "ranking",
        **{"rlhf.feedback.ranking": [h.span_id for h in made], "rlhf.feedback.target_start": made[0].start_ns},
    )  # fmt: skip


def test_a_signal(sent, call):
    """The raw signal is kept beside its score."""
    made = call()
    ref = feedback.signal(made, "copy")
    assert sent().attributes == base(
        ref, "signal", "copy",
        **{"rlhf.feedback.signal": "copy", "gen_ai.evaluation.score.value": 0.8,
           "rlhf.feedback.target_start": made.start_ns},
    )  # fmt: skip


def test_by_response_id_message_and_session(sent):
    """Where no span is known the event carries the ids that are, and no span context."""
    ref = feedback.record(response_id="resp-1", message="m-1", session="s-1", value=0.5)
    event = sent()
    assert (event.trace_id, event.span_id) == ("", "")
    assert event.attributes == base(
        ref, "score",
        **{"gen_ai.evaluation.score.value": 0.5, "gen_ai.response.id": "resp-1", "rlhf.message.id": "m-1",
           "session.id": "s-1", "gen_ai.conversation.id": "s-1"},
    )  # fmt: skip


def test_a_retraction(sent):
    """It names the feedback that it takes back."""
    ref = feedback.retract("m-7:u1", rater="u1")
    assert sent().attributes == base(ref, "retraction", **{"rlhf.feedback.retracts": "m-7:u1", "enduser.id": "u1"})


def test_what_a_person_wrote_is_redacted(sent, call):
    """A key or an address in a comment does not leave the process."""
    feedback.record(call(), True, comment="mail me at jane.doe@example.com")
    assert "jane.doe@example.com" not in repr(sent().attributes)
