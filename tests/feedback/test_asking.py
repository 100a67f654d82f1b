"""When a person is asked, and how."""

from __future__ import annotations

import io
import threading

import pytest

import rlhf_otel as rlhf
from rlhf_otel import feedback
from rlhf_otel.feedback import asking


@pytest.fixture(autouse=True)
def forgotten():
    """Nothing is known of other tests' sessions."""
    asking.forget()


def answers(number, session="s", **given):
    """What `should_ask` says after each of so many answers."""
    return [feedback.should_ask(session, rlhf.capture(prompt="q", response="a"), **given) for _ in range(number)]


def places(said):
    """Where it said yes, counted from 1."""
    return [place for place, yes in enumerate(said, 1) if yes]


def test_every_fifth_answer(recording):
    """By default; sessions are counted apart."""
    assert places(answers(16)) == [5, 10, 15]
    assert places(answers(5, session="t")) == [5]


def test_as_often_as_the_setting_says():
    """Or as the call says; 0 is never."""
    rlhf.instrument(store=":memory:", ask_every=2)
    assert places(answers(5)) == [2, 4]
    assert places(answers(4, session="t", every=3)) == [3]
    assert places(answers(9, session="u", every=0)) == []


def test_never_twice_for_one_answer(recording):
    """Asking again about an answer does not count it again, and says no once it has said yes."""
    made = rlhf.capture(prompt="q", response="a")
    assert [feedback.should_ask("s", made, every=2) for _ in range(3)] == [False] * 3
    last = rlhf.capture(prompt="q", response="a")
    assert [feedback.should_ask("s", every=2) for _ in range(2)] == [True, False]
    assert rlhf.last() == last


def test_dismissals_make_it_rarer(recording):
    """Each doubles the distance, sixteenfold at the most; a rating brings back the usual one."""
    assert places(answers(2, every=2)) == [2]
    feedback.dismissed("s")
    assert places(answers(4, every=2)) == [4]
    for _ in range(9):
        feedback.dismissed("s")
    assert places(answers(32, every=2)) == [32]
    feedback.record(rlhf.last(), True)
    assert places(answers(2, every=2)) == [2]


def test_a_signal_is_no_answer_to_the_question(recording):
    """Copying does not undo a dismissal, nor settle whether to ask."""
    answers(1, every=1)
    feedback.dismissed("s")
    feedback.signal(rlhf.last(), "copy")
    assert places(answers(2, every=1)) == [2]


def test_not_for_what_was_rated(recording):
    """Whoever has said something is not asked about the same answer."""
    made = rlhf.capture(prompt="q", response="a")
    feedback.record(made, True)
    assert feedback.should_ask("s", made, every=1) is False


def test_not_without_a_recording():
    """There is nothing to rate."""
    assert feedback.should_ask("s", object(), every=1) is False


def test_threads_share_the_count(recording):
    """Of many at once exactly every fifth is asked."""
    said: list[bool] = []
    threads = [threading.Thread(target=lambda: said.extend(answers(25))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(said) == 20


def test_memory_is_bounded(recording, monkeypatch):
    """Old sessions are forgotten, and begin anew."""
    monkeypatch.setattr(asking, "SESSIONS", 2)
    for session in ("a", "b", "c", "a"):
        assert answers(1, session=session, every=2) == [False]
    assert len(asking._asking._sessions) == 2


def asked(typed, **given):
    out = io.StringIO()
    return feedback.ask(stdin=io.StringIO(typed), out=out, **given), out.getvalue()


def test_a_rating_in_the_terminal(call, given, capsys):
    """A number, then a comment; on stderr, with the keywords of `record`."""
    result, shown = asked("4\nlong, but good\n", rater="u1", name="helpfulness")
    (kept,) = given()
    assert result == "submitted"
    assert (kept.span_id, kept.value, kept.scale, kept.comment) == (call.span_id, 4, (1, 5), "long, but good")
    assert (kept.rater, kept.name) == ("u1", "helpfulness")
    assert "from 1 to 5? (Enter skips)" in shown
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("typed", ["\n", "", "no\n12\n0\n5\n"])
def test_a_dismissal_in_the_terminal(call, given, typed):
    """An empty line, the end of the input, and what is no rating three times."""
    assert asked(typed, session="s")[0] == "dismissed"
    assert given() == []
    assert places(answers(10)) == [10]


def test_a_slip_in_the_terminal(call, given):
    """What is no rating is asked for again."""
    result, shown = asked("6\n5\n\n")
    assert (result, [f.value for f in given()], given()[0].comment) == ("submitted", [5], None)
    assert "A number from 1 to 5 is expected." in shown
