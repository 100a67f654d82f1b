"""Calls that were sampled out wait for somebody to rate them, and no longer."""

from __future__ import annotations

import dataclasses
import io
import os
import time
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

import rlhf_otel as rlhf
from rlhf_otel import feedback, handles, hooks
from rlhf_otel.datasets import weight
from rlhf_otel.export import hold, setup
from rlhf_otel.export.rated import Rated
from rlhf_otel.records import Feedback
from rlhf_otel.web import FeedbackWSGI


def stored():
    """What is in the store, by the application's own id of the answer."""
    return {interaction.message_id: interaction for interaction, _ in rlhf.interactions()}


def voted():
    """What is in the store, with what was said of it."""
    return [(interaction.message_id, votes) for interaction, votes in rlhf.interactions()]


VOTE = """
import rlhf_otel as rlhf

rlhf.instrument(sample_rate=0.0)
for one in {ids}:
    assert rlhf.feedback.record(value=True, **one).status == "pending"
"""


def counted(*names):
    told = rlhf.stats()
    return tuple(told[name] for name in names)


@pytest.fixture
def answers(ask):
    """Three calls of one session that were sampled out, by the id of each answer."""
    rlhf.instrument(sample_rate=0.0)
    made = {}
    for message in ("m0", "m1", "m2"):
        with rlhf.context(session="s", message=message, user="u"):
            made[message] = ask(messages=[{"role": "user", "content": f"question {message}"}])
    return made


def test_nothing_of_a_call_that_waits_is_read_or_written(answers):
    """Neither processors nor listeners nor the store learn of it."""
    told = []
    rlhf.add_processor(told.append)
    rlhf.on("interaction", told.append)
    assert rlhf.flush(5)
    assert (told, stored()) == ([], {})
    assert counted("calls", "interactions", "sampled_out", "held") == (3, 0, 3, 3)


@pytest.mark.parametrize(
    ("named", "found"),
    [
        (lambda answers: {"target": answers["m1"]}, "m1"),
        (lambda answers: {"span_id": rlhf.handle(answers["m1"]).span_id}, "m1"),
        (lambda answers: {"target": rlhf.handle(answers["m1"]).traceparent}, "m1"),
        (lambda answers: {"target": rlhf.handle(answers["m1"]).token()}, "m1"),
        (lambda answers: {"response_id": answers["m1"].id}, "m1"),
        (lambda answers: {"message": "m1"}, "m1"),
        (lambda answers: {"session": "s", "turn": 1}, "m1"),
        (lambda answers: {"session": "s"}, "m2"),
    ],
)
def test_any_id_brings_a_call_back(answers, named, found):
    """It is stored whole, with the feedback on it, and says why; nothing else is."""
    given = named(answers)
    assert feedback.record(given.pop("target", None), True, **given).status == "joined"
    ((interaction, (vote,)),) = rlhf.interactions()
    assert (interaction.message_id, vote.value) == (found, True)
    assert interaction.input[0]["parts"][0]["content"] == f"question {found}"
    assert interaction.output_tokens == answers[found].usage.completion_tokens
    marks = {key: value for key, value in interaction.attributes.items() if key.startswith("rlhf.sampled.")}
    assert marks == {"rlhf.sampled.reason": "feedback", "rlhf.sampled.rate": 0.0, "rlhf.sampled.hold": 600.0}
    assert counted("interactions", "sampled_out", "promoted", "held") == (1, 3, 1, 2)


@pytest.mark.parametrize("evicted", [True, False])
def test_an_id_that_the_table_of_handles_has_forgotten(answers, evicted):
    """What waits is found by its own names, however many calls there were since."""
    if evicted:
        handles.forget()
    feedback.record(message="m0", value=True)
    assert list(stored()) == ["m0"]


def test_a_preference_and_a_ranking_bring_back_all_that_they_name(answers):
    """Each side is stored."""
    feedback.prefer(chosen=answers["m0"], rejected=answers["m1"])
    assert set(stored()) == {"m0", "m1"}
    feedback.rank([answers["m2"], answers["m0"]])
    assert set(stored()) == {"m0", "m1", "m2"}


def test_feedback_over_http_brings_a_call_back(answers, monkeypatch):
    """The endpoint in the application's own server is one more door to the same place."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "a key of enough bytes")
    body = b'{"token": "%s", "value": true}' % rlhf.handle(answers["m2"]).token().encode()
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/feedback", "wsgi.input": io.BytesIO(body),
               "CONTENT_LENGTH": str(len(body))}  # fmt: skip
    statuses = []
    FeedbackWSGI()(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["202 Accepted"]
    assert list(stored()) == ["m2"]


@pytest.mark.parametrize(
    ("brought_by", "kept"), [(("human",), ["m2"]), (("human", "signal"), ["m1", "m2"]), (("program",), ["m0"])]
)
def test_who_brings_calls_back(ask, brought_by, kept):
    """People who say something, or correct an answer; signals and programs only where that is asked for."""
    rlhf.instrument(sample_rate=0.0, hold_for=brought_by)
    made = {}
    for message in ("m0", "m1", "m2"):
        with rlhf.context(message=message):
            made[message] = ask()
    feedback.record(made["m0"], 0.7, annotator_kind="LLM")
    feedback.signal(made["m1"], "copy")
    feedback.signal(made["m2"], "edit", text="better")
    assert sorted(stored()) == kept
    assert counted("feedback") == (3,)


def test_a_call_that_is_rated_before_it_has_ended(ask):
    """The vote on a stream under way is remembered until there is something to keep."""
    rlhf.instrument(sample_rate=0.0)
    stream = ask(stream=True)
    next(stream)
    feedback.record(stream, True)
    assert stored() == {}
    for _ in stream:
        pass
    ((interaction, _),) = rlhf.interactions()
    assert interaction.stream_end == "completed"


def test_what_is_too_old_is_let_go(answers, monkeypatch):
    """Later than `hold_age` there is the feedback alone."""
    waits = setup.current().hold
    later = time.monotonic() + waits.age_s + 1
    monkeypatch.setattr(hold.time, "monotonic", lambda: later)
    assert feedback.record(answers["m1"], True).status == "pending"
    assert stored() == {}
    assert counted("feedback", "expired", "held", "held_bytes") == (1, 3, 0, 0)


def test_what_is_too_much_is_let_go(ask):
    """The oldest goes beyond `hold_bytes`, and a call that is too large by itself does not wait at all."""
    rlhf.instrument(sample_rate=0.0, hold_bytes=3 * hold.OF_EACH)
    made = [ask() for _ in range(5)]
    assert counted("sampled_out", "expired", "held") == (5, 3, 2)
    assert rlhf.stats()["held_bytes"] <= 3 * hold.OF_EACH
    large = ask(messages=[{"role": "user", "content": "x" * 3 * hold.OF_EACH}])
    assert counted("expired", "held") == (4, 2)
    for answer in (made[0], made[4], large):
        feedback.record(answer, True)
    assert [interaction.span_id for interaction, _ in rlhf.interactions()] == [rlhf.handle(made[4]).span_id]


def test_a_call_is_brought_back_once(answers):
    """Further feedback joins it, and the same feedback twice is one."""
    for value in (True, False, False):
        feedback.record(answers["m0"], value, rater="u", id=f"v{value}")
    ((_, (vote,)),) = rlhf.interactions()
    assert vote.value is False
    assert counted("promoted", "interactions") == (1, 1)


def test_with_durability_memory_and_sync(ask, tmp_path):
    """Nothing that waits is on the disk, whatever the durability; what was brought back is, as that has it."""
    for durability in ("memory", "sync", "disk"):
        rlhf.instrument(sample_rate=0.0, durability=durability, store=str(tmp_path / f"{durability}.db"))
        answer = ask(messages=[{"role": "user", "content": "a canary called Tweety"}])
        assert rlhf.flush(5)
        written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        assert b"Tweety" not in written
        feedback.record(answer, True)
        assert [i.input[0]["parts"][0]["content"] for i, _ in rlhf.interactions()] == ["a canary called Tweety"]
        rlhf.shutdown(5)


def test_the_flag_and_the_parent(collector, ask):
    """The span arrives as one that was sampled, beneath a parent that was not."""
    telemetry = setup.configure_global(setup.settings.load({"endpoint": collector.http_url, "sample_rate": 0.0}))
    rlhf.instrument()
    with trace.get_tracer("app").start_as_current_span("request") as request:
        answer = ask()
    feedback.record(answer, True)
    assert telemetry.own.intake.flush(5)
    (span,) = collector.spans
    assert (span.span_id, span.trace_id) == (rlhf.handle(answer).span_id, rlhf.handle(answer).trace_id)
    assert span.parent_span_id == f"{request.get_span_context().span_id:016x}"
    assert rlhf.handle(answer).traceparent.endswith("-01")


def test_shutdown_uninstrument_and_switching(ask):
    """Uninstrumenting lets nothing go, and shutting down lets all go."""
    rlhf.instrument(sample_rate=0.0)
    first, second = ask(), ask()
    rlhf.uninstrument()
    feedback.record(first, True)
    assert len(list(rlhf.interactions())) == 1
    rlhf.shutdown(5)
    assert hooks.counters["expired"] == 1
    rlhf.instrument(sample_rate=0.0)
    assert feedback.record(second, True).status == "pending"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_leaves_what_waits_to_its_parent(answers):
    """The child has nothing waiting, and the parent everything."""
    child = os.fork()
    if child == 0:
        os._exit(len(setup.current().hold))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert counted("held") == (3,)


def test_on_a_provider_of_the_application_nothing_waits(ask):
    """Its sampler has the last word; metrics and totals know of the call."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=TraceIdRatioBased(0.0), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    rlhf.instrument()
    feedback.record(ask(), True)
    assert exporter.get_finished_spans() == ()
    assert counted("calls", "sampled_out", "held", "promoted") == (1, 1, 0, 0)
    provider.shutdown()


def test_a_sampler_that_keeps_nothing_is_obeyed(ask, monkeypatch):
    """`always_off` is no matter of chance: nothing waits."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    rlhf.instrument()
    feedback.record(ask(), True)
    assert counted("sampled_out", "held", "promoted") == (1, 0, 0)


def test_metrics_have_every_call_once(collector, ask):
    """What was sampled out is measured when it ends, and not again when it is brought back."""
    rlhf.clear()
    rlhf.instrument(endpoint=collector.http_url, sample_rate=0.0)
    answer = ask()
    ask()
    feedback.record(answer, True)
    assert rlhf.flush(10)
    (duration,) = [metric for metric in collector.metrics if metric.name == "gen_ai.client.operation.duration"]
    assert [point.count for point in duration.points] == [2]
    assert rlhf.stats()["feedback_rate"] == 0.5


def test_a_vote_that_reaches_another_process(answers, script):
    """It is told of by a file, and the process that has the call brings it back; by span or by the application's id."""
    ids = {"span_id": rlhf.handle(answers["m0"]).span_id}, {"message": "m2"}
    script(VOTE.format(ids=ids)).check_returncode()
    until = time.monotonic() + 20
    while counted("promoted") != (2,) and time.monotonic() < until:
        time.sleep(0.05)
    assert {message: [vote.value for vote in votes] for message, votes in voted()} == {"m0": [True], "m2": [True]}
    assert [oct(file.stat().st_mode)[-3:] for file in Path(".rlhf-otel/rated").iterdir()] == ["600", "600"]


def test_what_was_told_long_ago_is_removed(tmp_path, monkeypatch):
    """Each vote is heard once, and its file goes when no call can wait for it any more, though it was heard."""
    told, heard = Rated(tmp_path / "rated", 600.0), Rated(tmp_path / "rated", 600.0)
    told.tell(Feedback(id="f", name="n", kind="binary", value=True, time_ns=1, message_id="m1"))
    assert ([*heard.news()], [*heard.news()]) == ([{"message_id": "m1"}], [])
    later = time.time() + 601
    monkeypatch.setattr("rlhf_otel.export.rated.time.time", lambda: later)
    assert ([*heard.news()], [*(tmp_path / "rated").iterdir()]) == ([], [])


def test_weights(answers, ask):
    """A rated call stands for itself, and one that was kept by chance for all that were not."""
    feedback.record(answers["m0"], True)
    ((brought_back, votes),) = rlhf.interactions()
    by_chance = {"rlhf.sampled.rate": 0.01, "rlhf.sampled.hold": 600.0}
    kept = dataclasses.replace(brought_back, attributes=by_chance)
    late = Feedback(id="1", name="n", kind="binary", value=True, time_ns=kept.end_ns + 601 * 10**9)
    signal = Feedback(id="1", name="n", kind="signal", signal="copy", time_ns=kept.end_ns)
    given = [
        (brought_back, votes), (kept, ()), (kept, votes), (kept, [late]), (kept, [signal]),
        (dataclasses.replace(kept, attributes={}), ()),
    ]  # fmt: skip
    assert [weight(*each) for each in given] == [1, 100, 1, 100, 100, 1]
