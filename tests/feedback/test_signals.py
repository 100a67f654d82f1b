"""Implicit signals: their scores, the switches, and what is detected in the conversations that are seen."""

from __future__ import annotations

import openai
import pytest

import rlhf_otel as rlhf
from rlhf_otel import Interaction, feedback, hooks
from rlhf_otel.config import ConfigError, load
from rlhf_otel.feedback import detect
from rlhf_otel.feedback.detect import Turns
from rlhf_otel.setting_values import SIGNALS
from rlhf_otel.testing import Reply
from rlhf_otel.views import interaction_json

SECOND = 10**9


@pytest.fixture(autouse=True)
def forgotten():
    """Nothing is known of other tests' conversations."""
    detect.forget()


def says(role, *texts):
    return {"role": role, "parts": [{"type": "text", "content": text} for text in texts]}


USER, ANSWER = says("user", "What is an egg?"), says("assistant", "A cell.\n")
CALLED = {"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"a": 1}}]}
RESULT = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "x"}]}
RESULT_AS_USER = {**RESULT, "role": "user"}
MORE = says("user", "And a hen?")


def call(number, asked, answer=ANSWER, **fields):
    """Finished call `number`; it takes a second."""
    usual = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "start_ns": number * 2 * SECOND,
             "end_ns": number * 2 * SECOND + SECOND, "operation": "chat", "session": "s", "input": asked,
             "output": [answer] if answer else None, "response_id": f"resp-{number}"}  # fmt: skip
    return Interaction(**{**usual, **fields})


def signals(*calls, turns=None):
    """What is detected in them: the signal, the number of the call that it is about."""
    turns = turns or Turns()
    return [(word, int(handle.span_id, 16)) for each in calls for word, handle in turns.notice(each)]


def previous(response):
    return {"attributes": {"gen_ai.request.previous_response.id": response}}


RESENT = says("assistant", "A cell.")  # an application may trim white space
DETECTED = {
    "a follow-up": ([call(1, [USER]), call(2, [USER, RESENT, MORE])], [("continue", 1)]),
    "without a session": (
        [call(1, [USER], session=None), call(2, [USER, RESENT, MORE], session=None)], [("continue", 1)],
    ),
    "after a history that was cut": ([call(1, [USER]), call(2, [RESENT, MORE])], [("continue", 1)]),
    "two questions in one": ([call(1, [USER]), call(2, [USER, RESENT, MORE, MORE])], [("continue", 1)]),
    "by the previous response": ([call(1, [USER]), call(2, [MORE], **previous("resp-1"))], [("continue", 1)]),
    "of several choices": (
        [call(1, [USER], output=[says("assistant", "other"), ANSWER]), call(2, [USER, RESENT, MORE])],
        [("continue", 1)],
    ),
    "after an agent's steps": (
        [call(1, [USER], CALLED), call(2, [USER, CALLED, RESULT]), call(3, [USER, CALLED, RESULT, RESENT, MORE])],
        [("continue", 2)],
    ),
    "the same question again": ([call(1, [USER]), call(2, [USER], says("assistant", "x"))], [("regenerate", 1)]),
    "and again": (
        [call(n, [USER], says("assistant", str(n))) for n in (1, 2, 3)], [("regenerate", 1), ("regenerate", 2)],
    ),
    "later in a conversation": (
        [call(1, [USER]), call(2, [USER, RESENT, MORE]), call(3, [USER, RESENT, MORE], says("assistant", "y"))],
        [("continue", 1), ("regenerate", 2)],
    ),
    "after one that was left": (
        [call(1, [USER], stream_end="abandoned"), call(2, [USER])], [("regenerate", 1)],
    ),
}  # fmt: skip
NOT_DETECTED = {
    "a first question": [call(1, [USER])],
    "an agent's step": [call(1, [USER], CALLED), call(2, [USER, CALLED, RESULT])],
    "a tool's result in a user's message": [call(1, [USER], CALLED), call(2, [USER, CALLED, RESULT_AS_USER])],
    "the same question in another session": [call(1, [USER]), call(2, [USER], session="t")],
    "the same question without a session": [call(1, [USER], session=None), call(2, [USER], session=None)],
    "a follow-up in another session": [call(1, [USER]), call(2, [USER, RESENT, MORE], session="t")],
    "two at once": [call(1, [USER], end_ns=9 * SECOND), call(2, [USER])],
    "a retry of what failed": [call(1, [USER], None, status="error"), call(2, [USER])],
    "equal conversations without a session": [
        call(1, [USER], session=None), call(2, [USER], session=None), call(3, [USER, RESENT, MORE], session=None),
    ],
    "an answer that this process has not seen": [call(2, [USER, RESENT, MORE])],
    "another previous response": [call(1, [USER]), call(2, [USER], **previous("resp-0"))],
    "embeddings": [call(1, [USER], operation="embeddings"), call(2, [USER], operation="embeddings")],
    "no content": [call(1, None, None), call(2, None, None)],
    "nothing said": [call(1, [says("user")], says("assistant")), call(2, [says("user"), says("assistant"), MORE])],
}  # fmt: skip


@pytest.mark.parametrize("what", DETECTED)
def test_detected(what):
    """A call shows what a person made of an answer before it."""
    calls, expected = DETECTED[what]
    assert signals(*calls) == expected


@pytest.mark.parametrize("what", NOT_DETECTED)
def test_not_detected(what):
    """What no person did, and what cannot be told, is no signal."""
    assert signals(*NOT_DETECTED[what]) == []


def test_a_branch_is_one_signal():
    """Going on twice from one answer says it once."""
    assert signals(call(1, [USER]), call(2, [USER, RESENT, MORE]), call(3, [USER, RESENT, says("user", "Or?")])) == [
        ("continue", 1)
    ]


def test_memory_is_bounded():
    """The oldest conversations are forgotten."""
    turns = Turns(capacity=8)
    first, *others = [call(n, [USER], session=f"s{n}") for n in range(1, 9)]
    assert signals(first, *others, turns=turns) == []
    assert len(turns._known) == 8
    assert signals(call(20, [USER, RESENT, MORE], session="s1"), call(21, [USER, RESENT, MORE], session="s8"),
                   turns=turns) == [("continue", 8)]  # fmt: skip


def ask(client, messages, session="s", user="u1"):
    with rlhf.context(session=session, user=user):
        return client.chat.completions.create(model="m", messages=messages)


def test_a_conversation_through_a_client_library(provider, recording, store):
    """Both signals are stored on the answers that they are about, with who, when and why, and give a score."""
    provider.script(Reply(text="one"), Reply(text="two"), Reply(text="three"))
    question = {"role": "user", "content": "Hi"}
    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        one = rlhf.handle(ask(client, [question]))
        two = rlhf.handle(ask(client, [question]))
        third = [question, {"role": "assistant", "content": "two"}, {"role": "user", "content": "Why?"}]
        three = rlhf.handle(ask(client, third))
    kept = store()
    calls = {call.span_id: call for call in kept.interactions()}
    found = kept.feedback_on(calls.values())
    assert {span: [f.signal for f in given] for span, given in found.items()} == {
        one.span_id: ["regenerate"], two.span_id: ["continue"], three.span_id: [],
    }  # fmt: skip
    (f,) = found[two.span_id]
    assert (f.rater, f.annotator_kind, f.value, f.time_ns) == ("u1", "CODE", 0.7, calls[three.span_id].start_ns)
    assert f.metadata == {"detected": True, "by": three.span_id}
    assert interaction_json(calls[one.span_id], found[one.span_id])["implicit_score"] == 0.2
    assert rlhf.stats()["signals_detected"] == 2


@pytest.mark.parametrize("switch", [{"signals": False}, {"detect_signals": False}])
def test_detection_can_be_switched_off(provider, switch):
    """By its own switch, or by that of all signals."""
    rlhf.instrument(store=":memory:", **switch)
    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        for _ in range(2):
            ask(client, [{"role": "user", "content": "Hi"}])
    assert [given for _, given in rlhf.interactions()] == [[], []]


def test_all_signals_can_be_switched_off(lines):
    """Those that the application reports are let go by without a line; a thumb is none."""
    rlhf.instrument(store=":memory:", signals=False)
    made = rlhf.capture(prompt="q", response="a")
    assert feedback.signal(made, "copy") is None
    assert feedback.record(made, True) is not None
    assert (lines(), hooks.counters["feedback_refused"]) == ([], 0)


def test_scores_are_settings(call_scores):
    """What the setting names has that score, none included; the rest has its default."""
    assert call_scores(signal_scores={"copy": 0.5, "regenerate": "none", "dwell": 1}) == {
        "regenerate": None, "edit": 0.3, "copy": 0.5, "continue": 0.7, "accept": 0.9, "reject": 0.1, "abandon": 0.3,
        "dwell": 1.0,
    }  # fmt: skip
    assert call_scores() == {
        "regenerate": 0.2, "edit": 0.3, "copy": 0.8, "continue": 0.7, "accept": 0.9, "reject": 0.1, "abandon": 0.3,
        "dwell": None,
    }  # fmt: skip


@pytest.fixture
def call_scores():
    """The score that each signal is stored with."""

    def stored(**settings):
        rlhf.instrument(store=":memory:", **settings)
        made = rlhf.capture(prompt="q", response="a")
        for word in SIGNALS:
            feedback.signal(made, word)
        ((_, given),) = rlhf.interactions()
        rlhf.shutdown(1)
        return {f.signal: f.value for f in given}

    return stored


@pytest.mark.parametrize("text", ["copy=2", "copy=-1", "copy", "yawn=0.5", "copy=nan"])
def test_scores_that_are_none(text):
    """An unknown signal, and a score outside of 0 to 1."""
    with pytest.raises(ConfigError, match="signal_scores is"):
        load(environ={"RLHF_OTEL_SIGNAL_SCORES": text})


def test_content_that_breaks_the_detection_loses_no_call(recording, store, monkeypatch):
    """The fault is counted and the call is kept."""

    def broken(interaction):
        raise RuntimeError("odd content")

    monkeypatch.setattr(hooks, "notice", broken)
    rlhf.capture(prompt="q", response="a")
    assert len(list(store().interactions())) == 1
    assert hooks.counters["faults"] == 1
