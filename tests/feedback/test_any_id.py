"""Every id that somebody may hold of an answer leads to the same call, whether the call or the vote comes first."""

from __future__ import annotations

import random
import threading
import time

import pytest

import rlhf_otel as rlhf
from rlhf_otel import Interaction, feedback, keys
from rlhf_otel.feedback import FeedbackError

SECOND = 10**9


def interaction(number, **fields):
    """Chat call `number` of the session `conv-1`."""
    start = time.time_ns() - (100 - number) * SECOND
    usual = {
        "trace_id": f"{number + 1:032x}", "span_id": f"{number + 1:016x}", "start_ns": start, "end_ns": start + SECOND,
        "operation": "chat", "provider": "openai", "session": "conv-1", "response_id": f"resp-{number}",
        "message_id": f"m-{number}",
    }  # fmt: skip
    return Interaction(**{**usual, **fields})


CALLS = [interaction(0), interaction(1, status="error"), interaction(2, operation="embeddings"), interaction(3),
         interaction(4, session="conv-2")]  # fmt: skip
RATED = CALLS[3]
WAYS = {
    "handle": lambda: {"target": RATED.handle},
    "span id": lambda: {"target": RATED.span_id},
    "span_id=": lambda: {"span_id": RATED.span_id},
    "trace and span": lambda: {"target": (RATED.trace_id, RATED.span_id)},
    "traceparent": lambda: {"target": RATED.handle.traceparent},
    "response id": lambda: {"target": RATED.response_id},
    "response_id=": lambda: {"response_id": RATED.response_id},
    "own message id": lambda: {"message": RATED.message_id},
    "conversation and turn": lambda: {"session": "conv-1", "turn": 1},
    "session": lambda: {"session": "conv-1"},
    "token": lambda: {"target": RATED.handle.token(rater="u1")},
}


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """A secret for the tokens."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", "a secret of these tests")
    keys.forget()
    yield
    keys.forget()


@pytest.mark.parametrize("first", ["call", "vote"])
@pytest.mark.parametrize("way", WAYS)
def test_all_ways_lead_to_one_call(way, first, store, strict):
    """Whichever id, and whichever of the two comes first, in a process that knows nothing of the call."""
    kept = store()
    if first == "call":
        kept.add(CALLS)
    ref = feedback.record(**WAYS[way](), value=True, rater="u1")
    kept = store()
    if first == "vote":
        assert [f.id for f in kept.pending()] == [ref.id]
        kept.add(CALLS)
    assert ref.status == ("joined" if first == "call" else "pending")
    assert {span: [f.id for f in found] for span, found in kept.feedback_on(CALLS).items()} == {
        call.span_id: [ref.id] if call is RATED else [] for call in CALLS
    }
    assert [i.span_id for i in kept.interactions(has_feedback=True)] == [RATED.span_id]
    assert kept.pending() == []


def test_a_turn_that_has_not_come(store, strict):
    """Feedback on it waits, although there are other calls of the session."""
    store().add(CALLS)
    assert feedback.record(session="conv-1", turn=2, value=True).status == "pending"
    assert len(store().pending()) == 1
    store().add([interaction(9)])
    assert store().pending() == []
    assert [len(found) for found in store().feedback_on([interaction(9), RATED]).values()] == [1, 0]


@pytest.mark.parametrize(
    "ids",
    [
        {"session": "s", "turn": -1},
        {"session": "s", "turn": "first"},
        {"session": "s", "turn": True},
        {"message": "m", "turn": 1},
    ],
)
def test_a_turn_that_is_none(ids, recording, strict):
    """It is the place of an answer in a session."""
    with pytest.raises(FeedbackError, match="the place of the answer in its session is expected"):
        feedback.record(**ids, value=True)


def test_the_turn_on_the_wire(given, strict, recording):
    """The first answer's place is not lost on the way."""
    ref = feedback.record(session="conv-7", turn=0, value=True)
    assert ref.target == {"session": "conv-7", "turn": 0}
    assert (given()[0].session, given()[0].turn) == ("conv-7", 0)


SESSIONS, THREADS = 1000, 8


def test_a_thousand_sessions_at_once(store, strict):
    """Each vote is on its own session's answer, by whichever id it was given: no mismatch."""
    votes: dict[str, tuple[str, bool]] = {}

    def talk(first):
        for number in range(first, SESSIONS, THREADS):
            with rlhf.context(session=f"s-{number}", message=f"m-{number}"):
                made = rlhf.capture(prompt="q", response=f"answer {number}", model="m")
                assert rlhf.last() == made
            said = random.random() < 0.5
            session = {"session": f"s-{number}"}
            ways = ({"target": made}, {"message": f"m-{number}"}, {"target": made.traceparent}, session,
                    {**session, "turn": 0}, {"target": made.token()})  # fmt: skip
            votes[f"s-{number}"] = feedback.record(**ways[number % len(ways)], value=said).id, said

    threads = [threading.Thread(target=talk, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = list(store().interactions())
    found = store().feedback_on(calls)
    assert {call.session: [(f.id, f.value) for f in found[call.span_id]] for call in calls} == {
        session: [vote] for session, vote in votes.items()
    }
    assert len(votes) == SESSIONS
