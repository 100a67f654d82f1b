"""Which feedback is about which interaction, and which of it counts."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

SECOND = 10**9


def ids_on(store: Store, interaction: Interaction) -> list[str]:
    """The ids of what counts on `interaction`."""
    return [given_.id for given_ in store.feedback_on([interaction])[interaction.span_id]]


def test_feedback_joins_by_span_id(store: Store, call: Any, vote: Any) -> None:
    """The usual case: the rated span is named, and others have nothing."""
    rated, other = call(1), call(2)
    store.add([rated, other], [given_ := vote(rated)])
    assert store.feedback_on([rated, other]) == {rated.span_id: [given_], other.span_id: []}


def test_feedback_before_its_span_joins_when_the_span_comes(store: Store, call: Any, vote: Any) -> None:
    """It is pending until then, and no longer."""
    store.add(feedback=[given_ := vote(call(1))])
    assert store.pending() == [given_]
    assert store.counts()["pending"] == 1
    store.add([call(1)])
    assert store.pending() == []
    assert ids_on(store, call(1)) == [given_.id]


@pytest.mark.parametrize(
    "fields",
    [
        {"span_id": f"{2:016x}"},
        {"span_id": f"{2:016x}", "trace_id": "0" * 32},
        {"response_id": "r1"},
        {"message_id": "m1"},
        {"session": "s1"},
        {"session": "s1", "turn": 0},
        {"span_id": "f" * 16, "response_id": "r1"},
        {"response_id": "unknown", "message_id": "m1"},
    ],
)
def test_any_known_id_finds_the_interaction(store: Store, call: Any, vote: Any, fields: dict[str, str]) -> None:
    """Span id, else response id, else message id, else session; one that finds nothing gives way to the next."""
    target = call(1, response_id="r1", message_id="m1", session="s1")
    store.add([target, call(2)], [given_ := vote(**fields)])
    assert ids_on(store, target) == [given_.id]
    assert ids_on(store, call(2)) == []
    assert store.pending() == []


def test_the_span_id_is_stronger_than_the_response_id(store: Store, call: Any, vote: Any) -> None:
    """Feedback that names one interaction by its span and another by its response is about the first."""
    by_span, by_response = call(1), call(2, response_id="r1")
    store.add([by_span, by_response], [vote(by_span, response_id="r1")])
    assert (ids_on(store, by_span), ids_on(store, by_response)) == (["f1"], [])


def test_another_trace_with_the_same_span_id_is_another_span(store: Store, call: Any, vote: Any) -> None:
    """Where both traces are known they must agree."""
    one, two = call(1), call(1, trace_id="f" * 32)
    store.add([one, two], [vote(one)])
    assert (ids_on(store, one), ids_on(store, two)) == (["f1"], [])


def test_a_session_stands_for_the_call_before_the_feedback(store: Store, call: Any, vote: Any) -> None:
    """Feedback on a session is about its newest call that had begun by then, else about its newest."""
    calls = [call(n, session="s") for n in (10, 20, 30)]
    between, early = vote(session="s", time_ns=25 * SECOND), vote(session="s", time_ns=5 * SECOND)
    store.add(calls, [between, early])
    assert [ids_on(store, each) for each in calls] == [[], [between.id], [early.id]]


def test_a_session_beside_a_span_id_is_no_second_way(store: Store, call: Any, vote: Any) -> None:
    """Feedback on a span that is not there does not slip to another call of its session."""
    other = call(1, session="s")
    store.add([other], [vote(call(2), session="s")])
    assert ids_on(store, other) == []
    assert len(store.pending()) == 1


def test_a_preference_is_on_both_sides(store: Store, call: Any, vote: Any) -> None:
    """Whoever looks at either answer sees the comparison, across traces."""
    a, b, c = call(1), call(2), call(3)
    choice = vote(a, kind="preference", value=None, chosen=a.span_id, rejected=b.span_id)
    store.add([a, b, c], [choice])
    assert [ids_on(store, each) for each in (a, b, c)] == [[choice.id], [choice.id], []]


def test_a_ranking_is_on_every_answer_in_it(store: Store, call: Any, vote: Any) -> None:
    """All the listed spans show it."""
    calls = [call(n) for n in range(4)]
    store.add(calls, [vote(kind="ranking", value=None, ranking=tuple(each.span_id for each in calls[:3]))])
    assert [ids_on(store, each) for each in calls] == [["f1"], ["f1"], ["f1"], []]


def test_preferences_on_different_pairs_stand_side_by_side(store: Store, call: Any, vote: Any) -> None:
    """A new vote on the same pair takes the place of the old one, whichever side won; one on another pair does not."""
    a, b, c = call(1), call(2), call(3)
    kind = {"kind": "preference", "value": None}
    store.add([a, b, c], [
        vote(chosen=a.span_id, rejected=b.span_id, **kind),
        vote(chosen=a.span_id, rejected=c.span_id, **kind),
        vote(chosen=b.span_id, rejected=a.span_id, **kind),
    ])  # fmt: skip
    assert [ids_on(store, each) for each in (a, b, c)] == [["f2", "f3"], ["f3"], ["f2"]]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_latest_vote_counts_in_whatever_order_they_arrive(
    store: Store, call: Any, vote: Any, order: tuple[int, ...]
) -> None:
    """Time decides, not arrival; what was superseded stays in the history."""
    target = call(1)
    votes = [vote(target, value=n, rater="u") for n in range(3)]
    store.add([target])
    for n in order:
        store.add(feedback=[votes[n]])
    assert store.feedback_on([target])[target.span_id] == [votes[2]]
    assert store.history(target) == votes


def test_of_two_votes_at_the_same_time_the_later_to_arrive_counts(store: Store, call: Any, vote: Any) -> None:
    """Equal times are told apart by arrival."""
    store.add([call(1)], [vote(call(1), time_ns=5), vote(call(1), time_ns=5)])
    assert ids_on(store, call(1)) == ["f2"]


@pytest.mark.parametrize("other", [{"rater": "v"}, {"name": "accuracy"}, {"step": 1}, {"range": (0, 3)}])
def test_votes_on_different_things_stand_side_by_side(
    store: Store, call: Any, vote: Any, other: dict[str, Any]
) -> None:
    """Another rater, aspect, step or range is another vote."""
    store.add([call(1)], [vote(call(1), rater="u"), vote(call(1), **{"rater": "u", **other})])
    assert ids_on(store, call(1)) == ["f1", "f2"]


def test_votes_by_different_ids_of_one_interaction_are_votes_on_one_thing(store: Store, call: Any, vote: Any) -> None:
    """A rater who votes by span id and then by response id has changed their mind, not voted twice."""
    target = call(1, response_id="r1")
    store.add([target], [vote(target, rater="u"), vote(response_id="r1", rater="u")])
    assert ids_on(store, target) == ["f2"]


@pytest.mark.parametrize("retraction_first", [False, True])
def test_a_retraction_removes_a_vote_whenever_it_arrives(
    store: Store, call: Any, vote: Any, retraction_first: bool
) -> None:
    """Before or after the vote that it is about, which stays in the history with it."""
    given_, retraction = vote(call(1)), vote(kind="retraction", value=None, retracts="f1")
    store.add([call(1)])
    for each in (retraction, given_) if retraction_first else (given_, retraction):
        store.add(feedback=[each])
    assert ids_on(store, call(1)) == []
    assert store.history(call(1)) == [given_, retraction]
    assert store.pending() == []


def test_a_retracted_vote_does_not_bring_back_the_one_before(store: Store, call: Any, vote: Any) -> None:
    """Who takes a vote back has no vote."""
    target = call(1)
    store.add([target], [vote(target), vote(target), vote(kind="retraction", value=None, retracts="f2")])
    assert ids_on(store, target) == []


def test_retracting_a_superseded_vote_leaves_the_present_one(store: Store, call: Any, vote: Any) -> None:
    """A retraction removes the vote that it names and no other."""
    target = call(1)
    store.add([target], [vote(target), vote(target), vote(kind="retraction", value=None, retracts="f1")])
    assert ids_on(store, target) == ["f2"]


def test_the_first_write_of_a_feedback_id_wins(store: Store, call: Any, vote: Any) -> None:
    """Delivery is at least once; the same id is the same feedback."""
    store.add([call(1)], [vote(call(1), value=True, id="x"), vote(call(1), value=False, id="x")])
    assert [given_.value for given_ in store.history(call(1))] == [True]
    assert store.counts()["feedback"] == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_interactions_can_be_picked_by_whether_feedback_counts_on_them(
    store: Store, call: Any, vote: Any, wanted: bool
) -> None:
    """Joined by any id; retracted feedback and feedback that is about another call do not count."""
    calls = [call(n, session="s", response_id=f"r{n}") for n in range(120)]
    given_ = [
        vote(calls[3]),
        vote(response_id="r110"),
        vote(calls[5], id="gone"),
        vote(session="s", time_ns=60 * SECOND),
    ]
    store.add(calls, [*given_, vote(kind="retraction", value=None, retracts="gone")])
    found = [int(each.span_id, 16) - 1 for each in store.interactions(has_feedback=wanted, newest_first=False)]
    rated = [3, 60, 110]
    assert found == (rated if wanted else [n for n in range(120) if n not in rated])
    assert len(list(store.interactions(has_feedback=wanted, limit=2))) == 2


def test_feedback_on_a_trace_counts_on_its_newest_call(store: Store, call: Any, vote: Any) -> None:
    """The newest that had begun by then, else the newest; a call that comes later may be it; a turn is more telling."""
    trace, session = "ab" * 16, "conv"
    early, late = (call(n, trace_id=trace, session=session) for n in (1, 9))
    asked = vote(trace_id=trace, session="other", time_ns=early.start_ns + 1, id="asked", rater="a")
    before = vote(trace_id=trace, time_ns=early.start_ns - 1, id="before", rater="b")
    turn = vote(trace_id=trace, session=session, turn=0, time_ns=late.start_ns + 1, id="turn", rater="c")
    store.add(feedback=[asked, before, turn])
    assert len(store.pending()) == 3
    for calls in ([early], [late]):
        store.add(calls)
    on = store.feedback_on([early, late])
    assert ({f.id for f in on[early.span_id]}, {f.id for f in on[late.span_id]}) == ({"asked", "turn"}, {"before"})
    assert store.pending() == []


events = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("uv"), st.integers(0, 3), st.booleans()), max_size=12)


@settings(max_examples=50, deadline=None)
@given(events, st.randoms())
def test_what_counts_does_not_depend_on_how_it_was_batched(given_: list[Any], random: Any) -> None:
    """The join is the same whether all came at once, one by one, or before the interactions."""
    calls = [Interaction(trace_id=f"{n + 1:032x}", span_id=f"{n + 1:016x}", start_ns=n, end_ns=n) for n in range(4)]
    votes = [
        Feedback(id=str(n), name="x", kind="retraction" if retract else "binary", time_ns=time, rater=rater,
                 span_id="" if retract else calls[target].span_id, retracts=str(target) if retract else None)
        for n, (target, rater, time, retract) in enumerate(given_)
    ]  # fmt: skip
    with Store.open(":memory:") as at_once, Store.open(":memory:") as piecemeal:
        at_once.add(calls, votes)
        for each in votes:
            piecemeal.add(feedback=[each])
        random.shuffle(calls)
        for call_ in calls:
            piecemeal.add([call_])
        assert at_once.feedback_on(calls) == piecemeal.feedback_on(calls)
        assert at_once.counts() == piecemeal.counts()


_NAMES = st.sampled_from([None, "", "a", "b"])
_SPANS = st.sampled_from([None, "", *(f"{n:016x}" for n in range(5))])  # all zeros is no span; the last is not there
_TRACES = st.sampled_from(["", "0" * 32, "a" * 32, "b" * 32])
_TIMES = st.integers(0, 6)
calls_of_all_kinds = st.lists(
    st.builds(Interaction, trace_id=_TRACES, span_id=st.sampled_from([f"{n:016x}" for n in range(1, 4)]),
              start_ns=_TIMES, end_ns=_TIMES, response_id=_NAMES, message_id=_NAMES, session=_NAMES),
    max_size=8, unique_by=lambda call: (call.trace_id, call.span_id),
)  # fmt: skip
_IDS_GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "span_id": _SPANS.map(str), "response_id": _NAMES, "message_id": _NAMES, "session": _NAMES,
    "chosen": _SPANS, "rejected": _SPANS, "ranking": st.lists(_SPANS.map(str), max_size=2).map(tuple),
}  # fmt: skip
_VOTE = {
    "id": st.uuids().map(str), "name": st.just("x"), "kind": st.just("binary"), "time_ns": _TIMES,
    "trace_id": _TRACES, "rater": st.sampled_from("uv"),
}  # fmt: skip
one_way = st.one_of([st.builds(Feedback, **_VOTE, **{name: ids}) for name, ids in _IDS_GIVEN.items()])
votes_of_all_kinds = st.lists(one_way | st.builds(Feedback, **_VOTE, **_IDS_GIVEN), max_size=6)


def same_trace(one: str, other: str) -> bool:
    """Whether both may be one trace: they agree, or one of them says nothing."""
    return one == other or not one.strip("0") or not other.strip("0")


def plainly_about(vote: Feedback, calls: list[Interaction]) -> list[int]:
    """The numbers of the calls that `vote` is about, by the definition alone: the strongest id that finds any."""
    numbered = list(enumerate(calls))
    sides = {vote.chosen, vote.rejected, *vote.ranking} - {vote.span_id}
    named = [n for n, call in numbered if call.span_id == vote.span_id and same_trace(vote.trace_id, call.trace_id)]
    named += [n for n, call in numbered if call.span_id in sides]
    keys = [("response_id", vote.response_id), ("message_id", vote.message_id)]
    by_more = not any(span and span.strip("0") for span in {vote.span_id, *sides}) and not any(key for _, key in keys)
    more = [("trace_id", vote.trace_id if vote.trace_id.strip("0") else None), ("session", vote.session)]
    for name, key in [*keys, *(more if by_more else ())]:
        if not named and key:
            shared = [
                (call.start_ns <= vote.time_ns, call.start_ns, n) for n, call in numbered if getattr(call, name) == key
            ]
            named = [max(shared)[2]] if shared else []
    return named


def plainly_rated(calls: list[Interaction], votes: list[Feedback], retracted: set[str]) -> set[int]:
    """The numbers of the calls with a vote that counts: the latest of its rater on its aspect, and not retracted."""
    latest: dict[Any, Feedback] = {}
    for vote in sorted(votes, key=lambda vote: vote.time_ns):
        compared = frozenset({vote.chosen, vote.rejected, *vote.ranking} - {None})
        latest.update({(n, compared, vote.rater): vote for n in plainly_about(vote, calls)})
    return {n for (n, *_), vote in latest.items() if vote.id not in retracted}


@pytest.mark.parametrize("many", [0, 1000])
@settings(max_examples=300, deadline=None)
@given(calls_of_all_kinds, votes_of_all_kinds, st.data())
def test_calls_with_feedback_are_those_of_the_plain_definition(
    many: int, calls: list[Interaction], votes: list[Feedback], data: Any
) -> None:
    """By every way to join, whether feedback is rare or not: with and without it are the two halves of all."""
    gone = data.draw(st.sets(st.sampled_from([vote.id for vote in votes]))) if votes else set()
    back = [Feedback(id=f"not {each}", name="x", kind="retraction", time_ns=9, retracts=each) for each in gone]
    rated = plainly_rated(calls, votes, gone)
    ordered = sorted(range(len(calls)), key=lambda n: (calls[n].start_ns, n))
    with Store.open(":memory:") as store, pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlhf_otel.store.sqlite._MANY_RATED", many)
        patch.setattr("rlhf_otel.store.sqlite.PAGE", 2)
        store.add(calls, [*votes, *back])
        for wanted in (True, False):
            expected = [calls[n] for n in ordered if (n in rated) == wanted]
            assert list(store.interactions(has_feedback=wanted, newest_first=False)) == expected
            assert list(store.interactions(has_feedback=wanted, limit=3)) == expected[::-1][:3]
