"""Which answer is better than which, and when nobody can say."""

from __future__ import annotations

import pytest

from tests.datasets.conftest import text

QUESTION = [text("user", "Q")]
LATER = [*QUESTION, text("assistant", "A1"), text("user", "And?")]


def test_a_preference_is_a_pair(sessions):
    """The chosen answer over the rejected one, with what the pair rests on."""
    good, bad = sessions.call(answer="good"), sessions.call(answer="bad")
    said = sessions.prefer(good, bad, margin=2.0, rater="u1")
    made = sessions.export()
    assert made.rows == [
        {
            "prompt": [{"role": "user", "content": "Q"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
    ]
    (lineage,) = made.lineage
    told = {key: lineage[key] for key in ("split", "row", "rule", "spans", "feedback", "margin", "margin_of")}
    assert told == {
        "split": "train", "row": 0, "rule": "preference", "spans": [good, bad], "feedback": [said], "margin": 2.0,
        "margin_of": "stated",
    }  # fmt: skip


def test_a_ranking_is_every_pair_in_it(sessions):
    """Of three answers in an order there are three pairs."""
    spans = [sessions.call(answer=word) for word in ("best", "middle", "worst")]
    sessions.rank(*spans)
    assert sessions.export().pairs == [("Q", "best", "middle"), ("Q", "best", "worst"), ("Q", "middle", "worst")]


def test_ratings_of_answers_to_one_prompt_are_compared(sessions):
    """Thumbs and ratings on several answers to one prompt make a pair by the better score, with the difference."""
    sessions.say(sessions.call(answer="two"), 2, rater="u1")
    sessions.say(sessions.call(answer="five"), 5, rater="u1")
    made = sessions.export()
    assert made.pairs == [("Q", "five", "two")]
    assert (made.lineage[0]["margin"], made.lineage[0]["margin_of"]) == (0.75, "scores")


def test_variants_and_models_are_compared(sessions):
    """The answers of two models to one prompt in one conversation make a pair, by thumbs of different people."""
    sessions.say(sessions.call(answer="a", variant="A", response_model="m-a"), True, rater="u1")
    sessions.say(sessions.call(answer="b", variant="B", response_model="m-b"), False, rater="u2")
    made = sessions.export()
    assert made.pairs == [("Q", "a", "b")]
    assert made.lineage[0]["models"] == {"chosen": "m-a", "rejected": "m-b"}


def test_ratings_of_different_names_are_not_compared(sessions):
    """Helpfulness of one answer says nothing against the accuracy of another."""
    sessions.say(sessions.call(answer="a"), 5, name="helpfulness")
    sessions.say(sessions.call(answer="b"), 1, name="accuracy")
    assert sessions.export().rows == []


def test_choices_of_one_call_are_compared(sessions):
    """Where one call gave several answers, `choice` in the metadata says which is meant."""
    both = sessions.call(answer=[text("assistant", "first"), text("assistant", "second")])
    sessions.say(both, False, rater="u1", metadata={"choice": 0})
    sessions.say(both, True, rater="u1", metadata={"choice": 1})
    made = sessions.export()
    assert made.pairs == [("Q", "second", "first")]
    assert made.lineage[0]["spans"] == [f"{both}#1", both]


def test_feedback_that_could_mean_any_choice_is_counted(sessions):
    """A thumb on a call with several answers means none of them."""
    sessions.say(sessions.call(answer=[text("assistant", "first"), text("assistant", "second")]), True)
    assert sessions.export().dropped["does not say which of several answers it means"] == 1


def test_a_correction_is_better_than_what_it_corrects(sessions):
    """What somebody wrote over what the model had said; a correction that changes nothing is none."""
    sessions.correct(sessions.call(answer="Lyon"), "Paris")
    sessions.correct(sessions.call("Q2", "fine"), "fine")
    made = sessions.export()
    assert made.pairs == [("Q", "Paris", "Lyon")]
    assert made.dropped["a correction that changes nothing"] == 1


SIGNALS = {"sources": ("human", "signal")}


def test_a_kept_answer_is_better_than_one_thrown_away(sessions):
    """Asking again makes the last answer better than the ones before, though nobody rated it."""
    for answer in ("one", "two"):
        sessions.signal(sessions.call(answer=answer), "regenerate")
    sessions.call(answer="three")
    made = sessions.export(**SIGNALS)
    assert made.pairs == [("Q", "three", "one"), ("Q", "three", "two")]
    assert {each["rule"] for each in made.lineage} == {"regenerate"}


def test_the_answer_with_which_the_conversation_goes_on_was_kept(sessions):
    """Who returns to the first answer and goes on from it has thrown nothing away."""
    sessions.signal(sessions.call(answer="A1"), "regenerate")
    sessions.call(answer="A2")
    sessions.call(LATER, "more")
    assert sessions.export(**SIGNALS).rows == []


def test_all_thrown_away_is_no_pair(sessions):
    """Where the last answer was thrown away as well, none was kept."""
    for answer in ("one", "two"):
        sessions.signal(sessions.call(answer=answer), "regenerate")
    assert sessions.export(**SIGNALS).rows == []


def test_signals_are_not_mixed_in_silently(sessions):
    """What people did makes rows only where that was asked for, and the card then says so."""
    sessions.signal(sessions.call(answer="one"), "regenerate")
    sessions.call(answer="two")
    assert sessions.export().rows == []
    made = sessions.export(**SIGNALS)
    assert len(made.rows) == 1
    assert "mixed on purpose" in (made.path / "README.md").read_text(encoding="utf-8")


def test_nothing_is_paired_across_conversations(sessions):
    """The same prompt in two sessions is two questions, also where somebody says that they compared them."""
    one, other = sessions.call(answer="a", session="s1"), sessions.call(answer="b", session="s2")
    sessions.say(one, True)
    sessions.say(other, False)
    sessions.prefer(one, other)
    made = sessions.export()
    assert made.rows == []
    assert made.dropped["the answers are in different conversations"] == 1


def test_without_a_session_a_trace_is_a_conversation(sessions):
    """Calls that share a trace are compared by their ratings, others are not; a stated preference needs neither."""
    for trace, value in (("a" * 32, True), ("a" * 32, False), ("b" * 32, False)):
        sessions.say(sessions.call(answer=f"{trace[0]}{value}", session=None, trace_id=trace), value)
    assert sessions.export().pairs == [("Q", "aTrue", "aFalse")]
    sessions.prefer(sessions.call("Q2", "x", None), sessions.call("Q2", "y", None))
    assert ("Q2", "x", "y") in sessions.export().pairs


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "Q?"},
        {"prompt": LATER},
        {"system": [{"type": "text", "content": "Be brief."}]},
        {"tools": [{"type": "function", "name": "f"}]},
    ],
)
def test_different_prompts_are_not_compared(sessions, other):
    """The whole prompt counts: history, system prompt and tools."""
    sessions.prefer(sessions.call(answer="a"), sessions.call(answer="b", **other))
    made = sessions.export()
    assert made.rows == []
    assert made.dropped["the answers are to different prompts"] == 1


def test_a_system_prompt_is_the_same_wherever_it_stands(sessions):
    """One client library has it among the messages, another beside them; without it, prompts may be told to match."""
    one = sessions.call([text("system", "Be brief."), *QUESTION], "a")
    sessions.prefer(one, sessions.call(answer="b", system=[{"type": "text", "content": "Be brief."}]))
    assert [row["prompt"][0] for row in sessions.export().rows] == [{"role": "system", "content": "Be brief."}]
    sessions.prefer(one, sessions.call(answer="c"))
    assert [row["prompt"] for row in sessions.export(system="drop").rows] == [[{"role": "user", "content": "Q"}]] * 2


def test_ties_make_no_pair(sessions):
    """A margin of 0, equal scores and equal answers are no pair."""
    first, second = sessions.call(answer="a"), sessions.call(answer="b")
    sessions.prefer(first, second, margin=0)
    assert sessions.export().dropped == {"a tie": 1}
    third, fourth = sessions.call("Q2", "c"), sessions.call("Q2", "d")
    for span in (third, fourth):
        sessions.say(span, True, rater="u1")
    sessions.prefer(sessions.call("Q3", "same"), sessions.call("Q3", "same"))
    made = sessions.export()
    assert made.rows == []
    assert made.dropped == {"a tie": 2, "the answers are the same": 1}


def test_the_word_tie_counts_against_both_sides(sessions):
    """One of three raters prefers an answer and two say tie of it: that is a tie."""
    one, other = sessions.call(answer="a"), sessions.call(answer="b")
    sessions.prefer(one, other, rater="r1")
    for rater in ("r2", "r3"):
        sessions.say(one, "tie", kind="categorical", name="comparison", rater=rater)
    assert sessions.export().dropped == {"a tie": 1}


def test_the_majority_of_raters_decides(sessions):
    """Two against one is a pair with an agreement of two thirds; one against one is none."""
    first, second = sessions.call(answer="a"), sessions.call(answer="b")
    for rater, sides in (("r1", (first, second)), ("r2", (first, second)), ("r3", (second, first))):
        sessions.prefer(*sides, rater=rater)
    third, fourth = sessions.call("Q2", "c"), sessions.call("Q2", "d")
    sessions.prefer(third, fourth, rater="r1")
    sessions.prefer(fourth, third, rater="r2")
    made = sessions.export()
    assert made.pairs == [("Q", "a", "b")]
    assert made.lineage[0]["agreement"] == 0.666667
    assert made.dropped == {"raters disagree": 1}
    assert sessions.export(min_agreement=0.7).rows == []


def test_one_rater_has_one_vote(sessions):
    """The comparison of a person counts over their ratings, and a later comparison over an earlier one."""
    first, second = sessions.call(answer="a"), sessions.call(answer="b")
    sessions.say(first, 1, rater="r1")
    sessions.say(second, 5, rater="r1")
    sessions.prefer(second, first, rater="r1")
    sessions.prefer(first, second, rater="r1")
    made = sessions.export()
    assert made.pairs == [("Q", "a", "b")]
    assert made.lineage[0]["rule"] == "preference"


def test_reliable_raters_weigh_more(sessions):
    """One rater who always agrees with the others outweighs two who never do, where that is asked for."""
    for place in range(12):
        one, other = sessions.call(f"Q{place}", "a"), sessions.call(f"Q{place}", "b")
        for rater in ("good", "good2", "good3"):
            sessions.prefer(one, other, rater=rater)
        sessions.prefer(other, one, rater="bad")
        sessions.prefer(one, other, rater="bad2") if place % 2 else sessions.prefer(other, one, rater="bad2")
    one, other = sessions.call("last", "a"), sessions.call("last", "b")
    sessions.prefer(one, other, rater="good")
    for rater in ("bad", "bad2"):
        sessions.prefer(other, one, rater=rater)
    assert ("last", "b", "a") in sessions.export().pairs
    assert ("last", "a", "b") in sessions.export(votes="reliability").pairs


def test_small_margins_can_be_left_out(sessions):
    """Pairs with a margin below the wanted one are counted and left out."""
    for question, score in (("Q1", 0.5), ("Q2", 0.1)):
        sessions.say(sessions.call(question, "better"), score + 0.2 if question == "Q2" else 1.0, rater="u")
        sessions.say(sessions.call(question, "worse"), score, rater="u")
    made = sessions.export(min_margin=0.4)
    assert made.pairs == [("Q1", "better", "worse")]
    assert made.dropped == {"a margin below 0.4": 1}


def test_a_comparison_of_a_call_that_may_not_be_used_says_why(sessions):
    """Where one side has no consent, is not in the store or failed, the pair is counted under that."""
    good = sessions.call(answer="a")
    sessions.prefer(good, sessions.call(answer="b", consent=None), name="one")
    sessions.prefer(good, "00000000000000ff", name="two")
    made = sessions.export()
    assert made.rows == []
    assert made.dropped["one of the answers: no consent is known"] == 1
    assert made.dropped["one of the answers: the call is not in the store"] == 1


def test_feedback_that_was_asked_for_by_chance_weighs_by_its_inverse(sessions):
    """The known chance of being asked becomes the weight of the row."""
    sessions.prefer(sessions.call(answer="a"), sessions.call(answer="b"), metadata={"propensity": 0.25})
    assert sessions.export().lineage[0]["weight"] == 4.0


def test_only_so_many_inferred_pairs_of_one_prompt(sessions):
    """Of many rated answers to one prompt not every pair is taken."""
    for score in range(1, 6):
        sessions.say(sessions.call(answer=f"{score}"), score, rater="u")
    made = sessions.export(max_pairs=4)
    assert len(made.rows) == 4
    assert made.dropped == {"more than 4 pairs of one prompt": 6}
