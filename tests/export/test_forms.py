"""Feedback as a span and as Foundry's event, through a real receiver and back into a store."""

from __future__ import annotations

import json

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector
from tests.server.process import Serve

GIVEN = [
    lambda made: feedback.record(made, True, rater="u1", comment="right", metadata={"page": "3"}, id="f1"),
    lambda made: feedback.record(made, 4, scale=(1, 5), name="clear", id="f2", source="annotator"),
    lambda made: feedback.record(made, "kind", name="tone", id="f3"),
    lambda made: feedback.correct(made, "Madrid.", id="f4"),
    lambda made: feedback.signal(made, "dwell", id="f5"),
    lambda made: feedback.record(message="m-7", value=False, id="f6"),
]


def record_all(endpoint: str):
    """Records one call, and gives all of `GIVEN` on it."""
    rlhf.instrument(endpoint=endpoint)
    made = rlhf.capture(prompt="question", response="answer", model="m")
    for give in GIVEN:
        give(made)
    assert rlhf.flush(20)
    rlhf.shutdown(1)
    return made


def recorded(ways, monkeypatch):
    """The call, and the backend that has got it and the feedback on it, sent in these ways."""
    monkeypatch.setenv("RLHF_OTEL_FEEDBACK_AS", ways)
    with FakeCollector() as collector:
        return record_all(collector.http_url), collector


def test_a_span_carries_feedback_to_backends_of_traces_alone(monkeypatch) -> None:
    """OpenInference's annotation on a span beneath the rated one and linked to it; no event is sent."""
    made, collector = recorded("carrier-span", monkeypatch)
    assert collector.logs == []
    spans = {span.name: span for span in collector.spans}
    assert sorted(spans) == sorted({"chat m", "feedback user_feedback", "feedback clear", "feedback tone",
                                    "feedback correction", "feedback dwell"})  # fmt: skip
    told = spans["feedback clear"]
    assert (told.trace_id, told.parent_span_id, told.start_ns) == (made.trace_id, made.span_id, told.end_ns)
    assert [(link.trace_id, link.span_id) for link in told.links] == [(made.trace_id, made.span_id)]
    ours = {k: v for k, v in told.attributes.items() if k.startswith(("annotations", "openinference"))}
    assert ours == {
        "openinference.span.kind": "EVALUATOR", "annotations.0.annotation.name": "clear",
        "annotations.0.annotation.score": 0.75, "annotations.0.annotation.annotator_kind": "HUMAN",
    }  # fmt: skip
    labels = [spans[f"feedback {name}"].attributes["annotations.0.annotation.label"] for name in ("tone", "dwell")]
    assert labels == ["kind", "dwell"]


@pytest.mark.parametrize("ways", ["carrier-span", "event,carrier-span", "foundry", "foundry,carrier-span"])
def test_every_form_is_the_same_feedback_behind_a_receiver(ways, monkeypatch, tmp_path) -> None:
    """Equal to what the event alone brings, once, whichever forms are sent beside each other; and no call more."""
    monkeypatch.setenv("RLHF_OTEL_FEEDBACK_AS", ways)
    with Serve(tmp_path / "s.db") as server:
        record_all(server.url)
    with Store.open(tmp_path / "s.db") as store:
        found, calls = sorted(store.all_feedback(), key=lambda f: f.id), list(store.interactions())
    assert [(f.id, f.kind, f.value, f.label, f.scale, f.comment, f.correction, f.signal) for f in found] == [
        ("f1", "binary", True, None, None, "right", None, None),
        ("f2", "rating", 4, None, (1, 5), None, None, None),
        ("f3", "categorical", "kind", "kind", None, None, None, None),
        ("f4", "correction", None, None, None, None, "Madrid.", None),
        ("f5", "signal", None, None, None, None, None, "dwell"),
        ("f6", "binary", False, None, None, None, None, None),
    ]
    (call,) = calls
    assert {f.span_id for f in found[:5]} == {call.span_id}
    assert (found[0].metadata, found[0].rater, found[1].source) == ({"page": "3"}, "u1", "annotator")
    assert (found[5].span_id, found[5].message_id) == ("", "m-7")


def test_foundry_reads_thumbs_and_ratings(monkeypatch) -> None:
    """Routed to its table, with scale, threshold, word, source and tags; what it has no form for is our event."""
    _, collector = recorded("foundry", monkeypatch)
    events = {event.attributes["rlhf.feedback.id"]: event.attributes for event in collector.logs}
    theirs = {k: v for k, v in events["f2"].items() if k.startswith(("microsoft", "gen_ai.evaluation"))}
    assert theirs == {
        "microsoft.custom_event.name": "gen_ai.evaluation.result", "gen_ai.evaluation.name": "clear",
        "gen_ai.evaluation.score.value": 4.0, "gen_ai.evaluation.score.label": "pass",
        "microsoft.gen_ai.human_evaluation.id": "f2", "microsoft.gen_ai.human_evaluation.source": "builder",
        "microsoft.gen_ai.evaluation.actor.type": "human",
    }  # fmt: skip
    assert json.loads(events["f2"]["internal_properties"]) == {
        "gen_ai.evaluation.type": "ordinal", "gen_ai.evaluation.min_value": "1.0",
        "gen_ai.evaluation.max_value": "5.0", "gen_ai.evaluation.threshold": "3.0",
        "gen_ai.evaluation.desirable_direction": "increase",
    }  # fmt: skip
    assert json.loads(events["f1"]["internal_properties"])["gen_ai.evaluation.threshold"] == "1.0"
    assert events["f1"]["microsoft.gen_ai.evaluation.tags.page"] == "3"
    assert "internal_properties" not in events["f3"]


def test_without_a_backend_feedback_is_in_the_store_all_the_same(monkeypatch, tmp_path) -> None:
    """The store takes the event, whatever is asked for."""
    monkeypatch.setenv("RLHF_OTEL_FEEDBACK_AS", "carrier-span")
    rlhf.instrument(store=str(tmp_path / "s.db"))
    made = rlhf.capture(prompt="question", response="answer", model="m")
    feedback.record(made, True, id="f1")
    assert rlhf.flush(20)
    with Store.open(tmp_path / "s.db") as store:
        (call,) = store.interactions()
        assert [f.id for f in store.feedback_on([call])[call.span_id]] == ["f1"]
