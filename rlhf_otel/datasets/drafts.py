"""Rows before the gates have seen them, each with what it rests on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from rlhf_otel import codec
from rlhf_otel.datasets import chat
from rlhf_otel.datasets.answers import Answer, Prompt
from rlhf_otel.datasets.chat import ChatMessage
from rlhf_otel.datasets.funnel import Funnel
from rlhf_otel.datasets.lines import json_line
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.datasets.shelf import Shelf

ROWS = "rows"
"""The stage of the funnel at which rows are made and may be left out again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One row in no format yet.

    Attributes:
        prompt: what was asked.
        answer: the answer that is learned from, in a pair the better one.
        worse: the other answer of a pair.
        label: whether the answer is a good one, where rows say so.
        margin: how much better the better one is.
        steps: the answer step by step, with the verdict on each.
        rule: what the row was made by.
        spans: the answers that it was made from, the better one first.
        feedback: the ids of the feedback that it rests on.
        raters: who gave that.
        facts: anything else that lineage tells.
        about: model, variant and context of the answer.
        conversation: where it comes from.
        start_ns: when the call of the answer began.
    """

    prompt: Prompt
    answer: ChatMessage
    rule: str
    spans: Sequence[str]
    feedback: Sequence[str]
    raters: Sequence[str]
    about: Mapping[str, Any]
    conversation: bytes
    start_ns: int
    worse: ChatMessage | None = None
    label: bool | None = None
    margin: float | None = None
    steps: Sequence[tuple[str, bool]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """Prompt, answer and, of a pair, the worse answer, as text."""
        said = [self.answer] if self.worse is None else [self.answer, self.worse]
        return [chat.prompt_as_text(self.prompt.messages), *map(chat.plain_text, said)]

    def lineage(self) -> dict[str, Any]:
        """What the row rests on. Raters are named by a hash: whoever knows an id can find it, and nobody else."""
        return {
            "rule": self.rule,
            "spans": list(self.spans),
            "feedback": sorted(self.feedback),
            "raters": sorted(map(hashed, self.raters)),
            **self.facts,
            "conversation": self.conversation.hex(),
            "about": {key: value for key, value in self.about.items() if key != "session"},
        }


def of_answer(answer: Answer, prompt: Prompt, *, message: ChatMessage | None = None, **fields: Any) -> Draft:
    """The draft that is about `answer`.

    Args:
        answer: where it comes from.
        prompt: what was asked.
        message: what is learned from, where it is not the answer itself.
        fields: the fields that `answer` does not tell.
    """
    usual: dict[str, Any] = {
        "answer": message or answer.message,
        "spans": [answer.name],
        "about": answer.about,
        "conversation": answer.conversation,
        "start_ns": answer.start_ns,
    }
    return Draft(prompt=prompt, **{**usual, **fields})


def hashed(rater: str) -> str:
    """The short name of a rater."""
    return blake2b(codec.whole(rater).encode(), digest_size=8).hexdigest()


def keep(shelf: Shelf, drafts: Iterable[Draft], recipe: Recipe, funnel: Funnel) -> None:
    """Puts drafts on the shelf, as rows of the recipe's format; what is there already counts as a duplicate."""
    from rlhf_otel.datasets.formats import row_of

    for draft in drafts:
        texts = [codec.whole(text) for text in draft.texts()]
        if sum(map(len, texts)) > recipe.max_chars:
            funnel.dropped(ROWS, f"longer than {recipe.max_chars:,} characters")
            continue
        body = json_line(row_of(draft, recipe))
        digest = blake2b(body.encode(), digest_size=16).digest()
        row = (
            body, json_line(draft.lineage()), json.dumps(texts), json.dumps(draft.label), digest,
            draft.conversation, prompt_name(texts[0]), draft.start_ns,
        )  # fmt: skip
        if shelf.db.execute(_ADD, row).rowcount:
            funnel.passed(ROWS)
        else:
            funnel.dropped(ROWS, "the same as another row")


_ADD = """INSERT OR IGNORE INTO draft (body, lineage, texts, label, digest, conversation, prompt, start_ns)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""


def prompt_name(text: str) -> bytes:
    """Names a prompt by its text, without what makes no difference to a reader."""
    return chat.digest(" ".join(text.lower().split()))
