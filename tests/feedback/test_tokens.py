"""A token as the target of the verbs: it opens one call, for one rater, under its names, and nothing else."""

from __future__ import annotations

import pytest

from rlhf_otel import Handle, feedback, keys
from rlhf_otel.feedback import FeedbackError
from rlhf_otel.token import mint, rater_hash

KEY = "a secret of these tests"
OTHER = "00f067aa0ba902b7"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    """The same secret for whoever signs and verifies."""
    monkeypatch.setenv("RLHF_OTEL_TOKEN_KEY", KEY)
    keys.forget()
    yield
    keys.forget()


VERBS = {
    "record": lambda token: feedback.record(token, True),
    "correct": lambda token: feedback.correct(token, "better"),
    "signal": lambda token: feedback.signal(token, "copy"),
    "prefer": lambda token: feedback.prefer(chosen=token, rejected=OTHER),
    "rank": lambda token: feedback.rank([token, OTHER]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_one(verb, call, given, strict):
    """The feedback is about the token's call, with its trace and start, and joined."""
    assert VERBS[verb](call.token()).status == "joined"
    (kept,) = given()
    assert (kept.trace_id, kept.span_id, kept.target_start_ns) == (call.trace_id, call.span_id, call.start_ns)


def test_the_rater_that_it_is_for(call, given, strict):
    """Named or not, the vote is that rater's; nobody else can give it."""
    token = call.token(rater="u1")
    feedback.record(token, True, rater="u1")
    feedback.record(token, False, name="tone")
    with pytest.raises(FeedbackError, match="the token is for another rater"):
        feedback.record(token, True, rater="u2")
    assert {f.name: f.rater for f in given()} == {"user_feedback": "u1", "tone": rater_hash("u1")}


def test_the_names_that_it_is_for(call, given, strict):
    """Another name is refused, and so is a verb whose name is not among them."""
    token = call.token(names=["user_feedback", "copy"])
    feedback.record(token, True)
    feedback.signal(token, "copy")
    for attempt in (lambda: feedback.record(token, True, name="accuracy"), lambda: feedback.correct(token, "x")):
        with pytest.raises(FeedbackError, match="the token is for user_feedback, copy, and not for"):
            attempt()
    assert sorted(f.name for f in given()) == ["copy", "user_feedback"]


def test_what_is_no_token(call, given, lines):
    """An altered, an expired and a foreign one are refused like everything else, and not repeated in the log."""
    good = call.token()
    wrong = [good[:-1] + ("A" if good[-1] != "A" else "Q"), mint(call, ttl=60, now=1_000_000_000),
             mint(call, key="the key of another"), "rlt_"]  # fmt: skip
    assert [feedback.record(token, True) for token in wrong] == [None] * 4
    assert given() == []
    assert not any("rlt_" in line for line in lines())


def test_before_the_call_is_known(recording, given, strict):
    """A token of a call that nobody has seen is taken, and waits for it."""
    token = Handle("4bf92f3577b34da6a3ce929d0e0e4736", OTHER, None, 5).token()
    assert feedback.record(token, True).status == "pending"
    assert (given()[0].span_id, given()[0].target_start_ns) == (OTHER, 5)
