"""What `import rlhf_otel` offers: captures by hand, switches, figures and listeners."""

from __future__ import annotations

import time

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback

SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def the_only():
    """The one interaction of the store."""
    ((interaction, _),) = rlhf.interactions()
    return interaction


def test_capture_takes_everything_that_is_known(llm):
    """Each argument is where a call through a client library would have it."""
    rlhf.instrument()
    with rlhf.context(session="s", user="u", variant="B", consent="train", message="m-1", tier="gold"):
        made = rlhf.capture(
            prompt=[{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
            response="hi", model="local-7b", provider="vllm", operation="chat",
            usage={"input_tokens": 5, "output_tokens": 2, "cached_tokens": 1, "reasoning_tokens": 1},
            start_ns=START, end_ns=START + 2 * SECOND, attributes={"gen_ai.request.temperature": 0.1},
        )  # fmt: skip
    i = the_only()
    assert (i.trace_id, i.span_id, i.start_ns) == (made.trace_id, made.span_id, START)
    assert i.duration_s == pytest.approx(2, abs=0.5)
    assert (i.name, i.operation, i.provider, i.request_model, i.response_model) == (
        "chat local-7b", "chat", "vllm", "local-7b", "local-7b",
    )  # fmt: skip
    assert (i.input_tokens, i.output_tokens, i.cached_tokens, i.reasoning_tokens) == (5, 2, 1, 1)
    assert [m["role"] for m in i.input] == ["system", "user"]
    assert i.output[0]["parts"] == [{"type": "text", "content": "hi"}]
    assert (i.session, i.user, i.variant, i.consent, i.message_id) == ("s", "u", "B", "train", "m-1")
    assert dict(i.context) == {"tier": "gold"}
    assert i.attributes["gen_ai.request.temperature"] == 0.1
    assert (i.status, i.error_type) == ("unset", None)


@pytest.mark.parametrize(("error", "kind"), [(TimeoutError("too slow"), "TimeoutError"), ("too slow", "ReportedError")])
def test_capture_takes_errors(error, kind):
    """An exception or a text makes the interaction a failed one."""
    rlhf.instrument()
    rlhf.capture(prompt="hello", model="m", error=error)
    i = the_only()
    assert (i.status, i.error_type, i.error_message) == ("error", kind, "too slow")
    assert not i.output


def test_capture_ends_now_where_only_the_start_is_known():
    """`start_ns` alone means from then until now."""
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b", start_ns=time.time_ns() - 3 * SECOND)
    assert 3 <= the_only().duration_s < 30


def test_capture_keeps_parts_as_the_conventions_have_them():
    """Messages that already have parts are taken as they are."""
    rlhf.instrument()
    parts = [{"type": "uri", "modality": "image", "uri": "https://example.org/cat.png"}]
    rlhf.capture(prompt=[{"role": "user", "parts": parts}], response="a cat")
    assert the_only().input[0]["parts"] == parts


def test_capture_returns_what_feedback_points_at():
    """The handle is the newest one here and takes feedback at once."""
    rlhf.instrument()
    made = rlhf.capture(prompt="a", response="b")
    assert rlhf.last() == made
    assert feedback.record(made, True).status == "joined"
    ((interaction, (thumb,)),) = rlhf.interactions()
    assert thumb.span_id == interaction.span_id == made.span_id


def test_disable_and_enable(ask):
    """Between the two nothing is recorded and nothing breaks."""
    rlhf.instrument()
    rlhf.disable()
    answer = ask()
    assert rlhf.handle(answer) is None
    assert rlhf.capture(prompt="a", response="b") is None
    rlhf.enable()
    ask()
    assert len(list(rlhf.interactions())) == 1
    assert rlhf.stats()["calls"] == 1


def test_uninstrument_puts_everything_back(ask):
    """Later calls are not recorded; what was is still delivered."""
    rlhf.instrument()
    ask()
    rlhf.uninstrument()
    answer = ask()
    assert rlhf.handle(answer) is None
    assert len(list(rlhf.interactions())) == 1


def test_one_client_alone(ask, shared_client, provider):
    """`instrument(client)` records this client's calls, gives it back, and leaves others alone."""
    import openai

    with openai.OpenAI(base_url=provider.openai_url, api_key="k") as client:
        assert rlhf.instrument(client) is client
        ask()
        client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "Hi"}])
    assert the_only().request_model == "mine"
    with pytest.raises(TypeError, match="not a client that can be instrumented"):
        rlhf.instrument(object())


def test_stats(ask, llm):
    """The figures tell what happened, and all of them are there from the beginning."""
    from rlhf_otel.testing import Reply

    rlhf.clear()
    before = rlhf.stats()
    assert {figure for figure in before.values() if type(figure) is int} == {0}
    assert [name for name, figure in before.items() if figure is None] == [
        "feedback_rate", "error_rate", "average_duration_s",
    ]  # fmt: skip
    rlhf.instrument()
    llm.script(Reply(), Reply(status=400, error="no"))
    made = ask()
    with pytest.raises(Exception, match="no"):
        ask()
    feedback.record(made, True)
    feedback.record(made, 7)
    assert rlhf.flush(5)
    now = rlhf.stats()
    told = ("calls", "interactions", "errors", "feedback", "feedback_refused", "waiting", "faults")
    assert [now[name] for name in told] == [2, 2, 1, 1, 1, 0, 0]
    assert before.keys() <= now.keys()


def test_listeners_hear_of_everything_and_harm_nothing(ask, llm, lines):
    """Each event reaches its listeners; one that raises is a counted fault, and the next one is still called."""
    from rlhf_otel.testing import Reply

    heard = []

    def broken(*_):
        raise RuntimeError("listener")

    for event in ("interaction", "feedback", "error", "flush"):
        rlhf.on(event, broken)
        rlhf.on(event, lambda *args, event=event: heard.append((event, *args)))
    rlhf.instrument()
    llm.script(Reply(text="fine"), Reply(status=400, error="no"))
    feedback.record(ask(), True, id="f-1")
    with pytest.raises(Exception, match="no"):
        ask()
    assert rlhf.flush(5)
    assert [event for event, *_ in heard] == ["feedback", "interaction", "interaction", "error", "flush"]
    assert heard[0][1].id == "f-1"
    assert heard[1][1].output[0]["parts"][0]["content"] == "fine"
    assert rlhf.stats()["faults"] == 5
    assert len(lines()) == 4
    assert len(list(rlhf.interactions())) == 2


def test_a_listener_can_be_removed():
    """The function that `on` returns takes the listener away, once and for all."""
    heard = []
    remove = rlhf.on("feedback", heard.append)
    rlhf.instrument()
    feedback.record(rlhf.capture(prompt="a", response="b"), True)
    remove()
    remove()
    feedback.record(rlhf.last(), False)
    assert len(heard) == 1
    with pytest.raises(ValueError, match="no event is called 'interactions'; there are interaction, feedback"):
        rlhf.on("interactions", heard.append)


def test_debug_logs_a_line_for_each_capture_feedback_and_batch(script):
    """`RLHF_OTEL_LOG_LEVEL=debug` tells on stderr what is recorded and where it goes."""
    code = """
import rlhf_otel as rlhf
from rlhf_otel import feedback
rlhf.instrument()
made = rlhf.capture(prompt="a", response="b", model="m")
feedback.record(made, True, id="f-1")
"""
    ended = script(code, RLHF_OTEL_LOG_LEVEL="debug")
    assert ended.stdout == ""
    for sign in ("captured chat m", "feedback f-1 on", "batch of 2 to store: ok"):
        assert sign in ended.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": [1, 2]}, {"prompt": 5}, {"prompt": "a", "usage": 5}, {"prompt": "a", "attributes": 5},
        {"prompt": "a", "start_ns": "now"},
    ],
)  # fmt: skip
def test_a_malformed_capture_does_not_reach_the_host(wrong, lines):
    """It returns None and is one line; no span is begun."""
    rlhf.instrument()
    assert rlhf.capture(response="b", **wrong) is None
    assert len(lines()) == 1
    assert rlhf.flush(5)
    assert rlhf.stats()["interactions"] == 0


def test_usage_that_is_no_number_is_left_out():
    """The rest of the call is recorded."""
    rlhf.instrument()
    rlhf.capture(prompt="a", response="b", usage={"input_tokens": "many", "output_tokens": 2})
    i = the_only()
    assert (i.input_tokens, i.output_tokens) == (None, 2)
