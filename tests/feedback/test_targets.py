"""Every way to say what was rated, and what is said about a way that leads nowhere."""

from __future__ import annotations

import gc

import anthropic
import openai
import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback, handles, hooks
from rlhf_otel.feedback import FeedbackError
from rlhf_otel.testing import Reply
from rlhf_otel.testing.memory import Captured

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
SPAN, TRACE = "00f067aa0ba902b7", "4bf92f3577b34da6a3ce929d0e0e4736"


def named(call, how):
    """`call` as an application might hold it."""
    return {
        "handle": call,
        "span id": call.span_id,
        "upper case": call.span_id.upper(),
        "prefixed": f"0x{call.span_id}",
        "with spaces": f" {call.span_id}\n",
        "integer": int(call.span_id, 16),
        "pair": (call.trace_id, call.span_id),
        "pair of integers": (int(call.trace_id, 16), int(call.span_id, 16)),
        "traceparent": call.traceparent,
        "traceparent in upper case": call.traceparent.upper(),
    }[how]


HOWS = ["handle", "span id", "upper case", "prefixed", "with spaces", "integer", "pair", "pair of integers",
        "traceparent", "traceparent in upper case"]  # fmt: skip


@pytest.mark.parametrize("how", HOWS)
def test_a_target_by_any_of_its_names(call, given, strict, how):
    """Handle, span id in any spelling, pair and traceparent all lead to the same call."""
    ref = feedback.record(named(call, how), True)
    (f,) = given()
    assert (f.span_id, f.trace_id, f.target_start_ns) == (call.span_id, call.trace_id, call.start_ns)
    assert (ref.target["span_id"], ref.status) == (call.span_id, "joined")


@pytest.mark.parametrize("how", HOWS[1:])
def test_a_target_of_another_process(recording, strict, how, given):
    """The same names work for a call that this process knows nothing of."""
    feedback.record(named(rlhf.Handle(TRACE, SPAN), how), True)
    (f,) = given()
    assert f.span_id == SPAN
    assert f.trace_id in ("", TRACE)


def test_ids_by_name(call, given, strict):
    """`span_id=`, with and without `trace_id=`."""
    feedback.record(span_id=call.span_id, value=True)
    feedback.record(span_id=call.span_id, trace_id=f"0x{call.trace_id.upper()}", value=True)
    assert [(f.span_id, f.trace_id) for f in given()] == [(call.span_id, call.trace_id)] * 2


def test_a_trace_id_that_contradicts_is_believed(call, recording, given, strict):
    """The same span id in another trace is another span."""
    assert feedback.record((TRACE, call.span_id), True).status == "joined"
    assert given()[-1].trace_id == TRACE


def test_what_the_client_libraries_return(provider, recording, given, strict):
    """A response, a stream that was read, and one of its chunks lead to their call; so does the provider's id."""
    provider.script(Reply(id="resp-1"), Reply(), Reply(id="msg-1"))
    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        answer = client.chat.completions.create(**ASK)
        stream = client.chat.completions.create(**ASK, stream=True)
        chunks = list(stream)
    with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="k") as client:
        message = client.messages.create(**ASK, max_tokens=5)
    for target in (answer, stream, chunks[0], message, "resp-1"):
        feedback.record(target, True)
    feedback.record(response_id="msg-1", value=True)
    spans = [f.span_id for f in sorted(given(), key=lambda f: f.time_ns)]
    one, two, three = (rlhf.handle(made).span_id for made in (answer, stream, message))
    assert spans == [one, two, two, three, one, three]
    assert len({one, two, three}) == 3


def test_the_applications_own_id_and_the_session(recording, given, strict):
    """`message=` leads to the call made in its context; `session=` names the whole conversation."""
    with rlhf.context(message="m-1", session="s-1"):
        made = rlhf.capture(prompt="q", response="a")
    rlhf.flush(5)
    assert feedback.record(message="m-1", value=True).target["span_id"] == made.span_id
    ref = feedback.record(session="s-1", value=0.5)
    assert (ref.target, ref.status) == ({"session": "s-1"}, "joined")
    assert feedback.record(session="unknown", value=0.5).status == "pending"


def test_a_response_id_that_is_hexadecimal(provider, recording, strict):
    """Some providers' ids are nothing but hex digits: one that is known here is no malformed span id."""
    provider.script(Reply(id="e5cc70bb28c444948073e77776eb30ef"))
    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        answer = client.chat.completions.create(**ASK)
    ref = feedback.record("e5cc70bb28c444948073e77776eb30ef", True)
    assert ref.target["span_id"] == rlhf.handle(answer).span_id


def test_a_response_that_is_gone_is_found_by_its_id(provider, recording, strict):
    """The table of objects holds nothing alive; the id still leads to the call."""
    provider.script(Reply(id="resp-9"))
    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        made = rlhf.handle(client.chat.completions.create(**ASK))
    gc.collect()
    assert not [entry for entry in handles._by_object.values() if entry[1] == made]
    assert feedback.record("resp-9", True).target["span_id"] == made.span_id


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("abc", "16 hex digits are expected"),
        ("00f067aa0ba902b", "16 hex digits are expected"),
        ("00f067aa0ba902b77", "16 hex digits are expected"),
        ("0" * 16, "not all zero"),
        ("", "16 hex digits are expected"),
        ("   ", "16 hex digits are expected"),
        (0, "16 hex digits are expected"),
        (-1, "16 hex digits are expected"),
        (1 << 64, "16 hex digits are expected"),
        (True, "16 hex digits are expected"),
        ((TRACE[:-1], SPAN), "32 hex digits are expected"),
        (("0" * 32, SPAN), "not all zero"),
        (f"00-{TRACE}-{SPAN[:-1]}-01", "is not a traceparent"),
        (f"00-{TRACE}-{SPAN}", "is not a traceparent"),
        (f"00-{'0' * 32}-{SPAN}-01", "not all zero"),
        (None, "names no target"),
        (object(), "object is not a recorded response"),
        ([TRACE, SPAN], "list is not a recorded response"),
        ({"id": 3}, "dict is not a recorded response"),
    ],
)
def test_a_malformed_target(recording, monkeypatch, target, expected, given, lines):
    """It says what was given and what is expected, writes nothing, and never raises into the host unless strict."""
    assert feedback.record(target, True) is None
    assert expected in lines()[0]
    assert hooks.counters["feedback_refused"] == 1
    monkeypatch.setattr(hooks, "strict", True)
    with pytest.raises(FeedbackError, match=expected):
        feedback.record(target, True)
    assert given() == []


@pytest.mark.parametrize("ids", [{"span_id": "xyz"}, {"span_id": SPAN, "trace_id": "12"}, {"trace_id": TRACE}])
def test_malformed_ids_by_name(recording, given, strict, ids):
    """The same for ids that are passed by name; a trace alone is no target."""
    with pytest.raises(FeedbackError, match=r"expected|names no target"):
        feedback.record(value=True, **ids)
    assert given() == []


def test_a_store_that_cannot_be_asked_fails_no_feedback(recording, monkeypatch, strict):
    """Looking up the target may fail; the feedback is taken all the same, as pending."""
    from rlhf_otel.export import setup
    from rlhf_otel.store import Store, StoreError

    rlhf.capture(prompt="q", response="a")
    rlhf.flush(5)

    def broken(self, **ids):
        raise StoreError("no")

    monkeypatch.setattr(Store, "find", broken)
    assert feedback.record(span_id=SPAN, value=True).status == "pending"
    assert setup.current() is not None


def test_feedback_on_calls_of_an_instrumentor_that_was_wired_by_hand():
    """It goes to the logger provider that the instrumentor was given, for as long as that is in use."""
    captured = Captured(None)
    telemetry = hooks.connect(logger_provider=captured.logger_provider)
    assert feedback.record(SPAN, True).status == "sent"
    assert [given.span_id for given in captured.feedback] == [SPAN]
    del telemetry
    assert feedback.record(SPAN, True) is None
