"""What people say of their conversations as a whole: what they may be used for, and that nothing is to be recorded."""

from __future__ import annotations

import pytest

import rlhf_otel as rlhf
from rlhf_otel import consents, feedback, hooks, propagation
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeCollector
from rlhf_otel.web.door import Door, Request


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    """Nobody has said anything yet in this process."""
    monkeypatch.setattr(consents, "process", consents.Consents())


def made(**context):
    """A call within this context."""
    with rlhf.context(**context):
        return rlhf.capture(prompt="a", response="b")


def stored():
    """Sessions with the consent that holds for them, oldest call first."""
    return [(each.session, each.consent) for each, _ in reversed(list(rlhf.interactions()))]


@pytest.mark.usefixtures("recording")
def test_consent_of_a_session_is_stored_with_its_calls():
    """From when it was said on, in that session alone, and never wider than what was said."""
    made(session="s1")
    rlhf.consent("eval", session="s1")
    made(session="s1")
    made(session="s1", consent="train")
    made(session="s1", consent="none")
    made(session="s2", consent="train")
    assert rlhf.flush(5)
    assert stored()[1:] == [("s1", "eval"), ("s1", "eval"), ("s1", "none"), ("s2", "train")]


@pytest.mark.usefixtures("recording")
def test_the_session_of_the_context_is_meant_where_none_is_named():
    """And a word that is none of the three, or a session that nobody knows, is refused."""
    with rlhf.context(session="s1"):
        rlhf.consent("train")
        assert rlhf.collect_context()["consent"] == "train"
        assert "rlhf.consent=train" in rlhf.baggage()["baggage"]
    with pytest.raises(ValueError, match="'yes'; it is one of train, eval, none"):
        rlhf.consent("yes", session="s1")
    for verb in (lambda: rlhf.consent("train"), rlhf.opt_out, rlhf.opt_in):
        with pytest.raises(ValueError, match="neither a session nor a user"):
            verb()


@pytest.mark.parametrize(
    ("before", "said", "holds"),
    [
        ("train", ["none"], "none"),  # taken back
        ("none", ["train"], "train"),  # widened by the person
        ("train", ["none", "eval"], "eval"),  # the latest counts
        (None, ["train"], "train"),
        ("train", [], "train"),
    ],
)
@pytest.mark.usefixtures("recording")
def test_what_is_said_later_holds_for_earlier_calls(before, said, holds):
    """Whoever reads the store, an export first of all, sees what holds now."""
    made(session="s1", consent=before)
    for word in said:
        rlhf.consent(word, session="s1")
    assert rlhf.flush(5)
    assert stored() == [("s1", holds)]


@pytest.mark.usefixtures("recording")
def test_of_session_and_user_the_narrower_counts():
    """A person who has withdrawn stays so in each session, unless they say otherwise of themselves."""
    made(session="s1", user="u1")
    made(session="s2", user="u2")
    rlhf.consent("none", user="u1")
    rlhf.consent("train", session="s1")
    rlhf.consent("train", session="s2", user="u2")
    assert stored() == [("s1", "none"), ("s2", "train")]
    rlhf.consent("eval", user="u1")
    assert stored() == [("s1", "eval"), ("s2", "train")]


def test_what_was_said_travels_and_survives(tmp_path):
    """By the spool into a file, and as an event over OTLP: one store has it from the other's process."""
    rlhf.instrument(store=str(tmp_path / "a.db"), durability="sync")
    made(session="s1", consent="train")
    rlhf.consent("none", session="s1")
    assert rlhf.shutdown(5)
    with Store.open(tmp_path / "a.db") as store:
        assert [each.consent for each in store.interactions()] == ["none"]
        assert store.retain(max_age_s=0.001).interactions == 1
        assert [log.attributes["rlhf.consent"] for log in store.logs(event_name="rlhf.consent")] == ["none"]
    with FakeCollector() as collector:
        rlhf.instrument(endpoint=collector.http_url)
        rlhf.consent("eval", session="s1", user="u1")
        assert rlhf.flush(5)
        (event,) = collector.logs
    told = {"rlhf.consent": "eval", "session.id": "s1", "gen_ai.conversation.id": "s1", "enduser.id": "u1"}
    assert (event.event_name, event.attributes) == ("rlhf.consent", told)


@pytest.mark.parametrize(
    "context", [{"opt_out": True}, {"session": "out"}, {"user": "out"}, {"session": "out", "user": "somebody"}]
)
@pytest.mark.usefixtures("recording")
def test_nothing_is_recorded_of_those_who_do_not_take_part(context):
    """Neither calls nor what is said of them; everybody else goes on as before."""
    rlhf.opt_out(session="out", user=None)
    rlhf.opt_out(user="out")
    other = made(session="s1")
    with rlhf.context(**context):
        assert rlhf.capture(prompt="a", response="b") is None
        assert feedback.record(other, True) is None
        assert rlhf.collect_context()["opt_out"] is True
    assert stored() == [("s1", None)]
    assert [votes for _, votes in rlhf.interactions()] == [[]]
    assert (hooks.counters["opted_out"], hooks.counters["feedback"]) == (2, 0)


@pytest.mark.usefixtures("recording")
def test_feedback_by_or_on_those_who_do_not_take_part():
    """Whichever way it comes, where it says whose it is."""
    before = made(session="out")
    rlhf.opt_out(session="out")
    rlhf.opt_out(user="u1")
    assert feedback.record(session="out", value=True) is None
    assert feedback.record(before, True, rater="u1") is None
    token = before.token(rater="u1")
    door = Door()
    taken, response = door.enter(Request("POST", "/v1/feedback", body=b'{"token": "%s", "value": 1}' % token.encode()))
    door.take(taken)
    assert (response.status, hooks.counters["feedback"], hooks.counters["opted_out"]) == (202, 0, 3)
    assert stored() == [("out", "none")]
    rlhf.opt_in(session="out")
    assert made(session="out") is not None


@pytest.mark.usefixtures("recording")
def test_whoever_does_not_take_part_does_not_in_the_next_service_either():
    """Baggage says so, also where the setting keeps all other context to itself."""
    with rlhf.context(opt_out=True):
        header = rlhf.baggage()["baggage"]
    with rlhf.context(baggage=header):
        assert rlhf.capture(prompt="a", response="b") is None
        with rlhf.context(opt_out=False):
            assert rlhf.capture(prompt="a", response="b") is not None
    assert propagation.decoded(header) == ({"opt_out": "true"}, {})


def test_what_waits_is_let_go_with_whoever_opts_out():
    """Calls that were sampled out are not brought back any more."""
    rlhf.instrument(store=":memory:", sample_rate=0.0)
    gone, kept = made(session="out", message="m1"), made(session="s1")
    rlhf.opt_out(session="out")
    feedback.record(gone, True)
    feedback.record(kept, True)
    assert stored() == [("s1", None)]
