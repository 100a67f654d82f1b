"""Variants side by side: a winner where there is one, and hardly ever where there is none, however often one looks."""

from __future__ import annotations

import json
import math
import os
import random
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlhf_otel.cli.main import cli
from rlhf_otel.datasets.arms import MOST_ARMS, Comparison, TooManyArmsError
from rlhf_otel.datasets.sequences import FEWEST, AsymptoticMean, BoundedMean
from rlhf_otel.records import Feedback, Interaction
from tests.datasets.conftest import SECOND, START

RUNS = int(os.environ.get("RLHF_OTEL_TEST_SIMULATIONS", "60"))
LOOKS = 400 if RUNS >= 1000 else 250


def call(number: int, variant: str, seconds: float = 1.0, **fields) -> Interaction:
    """A call of a variant."""
    start = START + number * SECOND
    usual = {"trace_id": f"{number:032x}", "span_id": f"{number:016x}", "start_ns": start, "variant": variant}
    return Interaction(**{**usual, "end_ns": start + int(seconds * SECOND), **fields})


def thumb(one: Interaction, up: bool) -> Feedback:
    """A thumb on a call."""
    return Feedback(id=f"f{one.span_id}", name="n", kind="binary", time_ns=0, span_id=one.span_id, value=up)


def winners(made: Comparison) -> dict[str, str]:
    """What is won, by whom."""
    return {each.measure: each.winner for each in made.contrasts() if each.winner}


def test_a_better_variant_wins():
    """With enough ratings the variant that people like is named, and the slower and failing one is named in those."""
    chance = random.Random(1)
    made = Comparison("variant")
    for number in range(1200):
        variant = "AB"[number % 2]
        failed = variant == "B" and chance.random() < 0.3
        one = call(number, variant, chance.uniform(1, 2) * (3 if variant == "A" else 1),
                   error_type="Timeout" if failed else None)  # fmt: skip
        made.add(one, [] if failed else [thumb(one, chance.random() < (0.5 if variant == "A" else 0.9))])
    assert winners(made) == {"score": "B", "error_rate": "A", "duration": "B"}
    contrast = next(each for each in made.contrasts() if each.measure == "duration")
    assert contrast.low < 3 < contrast.high


def test_too_little_says_how_much_is_missing():
    """A few ratings name no winner, and say how many more it takes at least."""
    made = Comparison("variant")
    for number in range(10):
        one = call(number, "AB"[number % 2])
        made.add(one, [thumb(one, number % 2 == 0)])
    (score,) = [each for each in made.contrasts() if each.measure == "score"]
    assert (score.count, score.winner, score.more, score.difference) == (5, "", 15, 1.0)


def test_the_win_rate_comes_from_comparisons():
    """Preferences between variants are counted once each, ties for half, those within a variant not at all."""
    made = Comparison("variant")
    for number in range(0, 240, 3):
        calls = [call(number, "A"), call(number + 1, "B"), call(number + 2, "B")]
        first, second, third = (one.span_id for one in calls)
        given = [
            Feedback(id=f"p{number}", name="p", kind="preference", time_ns=0, chosen=second, rejected=first,
                     margin=0.0 if number % 30 == 0 else None),
            Feedback(id=f"w{number}", name="p", kind="preference", time_ns=0, chosen=second, rejected=third),
        ]  # fmt: skip
        for one in calls:
            made.add(one, [each for each in given if one.span_id in (each.chosen, each.rejected)])
    (rate,) = [each for each in made.contrasts() if each.measure == "win_rate"]
    assert (rate.count, rate.difference, rate.winner) == (80, 0.05, "B")


def test_signals_and_other_names_count_only_where_asked_for():
    """By default what people did is not what they said."""
    one = call(1, "A")
    given = [
        Feedback(id="1", name="copy", kind="signal", signal="copy", time_ns=0, value=0.8),
        Feedback(id="2", name="accuracy", kind="score", time_ns=0, value=0.5),
        Feedback(id="3", name="style", kind="score", time_ns=0, value=0.1),
    ]
    for choices, score in (({}, 0.3), ({"names": ("accuracy",)}, 0.5), ({"sources": ("signal",)}, 0.8)):
        made = Comparison("variant", **choices)
        made.add(one, given)
        assert made.arms["A"].mean("score") == pytest.approx(score)


def test_a_key_with_too_many_values_is_refused():
    """Nothing can be said of a value that each call has for itself."""
    made = Comparison("context.request")
    with pytest.raises(TooManyArmsError):
        for number in range(MOST_ARMS + 1):
            made.add(call(number, "A", context={"request": number}), [])


def false_wins(play) -> float:
    """The share of experiments in which somebody who looks after every pair of calls sees a winner at some time."""
    return sum(play(random.Random(seed)) for seed in range(RUNS)) / RUNS


def ever_off(sequence, values, truth: float) -> bool:
    """Whether the interval excludes the truth at any look."""
    for value in values:
        sequence.add(value)
        low, high = sequence.interval()
        if not low <= truth <= high:
            return True
    return False


@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_equal_variants_have_no_winner_by_thumbs(rate):
    """A/A: with thumbs of the same rate on both sides at most 5 % of the experiments ever name a winner."""

    def play(chance: random.Random) -> bool:
        values = (((chance.random() < rate) - (chance.random() < rate) + 1) / 2 for _ in range(LOOKS))
        return ever_off(BoundedMean(0.05), values, 0.5)

    assert false_wins(play) <= 0.05


def test_equal_variants_have_no_winner_by_duration():
    """A/A: with skewed durations of the same kind at most 5 % of the experiments ever name a winner."""

    def play(chance: random.Random) -> bool:
        values = (chance.gauss(0, 1) - chance.gauss(0, 1) for _ in range(LOOKS))
        return ever_off(AsymptoticMean(0.05), values, 0.0)

    assert false_wins(play) <= 0.05


def test_equal_variants_have_no_winner_at_all():
    """A/A: over all measures of whole experiments, looked at again and again, at most 5 % name any winner."""

    def play(chance: random.Random) -> bool:
        made = Comparison("variant")
        for number in range(LOOKS):
            one = call(number, chance.choice("AB"), chance.lognormvariate(0, 1))
            made.add(one, [thumb(one, chance.random() < 0.8)] if chance.random() < 0.5 else [])
            if number % 25 == 24 and winners(made):
                return True
        return False

    assert false_wins(play) <= 0.05


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.floats(0, 1), max_size=80))
def test_an_interval_of_a_bounded_mean_only_narrows(values):
    """Whatever the values: it stays within 0 and 1, and what was ruled out stays so."""
    sequence = BoundedMean()
    before = sequence.interval()
    for value in values:
        sequence.add(value)
        low, high = sequence.interval()
        assert before[0] <= low <= high <= before[1]
        before = low, high


def test_sequences_come_near_the_mean():
    """After many values the intervals are narrow, and a few values say nothing."""
    bounded, asymptotic = BoundedMean(), AsymptoticMean()
    chance = random.Random(2)
    for number in range(4000):
        bounded.add(float(chance.random() < 0.7))
        asymptotic.add(chance.gauss(5, 2))
        if number < FEWEST - 1:
            assert asymptotic.interval() == (-math.inf, math.inf)
    (low, high), (lower, higher) = bounded.interval(), asymptotic.interval()
    assert low < 0.7 < high and high - low < 0.1
    assert lower < 5 < higher and higher - lower < 0.3


@pytest.fixture
def store(sessions):
    """A store with a variant that is liked and one that is not."""
    for number in range(120):
        variant = "AB"[number % 2]
        span = sessions.call(f"Q{number}", variant=variant, time_to_first_token_s=0.2)
        sessions.say(span, variant == "A")
    return sessions.store()


def test_the_command(store, tmp_path):
    """A table, a sentence for each difference, JSON, and a drawing."""
    plot = tmp_path / "plot.svg"
    ended = CliRunner().invoke(cli, ["compare", "--store", str(store), "--plot", str(plot)])
    assert ended.exit_code == 0
    assert "mean score: A against B +1.000 [" in ended.stdout and "- A is better" in ended.stdout
    told = json.loads(CliRunner().invoke(cli, ["compare", "--store", str(store), "--json"]).stdout)
    assert [(arm["name"], arm["calls"], arm["positive"], arm["negative"]) for arm in told["arms"]] == [
        ("A", 60, 60, 0),
        ("B", 60, 0, 60),
    ]
    score = next(each for each in told["contrasts"] if each["measure"] == "score")
    assert (score["winner"], score["count"], score["more"]) == ("A", 60, 0)
    drawn = ElementTree.parse(plot).getroot()
    assert sum(element.tag.endswith("circle") for element in drawn.iter()) == len(told["contrasts"])


@pytest.mark.parametrize(
    ("width", "first"),
    [("80", "A           60     60  60     0          1.00"), ("90", "A           60     60  60     0  1.00 [")],
)
def test_the_table_fits_the_terminal(store, monkeypatch, width, first):
    """Without columns of which nothing is known; where it is narrow, intervals stand below their means."""
    monkeypatch.setenv("COLUMNS", width)
    lines = CliRunner().invoke(cli, ["compare", "--store", str(store)]).stdout.splitlines()
    assert lines[0].split() == ["variant", "calls", "rated", "up", "down", "mean", "score", "errors", "took", "TTFT"]
    assert lines[2].startswith(first)
    assert max(map(len, lines[:4])) <= int(width)


def test_many_open_pairs_are_counted(sessions):
    """Every winner has its line; of what nobody can tell yet the first lines are enough, and JSON has all."""
    for number in range(200):
        sessions.say(sessions.call(f"Q{number}", variant="ABCDE"[number % 5]), number % 5 == 0)
    words = ["compare", "--store", str(sessions.store())]
    lines = CliRunner().invoke(cli, words).stdout.splitlines()
    contrasts = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)["contrasts"]
    still_open = [each for each in contrasts if not each["winner"]]
    assert sum(" - A is better" in line for line in lines) == len(contrasts) - len(still_open) == 4
    assert sum(" - open; " in line for line in lines) == 6
    assert lines[-1] == f"and {len(still_open) - 6} more that are open: --json has them"


@pytest.mark.parametrize(
    ("words", "code", "said"), [(["--by", "colour"], 2, "--by is 'colour'"), ([], 0, "No call has")]
)
def test_nothing_to_compare(sessions, words, code, said):
    """An unknown key is refused; calls without a variant are said to have none."""
    sessions.call()
    ended = CliRunner().invoke(cli, ["compare", "--store", str(sessions.store()), *words])
    assert (ended.exit_code, said in ended.stderr) == (code, True)
