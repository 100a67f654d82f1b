"""Published preference data, replayed as calls with feedback, comes back as datasets equal to the source."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import Outcome, Recipe, make_dataset
from rlhf_otel.store import Store
from rlhf_otel.testing import FakeLLM, Reply
from tests.datasets.conftest import dropped, lines
from tests.real_data.convert import FOLDER, rows

EACH = int(os.environ.get("RLHF_OTEL_TEST_CONVERSATIONS", "25"))
pytestmark = pytest.mark.real_data
CONSENTS = ("train", "train", "train", "train", None, "train", "none", "eval")
"""Of one conversation after the other."""
APP = """
import json, sys
import openai
import rlhf_otel as rlhf
from rlhf_otel import feedback, hooks

hooks.strict = True
rlhf.instrument(store=sys.argv[2])
client = openai.OpenAI(max_retries=0)
for place, row in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))):
    made = []
    with rlhf.context(session=f"s-{place}", consent=row["consent"]):
        for _ in row["answers"]:
            answer = client.chat.completions.create(model="replayed", messages=row["messages"])
            made.append(rlhf.handle(answer))
    for better, worse, rater, margin in row["votes"]:
        feedback.prefer(chosen=made[better], rejected=made[worse], rater=rater, margin=margin)
    for answer, text in row["corrections"]:
        feedback.correct(made[answer], text, rater="annotator")
    for answer, rating, rater in row["ratings"]:
        feedback.record(made[answer], rating, scale=(1, 4), rater=rater)
assert rlhf.flush(timeout=60)
"""
RATINGS = {"Bad": 1, "Could be Improved": 2, "Acceptable": 3, "Excellent": 4}
Row = dict[str, Any]


def conversation(messages: list[Row], answers: list[str], **said: Any) -> Row:
    """One prompt with its answers; votes are better, worse, rater and margin, which is 0 for a tie."""
    return {"messages": messages, "answers": answers, "votes": [], "corrections": [], "ratings": [], **said}


def user(text: str) -> list[Row]:
    """A single question."""
    return [{"role": "user", "content": text}]


def pandalm(row: Row) -> Row:
    """Three votes on two answers."""
    prompt = f"{row['prompt']}\n\n{row['input']}" if row["input"] else row["prompt"]
    sides = {"a": (0, 1, None), "b": (1, 0, None), "tie": (0, 1, 0)}
    votes = [(*sides[vote][:2], f"r{n}", sides[vote][2]) for n, vote in enumerate(row["votes"])]
    return conversation(user(prompt), [row["a"], row["b"]], votes=votes)


def llmbar(row: Row) -> Row:
    """One right side."""
    sides = (0, 1) if row["gold"] in ("a", 1) else (1, 0)
    return conversation(user(row["prompt"]), [row["a"], row["b"]], votes=[(*sides, "gold", None)])


def hh(row: Row) -> Row:
    """A dialogue of several turns."""
    turns = re.split(r"(?:^|\n\n)(Human|Assistant): ?", row["prompt"])[1:]
    roles = {"Human": "user", "Assistant": "assistant"}
    messages = [{"role": roles[who], "content": said} for who, said in zip(turns[::2], turns[1::2], strict=True)]
    return conversation(messages, [row["chosen"], row["rejected"]], votes=[(0, 1, "crowd", None)])


def finegrained(row: Row) -> Row:
    """Four answers, six comparisons with ties, and a correction of the first."""
    passages = "\n\n".join("".join(passage) for passage in row["passages"])
    votes = [
        (*((one, other) if winner != 2 else (other, one)), "annotator", None if winner else 0)
        for (one, other), winner in zip(combinations(range(4), 2), row["preference"], strict=True)
    ]
    messages = [{"role": "system", "content": passages}, *user(row["question"])]
    corrections = [(0, row["corrected"])] if row.get("corrected") else []
    return conversation(messages, row["outputs"], votes=votes, corrections=corrections)


def ukp(row: Row, texts: dict[str, str]) -> Row:
    """Five votes of a crowd, with ties."""
    sides = {"a": (0, 1, None), "b": (1, 0, None), "tie": (0, 1, 0)}
    latest = {worker: vote for worker, vote, *_ in row["votes"]}
    votes = [(*sides[vote][:2], worker, sides[vote][2]) for worker, vote in latest.items()]
    return conversation(user(row["prompt"]), [texts[row["a_id"]], texts[row["b_id"]]], votes=votes)


def feedbackqa(row: Row) -> Row:
    """Two or three ratings of one answer."""
    ratings = [(0, RATINGS[rating], f"r{n}") for n, rating in enumerate(row["ratings"])]
    return conversation(user(row["question"]), [row["answer"]], ratings=ratings)


def conversations() -> list[Row]:
    """Some of every file, each with what its user consents to."""
    texts = {row["id"]: row["text"] for row in rows(FOLDER / "ukp_convincing_texts.dev.jsonl.gz")}
    files = {
        "pandalm_human": pandalm, "llmbar": llmbar, "hh_harmless": hh, "finegrained_qa_feedback": finegrained,
        "feedbackqa_satisfaction": feedbackqa, "ukp_convincing_pairs": lambda row: ukp(row, texts),
    }  # fmt: skip
    made = []
    for name, convert in files.items():
        converted = map(convert, rows(FOLDER / f"{name}.dev.jsonl.gz"))
        whole = (row for row in converted if all(row["answers"]) and all(m["content"] for m in row["messages"]))
        made += islice(whole, EACH)
    return [{**row, "consent": CONSENTS[place % len(CONSENTS)]} for place, row in enumerate(made)]


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """The conversations, and the store in which an application left them; the file that it replayed is gone."""
    folder = tmp_path_factory.mktemp("replayed")
    made = conversations()
    plan, store = folder / "plan.json", folder / "store.db"
    plan.write_text(json.dumps(made), encoding="utf-8")
    replies = [Reply(text=answer) for row in made for answer in row["answers"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "RLHF_OTEL_"))}
    with FakeLLM(*replies) as llm:
        environ = {**kept, "OPENAI_BASE_URL": llm.openai_url, "OPENAI_API_KEY": "none", "RLHF_OTEL_REDACT": "false"}
        command = [sys.executable, "-c", APP, str(plan), str(store)]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    plan.unlink()
    return made, store


def expected_pairs(made: list[Row]) -> tuple[set[str], Counter[str]]:
    """The pairs that a strict majority decides, as JSON, and what is no pair; by the source alone."""
    pairs, others = set(), Counter()
    for row in made:
        by_sides: dict[tuple[int, int], list[int]] = {}
        for better, worse, _, margin in row["votes"]:
            sides = (min(better, worse), max(better, worse))
            by_sides.setdefault(sides, []).append(0 if margin == 0 else 1 if better == sides[0] else -1)
        if row["consent"] != "train":
            others["held back"] += len(row["answers"])
            continue
        for (one, other), votes in by_sides.items():
            texts = row["answers"][one], row["answers"][other]
            if texts[0] == texts[1]:
                others["same"] += len(votes)
            elif 2 * votes.count(1) > len(votes):
                pairs.add(as_json(row["messages"], *texts))
            elif 2 * votes.count(-1) > len(votes):
                pairs.add(as_json(row["messages"], *reversed(texts)))
            else:
                others["undecided"] += 1
        for answer, text in row["corrections"]:
            if text != row["answers"][answer]:
                pairs.add(as_json(row["messages"], text, row["answers"][answer]))
    return pairs, others


def as_json(messages: list[Row], chosen: str, rejected: str) -> str:
    """A row, to be found in a set."""
    return json.dumps([messages, chosen, rejected])


def export(store: Path, out: Path, **choices: Any) -> Outcome:
    """A dataset of the store alone; addresses in the published texts do not stop it."""
    recipe = Recipe(override=("secrets",), near_duplicates=False, **choices)
    with Store.open(store, read_only=True) as opened:
        return make_dataset(read(opened, recipe), recipe, out)


def test_preference_pairs_are_those_of_the_source(replayed, tmp_path):
    """Every prompt, chosen and rejected answer, row by row; ties, conflicts and refused consent are no rows."""
    made, store = replayed
    outcome = export(store, tmp_path / "pairs")
    pairs, others = expected_pairs(made)
    found = [
        as_json(row["prompt"], row["chosen"][0]["content"], row["rejected"][0]["content"])
        for row in lines(tmp_path / "pairs" / "train.jsonl")
    ]
    assert len(found) == len(set(found)) == len(pairs)
    assert set(found) == pairs
    left_out = dropped(outcome)
    assert left_out.get("a tie", 0) + left_out.get("raters disagree", 0) == others["undecided"]
    consents = ("no consent is known", "consent was refused", "consent is for evaluation alone")
    assert sum(left_out[reason] for reason in consents) == others["held back"]
    assert left_out.get("the answers are the same", 0) == others["same"]


def test_ratings_are_those_of_the_source(replayed, tmp_path):
    """Answers with a high mean rating are imitated, those that most raters find bad are labelled so."""
    made, store = replayed
    rated = [row for row in made if row["ratings"] and row["consent"] == "train"]
    means = [(row["answers"][0], sum(r for _, r, _ in row["ratings"]) / len(row["ratings"])) for row in rated]
    export(store, tmp_path / "sft", format="sft", use=("ratings",))
    found = {row["completion"][0]["content"] for row in lines(tmp_path / "sft" / "train.jsonl")}
    assert found == {answer for answer, mean in means if (mean - 1) / 3 >= 0.8 - 1e-9}
    export(store, tmp_path / "kto", format="kto", use=("ratings",))
    labels = {(row["completion"][0]["content"], row["label"]) for row in lines(tmp_path / "kto" / "train.jsonl")}
    expected = set()
    for row in rated:
        given = [rating for _, rating, _ in row["ratings"]]
        for label, rating in ((True, 4), (False, 1)):
            if 2 * given.count(rating) > len(given):
                expected.add((row["answers"][0], label))
    assert labels == expected
