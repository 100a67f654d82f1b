"""Nothing goes anywhere before a person has approved it, and then it goes the way that it would have gone."""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from pathlib import Path

import openai
import pytest
from click.testing import CliRunner
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import rlhf_otel as rlhf
from rlhf_otel import config, feedback, hooks
from rlhf_otel.cli.main import cli
from rlhf_otel.export import setup
from rlhf_otel.export.review.desk import Desk, ReviewError
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector, FakeLLM

CANARY, MAIL = "a canary called Tweety", "jane.doe@example.com"
QUEUE = ".rlhf-otel/review.db"


def stored():
    """The prompts in the store, each with the comments on it."""
    if not Path(".rlhf-otel/store.db").exists():
        return []
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        return [(call.input[0]["parts"][0]["content"], [one.comment for one in votes])
                for call, votes in store.joined(newest_first=False)]  # fmt: skip


@pytest.mark.parametrize("mode", ["SPAN_ONLY", "EVENT_ONLY"])
@pytest.mark.parametrize("durability", ["memory", "disk", "sync"])
def test_nothing_leaves_before_it_is_approved(reviewing, say, written, caplog, durability, mode):
    """Neither backend, store, spool, metrics nor our own log have a word of it; the queue is for its owner alone."""
    caplog.set_level(logging.DEBUG, "rlhf_otel")
    with FakeCollector() as collector:
        reviewing(endpoint=collector.http_url, store=".rlhf-otel/store.db", durability=durability, capture=mode)
        say(CANARY, comment=CANARY, session="s1")
        feedback.record(session="s1", value=CANARY, kind="custom")
        assert rlhf.flush(5)
        assert rlhf.shutdown(5)
        assert (collector.spans, collector.logs, collector.metrics) == ([], [], [])
    assert written(CANARY) == [QUEUE]
    assert CANARY not in caplog.text
    if os.name == "posix":
        assert stat.S_IMODE(Path(QUEUE).stat().st_mode) == 0o600
    assert [each.call.input[0]["parts"][0]["content"] for each in Desk(config.load()).waiting()] == [CANARY]


def test_who_looks_for_what_waits_is_told_where_it_is(reviewing, say, review):
    """`rlhf-otel traces` does not show it, and says so instead of that nothing was recorded; until it is decided."""
    reviewing()
    say("first", comment="good")
    assert rlhf.flush(5)
    said = "2 calls and feedback wait to be approved: `rlhf-otel review`"
    looked = CliRunner().invoke(cli, ["traces"])
    assert said in looked.stderr
    assert looked.exit_code == 1
    review("approve", "--all")
    looked = CliRunner().invoke(cli, ["traces"])
    assert (looked.exit_code, "wait to be approved" in looked.stderr) == (0, False)


def test_what_waits_is_redacted(reviewing, say, written):
    """The person sees what would be sent."""
    reviewing()
    say(f"I am {MAIL}", comment=f"write to {MAIL}")
    assert rlhf.flush(5)
    assert written(MAIL) == []
    ((name, text), _, (_, comment)) = Desk(config.load()).waiting()[0].texts.items()
    assert (name, text, comment) == (
        "input.0.parts.0.content", "I am [REDACTED:email]", "write to [REDACTED:email]",
    )  # fmt: skip


def test_approved_calls_go_where_they_would_have_gone(reviewing, say, review):
    """With their feedback, into the store, unchanged; the others wait on, also after a restart."""
    reviewing()
    first, second = say("first", comment="good"), say("second")
    made = review("list", "--json")
    assert [each["id"] for each in json.loads(made.stdout)] == [first.span_id, second.span_id]
    assert rlhf.shutdown(5)
    reviewing()
    third = say("third")
    done = review("approve", first.span_id[:8], third.span_id, "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"sent": 3, "kept": 0})
    assert stored() == [("first", ["good"]), ("third", [])]
    assert [each.id for each in Desk(config.load()).waiting()] == [second.span_id]


def test_approved_calls_go_to_the_backend_of_their_application(reviewing, say, review, monkeypatch):
    """With other settings they go nowhere, unless that is said; the bytes are those that would have gone."""
    with FakeCollector() as collector:
        reviewing(endpoint=collector.http_url)
        call = say("first", comment="good")
        refused = review("approve", "--all")
        assert refused.exit_code == 1
        assert "by its application's settings this goes to" in refused.stderr
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.http_url)
        assert review("approve", "--all").exit_code == 0
        (span,), (event,) = collector.spans, collector.logs
    assert (span.span_id, span.scope, event.span_id) == (call.span_id, "rlhf_otel", call.span_id)
    assert "first" in span.attributes["gen_ai.input.messages"]
    assert "rlhf.review.edited" not in span.attributes
    assert event.attributes["gen_ai.evaluation.explanation"] == "good"


def test_what_a_dead_backend_does_not_take_is_in_the_spool(reviewing, say, review, monkeypatch):
    """It was approved, and is sent when there is somebody to take it; without a spool it still waits."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.3")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    reviewing()
    say("first")
    done = review("approve", "--all", "--timeout", "1", "--json")
    assert json.loads(done.stdout) == {"sent": 0, "kept": 1}
    assert Desk(config.load()).waiting() == []
    assert len(list(Path(".rlhf-otel/spool").iterdir())) == 1
    say("second")
    monkeypatch.setenv("RLHF_OTEL_DURABILITY", "memory")
    refused = review("approve", "--all", "--timeout", "1")
    assert (refused.exit_code, len(Desk(config.load()).waiting())) == (1, 1)
    assert "so it still waits" in refused.stderr


def test_discarded_calls_leave_nothing(reviewing, say, review, written):
    """Not a byte of them, nor of what was said of them."""
    reviewing()
    call = say(CANARY, comment=CANARY)
    say("another")
    assert review("discard", call.span_id[:6]).stderr == "Discarded 1 call and 1 feedback.\n"
    assert written(CANARY) == []
    assert review("approve", "--all").exit_code == 0
    assert stored() == [("another", [])]


def test_what_only_looks_like_a_name_of_ours_is_a_text(reviewing, review, written):
    """What a model gives a tool, who speaks, where a picture is and metadata are shown and redacted, by any key."""
    reviewing()
    given = {"name": "Anna 1", "id": "Anna 2", "type": "Anna 3", "who": [{"kind": "Anna 4", "name": "Anna 5"}]}
    call = {"type": "tool_call", "id": "c1", "name": "send_mail", "arguments": given}
    picture = {"type": "uri", "modality": "image", "uri": "https://example.com/Anna 6.png"}
    answered = {"type": "tool_call_response", "id": "c1", "response": {"name": "Anna 7"}}
    prompt = [{"role": "user", "parts": [picture]}, {"role": "assistant", "parts": [call]},
              {"role": "tool", "parts": [answered]}]  # fmt: skip
    made = rlhf.capture(prompt=prompt, response="Yes.", model="gpt-5")
    feedback.record(made, True, metadata={"who": {"name": "Anna 8"}})
    shown = review("show", "--all").stdout
    assert [n for n in range(1, 9) if f"Anna {n}" not in shown] == []
    assert review("redact", "--all", "Anna").exit_code == 0
    assert written("Anna") == []
    assert written("send_mail") == [QUEUE]


def test_who_speaks_is_a_text(reviewing, review, written):
    """The name of a participant is that of a person."""
    with FakeLLM() as server:
        reviewing()
        client = openai.OpenAI(base_url=server.openai_url, api_key="-")
        client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "name": "Anna", "content": "Hi"}])
    assert "Anna" in review("show", "--all").stdout
    assert review("redact", "--all", "Anna").exit_code == 0
    assert written("Anna") == []


def test_edited_and_redacted_calls(reviewing, say, review, written):
    """The words change, in JSON too, nothing else does, and it says so; a secret that somebody types in is redacted."""
    reviewing()
    call = say("Anna said hi", "Hello Anna", comment="Anna is right")
    assert review("redact", call.span_id, "Anna", "Bert").stderr == f"{call.span_id}: Anna redacted.\n"
    assert written("Anna") == []
    given = ["--set", f"input.0.parts.0.content=I am {MAIL}", "--replace", "Hello", "Good day"]
    assert review("edit", call.span_id, *given).stderr == f"{call.span_id} is edited.\n"
    assert review("edit", call.span_id, "--replace", "no such words", "x").stderr == f"{call.span_id} is as it was.\n"
    assert review("approve", "--all").exit_code == 0
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        ((made, (vote,)),) = store.joined()
    assert made.input == [{"role": "user", "parts": [{"type": "text", "content": "I am [REDACTED:email]"}]}]
    assert made.output[0]["parts"] == [{"type": "text", "content": "Good day [REDACTED]"}]
    assert (made.attributes["rlhf.review.edited"], made.request_model) == (True, "gpt-5")
    assert (vote.comment, vote.value, vote.metadata) == ("[REDACTED] is right", True, {"edited": True})


def test_editing_in_an_editor(reviewing, say, review, monkeypatch, tmp_path):
    """The texts stand below each other; what is changed there is changed, line breaks and all."""
    reviewing()
    call = say("one\ntwo", "three")
    editor = tmp_path / "editor.py"
    editor.write_text(
        "import sys; p = sys.argv[1]; t = open(p).read()\nopen(p, 'w').write(t.replace('two', '2\\n\\n3'))"
    )
    monkeypatch.setenv("EDITOR", f"python {editor}")
    assert "is edited" in review("edit", call.span_id).stderr
    assert list(Desk(config.load()).waiting()[0].texts.values()) == ["one\n2\n\n3", "three"]


def test_one_after_the_other_in_a_terminal(reviewing, say, review):
    """Each is shown and asked about; what is skipped waits on."""
    reviewing()
    for number in range(5):
        say(f"question {number}", comment="hm" if number == 3 else None)
    done = review(input="a\nd\nr\nquestion\na\ns\nq\n")
    assert done.exit_code == 0, done.output
    assert "input.0.parts.0.content" in done.stdout
    assert stored() == [("question 0", []), ("[REDACTED] 2", [])]
    assert [each.texts["input.0.parts.0.content"] for each in Desk(config.load()).waiting()] == [
        "question 3",
        "question 4",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "ffff"], "nothing that waits begins with 'ffff'"),
        (["approve", ""], "2 of what waits begins with ''"),
        (["discard"], "name one or more IDs, or --all"),
        (["approve", "--all", "ffff"], "name one or more IDs, or --all"),
        (["redact", "ffff"], "name an ID (or --all), then the words"),
        (["edit", "--set", "x", "ffff"], "--set takes NAME=TEXT"),
    ],
)
def test_what_cannot_be_done_is_said(reviewing, say, review, words, said):
    """And nothing is changed."""
    reviewing()
    say("one")
    say("two")
    done = review(*words)
    assert done.exit_code in (1, 2)
    assert said in done.stderr
    assert len(Desk(config.load()).waiting()) == 2


def test_a_text_that_is_not_there(reviewing, say):
    """The names that there are, are said."""
    reviewing()
    say("one")
    assert rlhf.flush(5)
    desk = Desk(config.load())
    with pytest.raises(ReviewError, match=r"no text prompt in \w+; there are input.0.parts.0.content, output"):
        desk.set(desk.waiting()[0], {"prompt": "x"})


def test_feedback_on_what_does_not_wait(reviewing, say, review):
    """It waits by itself, and is approved by its own id."""
    reviewing()
    call = say("one")
    assert review("approve", "--all").exit_code == 0
    ref = feedback.record(call, False, comment="late")
    assert ref.status == "waiting"
    assert json.loads(review("list", "--json").stdout)[0]["call"] is None
    assert "(only feedback)" in review("list").stdout
    assert review("approve", ref.id[:12]).exit_code == 0
    assert stored() == [("one", ["late"])]


def test_what_nobody_looks_at_is_gone_after_a_while_or_beyond_a_size(reviewing, say, caplog):
    """The oldest first, and it says so."""
    reviewing(review_bytes=6000)
    for number in range(4):
        say(f"{number}" * 1500)
        assert rlhf.flush(5)
    left = [each.texts["input.0.parts.0.content"][0] for each in Desk(config.load()).waiting()]
    assert left == ["2", "3"]
    assert hooks.counters["dropped_unreviewed"] == 2
    assert "that nobody has looked at in time" in caplog.text
    rlhf.shutdown(5)
    reviewing(review_age=0.05)
    time.sleep(0.1)
    say("new")
    assert rlhf.flush(5)
    assert [each.texts["input.0.parts.0.content"] for each in Desk(config.load()).waiting()] == ["new"]


def test_on_a_provider_that_waits_for_nobody_nothing_is_recorded(reviewing, caplog):
    """Whether the application has set one, or listens to ours."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    reviewing()
    setup.current().own.tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    assert rlhf.capture(prompt=CANARY, response="b") is None
    assert exporter.get_finished_spans() == ()
    assert "review_before_submit needs our own provider" in caplog.text
    assert hooks.counters["not_reviewable"] == 1
    assert trace.get_tracer_provider() is not provider


def test_consent_need_not_be_looked_at(reviewing, say, review):
    """A person's word goes at once: taking it back must not wait."""
    reviewing()
    say("one", session="s9")
    review("approve", "--all")
    rlhf.consent("none", session="s9")
    assert rlhf.flush(5)
    with Store.open(".rlhf-otel/store.db", read_only=True) as store:
        assert [call.consent for call in store.interactions()] == ["none"]
