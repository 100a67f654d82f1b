"""Recorded sessions, made in a few words, and the datasets that come of them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rlhf_otel.cli.recipe_options import read
from rlhf_otel.datasets import Outcome, Recipe, make_dataset
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.store import Store

START = 1_790_000_000_000_000_000
SECOND = 10**9


def text(role: str, content: str, **more: Any) -> Any:
    """A message of one text."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


@dataclass
class Made:
    """A dataset, read back from its files."""

    outcome: Outcome
    path: Path

    @property
    def rows(self) -> list[Any]:
        """The rows to train on."""
        return self.split("train")

    def split(self, name: str) -> list[Any]:
        """The rows of one file."""
        return lines(self.path / f"{name}.jsonl")

    @property
    def lineage(self) -> list[Any]:
        """What the rows rest on."""
        return lines(self.path / "lineage.jsonl")

    @property
    def pairs(self) -> list[tuple[str, str, str]]:
        """Prompt, better and worse answer, of a conversational preference dataset with single questions."""
        return [tuple(row[name][-1]["content"] for name in ("prompt", "chosen", "rejected")) for row in self.rows]

    @property
    def dropped(self) -> dict[str, int]:
        """Everything that was left out anywhere, by reason."""
        return dropped(self.outcome)

    def finding(self, gate: str) -> Any:
        """What one gate found."""
        return finding(self.outcome, gate)


def dropped(outcome: Outcome) -> dict[str, int]:
    """Everything that was left out anywhere, by reason."""
    return {reason: count for stage in outcome.funnel for reason, count in stage["dropped"].items()}


def finding(outcome: Outcome, gate: str) -> Any:
    """What one gate found."""
    return next(each for each in outcome.findings if each.gate == gate)


def lines(path: Path) -> list[Any]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass
class Sessions:
    """What an application recorded; calls and feedback get their times in the order in which they are told."""

    folder: Path
    calls: list[Interaction] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    made: int = 0

    def call(self, prompt: Any = "Q", answer: Any = "A", session: str | None = "s1", **fields: Any) -> str:
        """A call with one question, or a list of messages, and its answer; returns its span id."""
        number = len(self.calls) + 1
        start = START + number * SECOND
        usual = {
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "start_ns": start,
            "end_ns": start + SECOND // 2,
            "operation": "chat",
            "provider": "openai",
            "request_model": "m",
            "input": [text("user", prompt)] if isinstance(prompt, str) else prompt,
            "output": [text("assistant", answer, finish_reason="stop")] if isinstance(answer, str) else answer,
            "session": session,
            "consent": "train",
        }
        self.calls.append(Interaction(**{**usual, **fields}))
        return self.calls[-1].span_id

    def say(self, span_id: str | None = None, value: Any = None, **fields: Any) -> str:
        """Feedback, a thumb unless said otherwise; returns its id."""
        number = len(self.feedback) + 1
        kinds = {bool: "binary", int: "rating", float: "score"}
        usual = {
            "id": f"f{number}",
            "name": "user_feedback",
            "kind": kinds.get(type(value), "comment"),
            "time_ns": START + 10**6 * SECOND + number,
            "span_id": span_id or "",
            "value": value,
            "scale": (1.0, 5.0) if type(value) is int else None,
        }
        self.feedback.append(Feedback(**{**usual, **fields}))
        return self.feedback[-1].id

    def prefer(self, chosen: str, rejected: str, **fields: Any) -> str:
        """One answer over another."""
        usual = {"kind": "preference", "name": "preference", "chosen": chosen, "rejected": rejected}
        return self.say(chosen, **{**usual, **fields})

    def rank(self, *spans: str, **fields: Any) -> str:
        """An order of answers."""
        return self.say(spans[0], **{"kind": "ranking", "name": "ranking", "ranking": spans, **fields})

    def correct(self, span_id: str, correction: str, **fields: Any) -> str:
        """What should have been said."""
        return self.say(span_id, **{"kind": "correction", "name": "correction", "correction": correction, **fields})

    def signal(self, span_id: str, word: str, value: float = 0.2, **fields: Any) -> str:
        """What somebody did."""
        return self.say(span_id, value, **{"kind": "signal", "name": word, "signal": word, **fields})

    def store(self) -> Path:
        """A store with everything that was told until now."""
        self.made += 1
        path = self.folder / f"store-{self.made}.db"
        with Store.open(path) as opened:
            opened.add(self.calls, self.feedback)
        return path

    def dry(self, **choices: Any) -> Outcome:
        """What would come of it."""
        recipe = Recipe(**choices)
        with Store.open(self.store(), read_only=True) as opened:
            return make_dataset(read(opened, recipe), recipe)

    def export(self, **choices: Any) -> Made:
        """The dataset that comes of it."""
        recipe = Recipe(**choices)
        path = self.store()
        out = self.folder / f"dataset-{self.made}"
        with Store.open(path, read_only=True) as opened:
            return Made(make_dataset(read(opened, recipe), recipe, out), out)


@pytest.fixture
def sessions(tmp_path: Path) -> Sessions:
    """Nothing recorded yet."""
    return Sessions(tmp_path)
