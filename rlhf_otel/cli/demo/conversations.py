"""Reads conversations with their answers and feedback from JSONL, in the few shapes that people have them in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

SHAPES = """one JSON object with
  the question   as `prompt`, or as `messages`: a list of {"role", "content"}
  the answer     as `response`, `responses`, `chosen` and `rejected`, or the last
                 of the messages
and, where you have them,
  `feedback`     a list of {"value", "scale", "name", "comment", "correction",
                 "rater", "answer"}
  `preferences`  a list of {"chosen", "rejected", "rater"}
where `answer`, `chosen` and `rejected` name an answer by its place in `responses`"""


@dataclass(frozen=True)
class Conversation:
    """One line: what is asked, what is answered (each answer is one call), and what people thought."""

    messages: Sequence[Mapping[str, str]]
    answers: Sequence[str]
    feedback: Sequence[Mapping[str, Any]]
    preferences: Sequence[Mapping[str, Any]]


def read(path: Path) -> Iterator[Conversation]:
    """The conversations of a file.

    Raises:
        click.ClickException: a line is none of the shapes; the message names it.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield _conversation(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise click.ClickException(f"{path.name}, line {number}: {error}. A line is {SHAPES}") from None


def _conversation(row: Mapping[str, Any]) -> Conversation:
    messages, answers = _messages(row), _answers(row)
    if not answers and messages and messages[-1]["role"] == "assistant":
        answers, messages = [str(messages[-1]["content"])], messages[:-1]
    if not messages or not answers:
        raise ValueError("there is no question or no answer in it")
    preferences = list(row.get("preferences", ()))
    if "chosen" in row and "rejected" in row:
        preferences.append({"chosen": 0, "rejected": 1})
    return Conversation(messages, answers, list(row.get("feedback", ())), preferences)


def _messages(row: Mapping[str, Any]) -> list[dict[str, str]]:
    given = row["messages"] if "messages" in row else row.get("prompt", "")
    if isinstance(given, str):
        return [{"role": "user", "content": given}] if given else []
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in given]


def _answers(row: Mapping[str, Any]) -> list[str]:
    if "chosen" in row and "rejected" in row:
        return [_text(row["chosen"]), _text(row["rejected"])]
    if "responses" in row:
        return [_text(answer) for answer in row["responses"]]
    return [_text(row[name]) for name in ("response", "completion", "answer") if row.get(name)][:1]


def _text(answer: Any) -> str:
    """An answer as text, or as the one message that trainers write it as."""
    return str(answer[-1]["content"]) if isinstance(answer, list) else str(answer)
