"""Whole sessions with known pairs: every pair is found, and nothing else is taken for one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf_otel.datasets import Recipe, make_dataset
from rlhf_otel.datasets.recipe import PAIRED
from tests.datasets.conftest import Made, Sessions, text

Pair = tuple[str, str, str]


class Script:
    """Plays conversations of several kinds, and knows the pairs that are in them.

    Every conversation asks the same few questions, so that prompts repeat across conversations all the time.
    """

    def __init__(self, sessions: Sessions, seed: int) -> None:
        self.sessions = sessions
        self.random = random.Random(seed)
        self.known: set[Pair] = set()
        self.turns = 0

    def play(self, conversations: int) -> set[Pair]:
        """Plays, and returns the known pairs by prompt, better and worse answer."""
        for place in range(conversations):
            self.history: list = []
            self.session = f"session-{place}"
            for _ in range(self.random.randint(1, 4)):
                self.turn()
        return self.known

    def turn(self) -> None:
        """One question of the conversation, answered and judged in one of many ways."""
        asked = [*self.history, text("user", f"Question {self.random.randint(0, 3)}?")]
        ways = (self.preferred, self.ranked, self.rated, self.thumbed, self.again, self.corrected, self.silent,
                self.tied, self.disputed, self.alone)  # fmt: skip
        kept = self.random.choice(ways)(asked)
        self.history = [*asked, text("assistant", kept)]

    def answer(self, asked, **fields) -> tuple[str, str]:
        """A call with an answer of its own; its span id and the answer."""
        self.turns += 1
        said = f"Answer {self.turns}"
        model = self.random.choice(("m-1", "m-2"))
        return self.sessions.call(asked, said, self.session, request_model=model, **fields), said

    def note(self, asked, better: str, worse: str) -> None:
        """This is a pair."""
        self.known.add((asked[-1]["parts"][0]["content"], better, worse))

    def preferred(self, asked) -> str:
        (one, said), (other, worse) = self.answer(asked), self.answer(asked)
        self.sessions.prefer(one, other, rater="u")
        self.note(asked, said, worse)
        return said

    def ranked(self, asked) -> str:
        calls = [self.answer(asked) for _ in range(3)]
        self.sessions.rank(*(span for span, _ in calls))
        for better, worse in ((0, 1), (0, 2), (1, 2)):
            self.note(asked, calls[better][1], calls[worse][1])
        return calls[0][1]

    def rated(self, asked) -> str:
        (one, worse), (other, said) = self.answer(asked), self.answer(asked)
        self.sessions.say(one, 2, rater="u")
        self.sessions.say(other, 4, rater="u")
        self.note(asked, said, worse)
        return said

    def thumbed(self, asked) -> str:
        (one, said), (other, worse) = self.answer(asked, variant="A"), self.answer(asked, variant="B")
        self.sessions.say(one, True, rater="u")
        self.sessions.say(other, False, rater="v")
        self.note(asked, said, worse)
        return said

    def again(self, asked) -> str:
        (one, worse), (_, said) = self.answer(asked), self.answer(asked)
        self.sessions.signal(one, "regenerate", rater="u")
        self.note(asked, said, worse)
        return said

    def corrected(self, asked) -> str:
        span, worse = self.answer(asked)
        self.sessions.correct(span, f"{worse}, corrected", rater="u")
        self.note(asked, f"{worse}, corrected", worse)
        return worse

    def silent(self, asked) -> str:
        return self.answer(asked)[1]

    def tied(self, asked) -> str:
        (one, said), (other, _) = self.answer(asked), self.answer(asked)
        self.sessions.prefer(one, other, margin=0, rater="u")
        return said

    def disputed(self, asked) -> str:
        (one, said), (other, _) = self.answer(asked), self.answer(asked)
        self.sessions.prefer(one, other, rater="u")
        self.sessions.prefer(other, one, rater="v")
        return said

    def alone(self, asked) -> str:
        span, said = self.answer(asked)
        self.sessions.say(span, self.random.choice((True, False)), rater="u")
        return said


@pytest.mark.parametrize("format", PAIRED)
def test_every_known_pair_is_found_and_no_other(sessions, format):
    """On 120 conversations precision and recall are 1, though the same prompts come up in all of them."""
    known = Script(sessions, seed=7).play(120)
    made = sessions.export(format=format, sources=("human", "signal"))
    name = {"openai-dpo": ("preferred_output", "non_preferred_output")}.get(format, ("chosen", "rejected"))
    found = [tuple(row[side][-1]["content"] for side in name) for row in made.rows]
    assert len(found) == len(known) > 150
    assert set(found) == {(better, worse) for _, better, worse in known}


def test_no_pair_crosses_conversations(sessions):
    """Both sides of every pair come from one session."""
    Script(sessions, seed=3).play(80)
    session_of = {call.span_id: call.session for call in sessions.calls}
    made = sessions.export(sources=("human", "signal"))
    assert all(len({session_of[span] for span in each["spans"]}) == 1 for each in made.lineage)


VOTES = st.lists(st.tuples(st.sampled_from("rst"), st.sampled_from((-1, 0, 1))), max_size=6)
QUIET = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def records(votes, turned: bool):
    """Two answers and votes on them, in the order of the shelf or the other way round."""
    sessions = Sessions(Path())
    spans = [sessions.call(answer=answer) for answer in (("b", "a") if turned else ("a", "b"))]
    first, second = reversed(spans) if turned else spans
    for place, (rater, better) in enumerate(votes):
        sides = (first, second) if better >= 0 else (second, first)
        sessions.prefer(*sides, rater=f"{rater}{place}", margin=0 if not better else None)
    return joined(sessions)


def joined(sessions: Sessions):
    """The calls of `sessions`, each with the preferences that it is part of."""
    return [(call, [f for f in sessions.feedback if call.span_id in (f.chosen, f.rejected)]) for call in sessions.calls]


@settings(QUIET, max_examples=12)
@given(seed=st.integers(0, 10**6), conversations=st.integers(1, 12))
def test_whatever_is_played_its_pairs_are_found_and_no_other(seed, conversations, tmp_path_factory):
    """Of any conversations: precision 1, recall 1, and each pair within one session and resting on what was said."""
    sessions = Sessions(tmp_path_factory.mktemp("played"))
    known = Script(sessions, seed).play(conversations)
    made = sessions.export(sources=("human", "signal"), near_duplicates=False)
    found = [(row["chosen"][-1]["content"], row["rejected"][-1]["content"]) for row in made.rows]
    assert sorted(found) == sorted((better, worse) for _, better, worse in known)
    session_of = {call.span_id: call.session for call in sessions.calls}
    assert all(len({session_of[span] for span in each["spans"]}) == 1 for each in made.lineage)
    told = {each.id for each in sessions.feedback}
    assert all(each["feedback"] and told.issuperset(each["feedback"]) for each in made.lineage)


@QUIET
@given(votes=VOTES, turned=st.booleans())
def test_the_winner_has_more_than_half_of_the_votes(votes, turned):
    """Whatever the votes and the order of the answers: a row exactly where one side has a strict majority."""
    outcome = make_dataset(records(votes, turned), Recipe(near_duplicates=False))
    first, second = (sum(better == side for _, better in votes) for side in (1, -1))
    assert outcome.rows["train"] == (2 * max(first, second) > len(votes))


@settings(QUIET, max_examples=20)
@given(texts=st.lists(st.tuples(st.text(), st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=5))
def test_any_text_makes_rows_or_is_counted(texts, tmp_path_factory):
    """Whatever people write, each preference is a row with exactly that text, or is counted under a reason."""
    folder = tmp_path_factory.mktemp("texts")
    sessions = Sessions(folder)
    for place, (prompt, good, bad) in enumerate(texts):
        sides = [sessions.call(prompt, answer, session=f"s{place}") for answer in (good, bad)]
        sessions.prefer(*sides)
    outcome = make_dataset(joined(sessions), Recipe(near_duplicates=False, drop=("secrets",)), folder / "out")
    made = Made(outcome, folder / "out")
    pairs, rows = outcome.funnel[2:]
    assert pairs["in"] == len(texts) and rows["in"] == pairs["out"] and rows["out"] == len(made.rows)
    assert sorted(made.pairs) == sorted({each for each in texts if each[1] != each[2]})
