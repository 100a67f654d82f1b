"""Topics among prompts, by scikit-learn."""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest

if not os.environ.get("RLHF_OTEL_TEST_LIBRARIES"):
    pytest.importorskip("sklearn")

from rlhf_otel.datasets.topics import Topics
from tests.datasets.conftest import Sessions

ABOUT = {
    "cooking": ["oven", "butter", "flour", "recipe", "bake", "bread", "sauce", "onion", "simmer", "dough"],
    "money": ["invoice", "refund", "payment", "card", "billing", "charge", "receipt", "subscription", "tax", "account"],
    "travel": ["flight", "hotel", "train", "airport", "luggage", "passport", "ticket", "island", "beach", "museum"],
}
COUNTS = {"cooking": 24, "money": 12, "travel": 6}


@pytest.fixture
def asked(tmp_path):
    """Preferences on prompts about three things, some of which come up more often than others."""
    chance, made = random.Random(3), Sessions(tmp_path)
    for about, count in COUNTS.items():
        for number in range(count):
            question = f"Please tell me about {' '.join(chance.sample(ABOUT[about], 5))}"
            sides = [made.call(question, answer, f"{about}{number}") for answer in ("good", "bad")]
            made.prefer(*sides)
    return made


def test_topics_are_found_and_named(asked):
    """Each planted topic is one, by words of its own, in lineage and in the gate that counts."""
    made = asked.export(topics=3, near_duplicates=False)
    found = Counter(row["about"]["topic"] for row in made.lineage)
    assert sorted(found.values()) == sorted(COUNTS.values())
    for topic in found:
        assert any(set(topic.split()) <= set(words) for words in ABOUT.values()), topic
    assert made.finding("balance").facts["topic"] == dict(found.most_common())


def test_rows_are_balanced_by_topic(asked):
    """As many rows of each topic as of the rarest; made again, the same to the byte."""
    made, again = (asked.export(topics=3, balance="topic", near_duplicates=False) for _ in range(2))
    assert set(Counter(row["about"]["topic"] for row in made.lineage).values()) == {6}
    assert (made.path / "lineage.jsonl").read_bytes() == (again.path / "lineage.jsonl").read_bytes()


@pytest.mark.parametrize("prompts", [[], ["one"], ["", ""], ["same words here"] * 5])
def test_too_little_to_learn_from(prompts):
    """Where prompts have nothing to tell them apart by, they have no topic, or one."""
    found = dict(Topics(prompts, 5).of(enumerate(prompts)))
    assert len(set(found.values())) <= 1
