"""Each planted fault is caught by its gate, and what is no fault is not."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhf_otel.datasets import GateError, RecipeError
from rlhf_otel.datasets.gates.duplicates import overlap
from rlhf_otel.datasets.gates.secrets import Secrets
from rlhf_otel.datasets.gates.statistics import Alpha, auc, median_and_spread, wilson
from tests.datasets.conftest import finding

WORDS = [
    "river",
    "stone",
    "lamp",
    "garden",
    "window",
    "paper",
    "silver",
    "morning",
    "engine",
    "copper",
    "forest",
    "letter",
    "bridge",
    "winter",
    "candle",
]


def prose(seed: int, words: int = 40) -> str:
    """A text of its own."""
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def pair(sessions, number: int, question: str, good: str, bad: str, **fields) -> None:
    """A preference in a conversation of its own."""
    sides = [sessions.call(question, answer, session=f"s{number}", **fields) for answer in (good, bad)]
    sessions.prefer(*sides)


def pairs(sessions, count: int) -> None:
    """Pairs of which nothing is wrong, the longer answer winning every other time."""
    for number in range(count):
        lengths = (40, 30) if number % 2 else (30, 40)
        pair(sessions, number, prose(1000 + number), *(prose(number * 2 + n, words) for n, words in enumerate(lengths)))


def test_clean_pairs_pass(sessions):
    """Where nothing is wrong every gate passes, but for those that have nothing to look at."""
    pairs(sessions, 200)
    outcome = sessions.dry(split=0.1)
    status = {each.gate: each.status for each in outcome.findings}
    assert status == {
        "secrets": "passed", "benchmark": "passed", "near-duplicates": "passed", "outliers": "passed",
        "split": "passed", "length": "passed", "label-noise": "passed", "balance": "passed", "raters": "not run",
        "size": "warned",
    }  # fmt: skip


def test_rows_that_are_the_same_are_there_once(sessions):
    """The same pair in another conversation is a duplicate."""
    pairs(sessions, 3)
    pair(sessions, 9, prose(1000), prose(0, 30), prose(1, 40))
    outcome = sessions.dry()
    assert outcome.rows == {"train": 3}
    assert outcome.funnel[3]["dropped"] == {"the same as another row": 1}


def test_near_duplicates_are_found_and_kept_together(sessions):
    """A pair that differs in a word is told, goes to the same file as its like, and can be left out."""
    pairs(sessions, 30)
    for number in range(5):
        changed = prose(number * 2, 40 if number % 2 else 30).replace("lamp", "light", 1)
        other = prose(number * 2 + 1, 30 if number % 2 else 40)
        pair(sessions, 100 + number, prose(1000 + number).upper(), changed, other)
    outcome = sessions.dry(split=0.4)
    found = finding(outcome, "near-duplicates")
    assert (found.status, found.facts["rows"], outcome.rows["train"] + outcome.rows["test"]) == ("warned", 5, 35)
    assert finding(outcome, "split").facts["clusters_in_both"] == 0
    assert sessions.dry(drop=("near-duplicates",)).rows == {"train": 30}


def test_a_long_prompt_in_common_makes_no_duplicates(sessions):
    """Different answers to one long prompt are different rows."""
    for number in range(10):
        pair(sessions, number, f"{prose(1, 2000)}", prose(2 * number + 10), prose(2 * number + 11))
    assert finding(sessions.dry(), "near-duplicates").facts["rows"] == 0


def test_without_the_package_near_duplicates_are_not_looked_for(sessions, monkeypatch):
    """The gate says what to install, and everything else works."""
    monkeypatch.setitem(sys.modules, "rensa", None)
    pairs(sessions, 2)
    found = finding(sessions.dry(), "near-duplicates")
    assert (found.status, "rlhf-otel[datasets]" in found.says) == ("not run", True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bench.jsonl", '{"question": "%s", "choices": ["a", "b"]}\n'),
        ("bench.json", '[{"deep": {"text": "%s"}}]'),
        ("bench.csv", 'id,question\n1,"%s"\n'),
        ("bench.txt", "first line\n%s\n"),
    ],
)
def test_benchmark_rows_are_caught(sessions, tmp_path, name, content):
    """A benchmark's question inside a longer prompt stops the export, whatever its case and punctuation."""
    question = prose(77, 20)
    (tmp_path / name).write_text(content % question, encoding="utf-8")
    pairs(sessions, 5)
    pair(sessions, 50, f"Please help. {question.upper().replace(' ', ', ')}! Thanks.", "x", "y")
    choices = {"benchmarks": (str(tmp_path / name),)}
    with pytest.raises(GateError, match=r"benchmark: 1 row among \d+ texts? of bench"):
        sessions.export(**choices)
    made = sessions.export(**choices, drop=("benchmark",))
    assert len(made.rows) == 5 and made.dropped == {"benchmark: left out as asked": 1}
    kept = sessions.export(**choices, override=("benchmark",))
    assert len(kept.rows) == 6
    assert "failed, **overridden**" in (kept.path / "README.md").read_text(encoding="utf-8")


def test_short_benchmark_texts_count_as_whole_lines(sessions, tmp_path):
    """A question of a few words is a hit where it is a line of its own, and not inside a sentence."""
    (tmp_path / "b.txt").write_text("What is the capital of France?\nHello there\n", encoding="utf-8")
    pair(sessions, 1, "I wonder what is the capital of France today", "a", "b")
    pair(sessions, 2, "Hello there", "a", "b")
    assert finding(sessions.dry(benchmarks=(str(tmp_path / "b.txt"),)), "benchmark").status == "passed"
    pair(sessions, 3, "Question:\nWhat is the capital of France?", "a", "b")
    with pytest.raises(GateError):
        sessions.dry(benchmarks=(str(tmp_path / "b.txt"),))


def test_a_benchmark_that_cannot_be_read(sessions, tmp_path):
    """Broken JSON is said with the name of the file."""
    (tmp_path / "b.jsonl").write_text("{", encoding="utf-8")
    pairs(sessions, 1)
    with pytest.raises(RecipeError, match=r"b\.jsonl cannot be read"):
        sessions.dry(benchmarks=(str(tmp_path / "b.jsonl"),))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("key sk-proj-abcdefghijklmnop1234", ["openai-key"]),
        ("write to ann@example.com", ["email"]),
        ("card 4111 1111 1111 1111 thanks", ["card"]),
        ("pay to DE89 3704 0044 0532 0130 00 now", ["iban"]),
        ("card 4111 1111 1111 1112", []),
        ("order 1234567890123456", []),
        ("DE00370400440532013000", []),
        ("the sk-learn docs, [REDACTED:email] and 2026-11-21 12:00", []),
    ],
)
def test_secrets(text, kinds):
    """Keys and addresses as redaction finds them, numbers with right check digits; placeholders are no secrets."""
    assert Secrets().kinds(text) == kinds


def test_ids_are_no_secrets(sessions):
    """A span id that happens to be the number of a card stops no export of calls; a card in a comment does."""
    card = "4111111111111111"
    span = sessions.call("Q", "A", span_id=card)
    sessions.say(span, True)
    assert sessions.dry(format="jsonl").rows == {"train": 1}
    sessions.say(span, True, name="other", comment=f"my card is {card}")
    with pytest.raises(GateError, match="secrets: 1 row with secrets: 1 card"):
        sessions.dry(format="jsonl")


def test_what_is_a_secret_is_a_setting(sessions, monkeypatch):
    """Rules that are switched off for redaction are off in the gate, and others stay on where nothing is redacted."""
    pair(sessions, 1, "Q", "ann@example.com", "call +44 20 7946 0958 now")
    monkeypatch.setenv("RLHF_OTEL_REDACT_RULES", "-email")
    monkeypatch.setenv("RLHF_OTEL_REDACT", "false")
    with pytest.raises(GateError, match="secrets: 1 row with secrets: 1 phone"):
        sessions.dry()


@pytest.mark.parametrize("place", ["prompt", "good", "bad"])
def test_a_secret_in_any_text_of_a_row_stops_the_export(sessions, place):
    """Also in the answer that nobody wants."""
    texts = {"question": "Q", "good": "a", "bad": "b"} | {{"prompt": "question"}.get(place, place): "ann@example.com"}
    pair(sessions, 1, **texts)
    with pytest.raises(GateError, match="secrets: 1 row with secrets: 1 email"):
        sessions.dry()


def test_length_bias_is_told(sessions):
    """Where the longer answer always wins, a classifier that knows the length alone has an AUC near 1."""
    for number in range(40):
        pair(sessions, number, prose(number), prose(number + 100, 60), prose(number + 200, 20))
    found = finding(sessions.dry(), "length")
    assert (found.status, found.facts["auc"], found.facts["longer_wins"]) == ("warned", 1.0, 1.0)


def test_noisy_and_biased_raters_are_named(sessions):
    """Among raters who mostly agree, one who draws lots and one who takes what is shown first stand out."""
    chance = random.Random(5)
    for number in range(80):
        sides = [sessions.call(prose(number), word, session=f"s{number}") for word in ("a", "b")]
        for rater in ("r1", "r2", "r3"):
            agrees = chance.random() < 0.95
            order = sides if agrees else sides[::-1]
            sessions.prefer(*order, rater=rater, position=chance.choice(("chosen", "rejected")))
        sessions.prefer(*(sides if chance.random() < 0.5 else sides[::-1]), rater="dice")
        order = sides if chance.random() < 0.5 else sides[::-1]
        sessions.prefer(*order, rater="first", position="chosen")
    outcome = sessions.dry()
    found = finding(outcome, "raters")
    assert found.status == "warned"
    from rlhf_otel.datasets.drafts import hashed

    assert set(found.facts["noisy"]) == {hashed("dice"), hashed("first")}
    assert set(found.facts["by_position"]) == {hashed("first")}


def test_doubtful_labels_are_listed(sessions):
    """A pair that another turns round, and one on which raters were divided, are to be looked at."""
    pair(sessions, 1, "Q", "a", "b")
    pair(sessions, 2, "Q", "b", "a")
    sides = [sessions.call("Q3", word, session="s3") for word in ("a", "b")]
    for rater, order in (("r1", sides), ("r2", sides), ("r3", sides[::-1])):
        sessions.prefer(*order, rater=rater)
    found = finding(sessions.dry(), "label-noise")
    assert (found.status, dict(found.facts)) == ("warned", {"divided": 1, "contradicting": 1})
    assert list(found.rows) == ["train:1", "train:2"]


def test_what_is_lopsided_is_told(sessions):
    """A model that has nearly all rows, and labels that are all the same."""
    for number in range(30):
        model = "rare" if number == 0 else "usual"
        sessions.say(sessions.call(prose(number), prose(number + 50), session=f"s{number}", response_model=model), True)
    found = finding(sessions.dry(format="kto"), "balance")
    assert found.says == "97% have model usual; every answer is good"
    assert found.facts["model"] == {"usual": 29, "rare": 1}


def test_outliers_are_found_and_enormous_rows_left_out(sessions):
    """A row far longer than the others is told; beyond the limit it is left out in any case."""
    pairs(sessions, 30)
    pair(sessions, 99, "Q", prose(7, 9000), "b")
    found = finding(sessions.dry(), "outliers")
    assert (found.status, found.facts["rows"], found.facts["over_1024_tokens"]) == ("warned", 1, 1)
    assert sessions.dry(drop=("outliers",)).rows == {"train": 30}
    assert sessions.dry(max_chars=20_000).funnel[3]["dropped"] == {"longer than 20,000 characters": 1}


def test_krippendorffs_worked_example():
    """The nominal and interval alphas of the four observers in Krippendorff's text: 0.743 and 0.849."""
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    for interval, value in ((False, 0.743), (True, 0.849)):
        alpha = Alpha(interval=interval)
        for unit in zip(*table, strict=True):
            alpha.add([rating for rating in unit if rating is not None])
        assert alpha.value() == pytest.approx(value, abs=0.0006)


def test_alpha_has_nothing_to_say_without_variation():
    """One rater, or raters who always say the same, give no alpha."""
    alpha = Alpha()
    alpha.add([1.0])
    alpha.add([1.0, 1.0])
    assert alpha.value() is None


@given(good=st.lists(st.integers(0, 9), min_size=1), bad=st.lists(st.integers(0, 9), min_size=1))
def test_the_area_under_the_curve_is_the_share_of_ordered_pairs(good, bad):
    """It equals the count over all pairs, with half for equal ones."""
    from collections import Counter

    wins = sum((g > b) + (g == b) / 2 for g in good for b in bad)
    assert auc(Counter(good), Counter(bad)) == pytest.approx(wins / (len(good) * len(bad)))


@given(one=st.text(), other=st.text())
def test_overlap_is_symmetric(one, other):
    """Whichever text comes first; a text overlaps itself wholly."""
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, one) == 1.0


def test_small_formulas():
    """Wilson's interval and the robust spread of known numbers."""
    from collections import Counter

    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)
    assert median_and_spread(Counter([1, 2, 3, 4, 100])) == (3.0, pytest.approx(1.4826))
