"""Turns published preference data into the conversations that `rlhf-otel demo --data` replays."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from itertools import combinations, islice
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "shared" / "data"
"""Beside the checkout; not everybody has it."""
Row = dict[str, Any]
RATINGS = {"Bad": 1, "Could be Improved": 2, "Acceptable": 3, "Excellent": 4}


def rows(path: Path) -> Iterator[Row]:
    """The rows of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def pandalm(row: Row) -> Row:
    """Two answers to one instruction, and what three people thought of the pair."""
    prompt = f"{row['prompt']}\n\n{row['input']}" if row["input"] else row["prompt"]
    sides = {"a": {"chosen": 0, "rejected": 1}, "b": {"chosen": 1, "rejected": 0}}
    votes = [{**sides[vote], "rater": f"r{n}"} for n, vote in enumerate(row["votes"]) if vote in sides]
    ties = [
        {"value": "tie", "rater": f"r{n}", "name": "comparison"} for n, v in enumerate(row["votes"]) if v not in sides
    ]
    return {"prompt": prompt, "responses": [row["a"], row["b"]], "preferences": votes, "feedback": ties}


def finegrained(row: Row) -> Row:
    """Four answers to one question, six comparisons, and the answer that a person wrote instead of the first."""
    passages = "\n\n".join("".join(passage) for passage in row["passages"])
    pairs = [pair for pair in zip(combinations(range(4), 2), row["preference"], strict=False) if pair[1] in (1, 2)]
    preferences = [
        {"chosen": sides[winner - 1], "rejected": sides[2 - winner], "rater": "annotator"} for sides, winner in pairs
    ]
    corrected = row.get("corrected")
    feedback = [{"correction": corrected, "rater": "annotator"}] if corrected else []
    system = [{"role": "system", "content": passages}] if passages else []
    return {
        "messages": [*system, {"role": "user", "content": row["question"]}],
        "responses": row["outputs"],
        "preferences": preferences,
        "feedback": feedback,
    }


def feedbackqa(row: Row) -> Row:
    """One answer, rated by two or three people who say why."""
    reasons = zip(row["ratings"], row["feedback"], strict=False)
    given = [
        {"value": RATINGS[rating], "scale": [1, 4], "comment": reason, "rater": f"r{number}"}
        for number, (rating, reason) in enumerate(reasons)
    ]
    return {"prompt": row["question"], "response": row["answer"], "feedback": given}


def conversations(folder: Path, each: int) -> list[Row]:
    """The first `each` conversations of every file; those without a question or an answer are left out."""
    files = {"pandalm_human": pandalm, "finegrained_qa_feedback": finegrained, "feedbackqa_satisfaction": feedbackqa}
    made: list[Row] = []
    for name, convert in files.items():
        converted = map(convert, rows(folder / f"{name}.dev.jsonl.gz"))
        made += islice(filter(is_whole, converted), each)
    return made


def is_whole(row: Row) -> bool:
    """Whether there is a question, and every answer says something."""
    answers: Iterable[str] = row.get("responses") or [row.get("response", "")]
    return all(answers) and bool(row.get("prompt") or row.get("messages"))
