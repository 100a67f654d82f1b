"""Replays a file of conversations through real client libraries, and finds every word of it again in the store."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rlhf_otel.cli.demo import command
from rlhf_otel.cli.demo.conversations import Conversation, read

if TYPE_CHECKING:
    from rlhf_otel.records import Feedback, Interaction

Calls = list[list["Interaction"]]
"""For each conversation the calls that made its answers."""


def replay(path: Path, store: str) -> int:
    """Asks, records, rates and compares.

    Returns:
        0 if everything was found again exactly, 1 otherwise.
    """
    conversations = list(read(path))
    answers = [answer for conversation in conversations for answer in conversation.answers]
    started_ns = time.time_ns()
    ask(conversations, answers, store)
    with command.reading_since(store, started_ns) as recorded:
        calls = by_conversation(conversations, recorded)
    command.heading("The feedback of the file is attached by span id")
    attach(conversations, calls, store)
    command.heading("What was recorded is compared with the file")
    found = compare(conversations, calls, store)
    for what, (right, total) in found.items():
        click.echo(f"  {what:<12} {right:>6} of {total} found again exactly")
    return 0 if all(right == total for right, total in found.values()) else 1


def ask(conversations: Sequence[Conversation], answers: Sequence[str], store: str) -> None:
    """Runs the replaying application against a model that knows the answers in their order."""
    from rlhf_otel.testing import FakeLLM, Reply

    replies = [Reply(text=answer, id=f"replay-{place}") for place, answer in enumerate(answers)]
    with tempfile.TemporaryDirectory() as folder, FakeLLM(*replies) as llm:
        questions = Path(folder) / "questions.jsonl"
        rows = ({"messages": list(c.messages), "answers": len(c.answers)} for c in conversations)
        questions.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        # The file is the user's own and stays on this machine; redaction would change what is to be found again.
        command.run_application(
            "replay.py", store, command.environment_of(llm), options=["--no-redact"], arguments=[str(questions)]
        )


def by_conversation(conversations: Sequence[Conversation], recorded: Sequence[Interaction]) -> Calls:
    """The recorded calls by the conversation that they belong to, found by the ids of their responses.

    Raises:
        click.ClickException: calls are missing.
    """
    known = {call.response_id: call for call in recorded}
    places = iter(range(sum(len(c.answers) for c in conversations)))
    try:
        return [[known[f"replay-{next(places)}"] for _ in c.answers] for c in conversations]
    except KeyError as error:
        raise click.ClickException(f"{len(known)} calls were recorded and {error} is not among them") from None


def attach(conversations: Sequence[Conversation], calls: Calls, store: str) -> None:
    """Gives every piece of feedback of the file to the call that it is about."""
    from rlhf_otel import feedback

    with command.recording(store, redact=False):
        for place, (conversation, made) in enumerate(zip(conversations, calls, strict=True)):
            for number, given in enumerate(conversation.feedback):
                fields = dict(given)
                answer = made[fields.pop("answer", 0)]
                fields.setdefault("id", f"replay-{made[0].span_id}-{place}-{number}")
                if "scale" in fields:
                    fields["scale"] = tuple(fields["scale"])
                if (correction := fields.pop("correction", None)) is not None:
                    feedback.correct(answer.span_id, correction, **fields)
                else:
                    feedback.record(answer.span_id, fields.pop("value", None), **fields)
            for given in conversation.preferences:
                fields = dict(given)
                sides = {side: made[fields.pop(side)].span_id for side in ("chosen", "rejected")}
                feedback.prefer(**sides, **fields)


def compare(conversations: Sequence[Conversation], calls: Calls, store: str) -> dict[str, tuple[int, int]]:
    """How many prompts, answers, ratings and preferences are in the store exactly as in the file."""
    from rlhf_otel.store import Store

    right: dict[str, int] = dict.fromkeys(("prompts", "answers", "feedback", "preferences"), 0)
    total = dict(right)
    with Store.open(store, read_only=True) as opened:
        for conversation, made in zip(conversations, calls, strict=True):
            for call, answer in zip(made, conversation.answers, strict=True):
                tally(right, total, "prompts", _asked(call) == _expected(conversation.messages))
                tally(right, total, "answers", _said(call) == answer)
            feedback = [f for call in made for f in opened.history(call)]
            for given in conversation.feedback:
                call = made[given.get("answer", 0)]
                tally(right, total, "feedback", any(_is(f, given) and f.span_id == call.span_id for f in feedback))
            for given in conversation.preferences:
                ids = (made[given["chosen"]].span_id, made[given["rejected"]].span_id)
                tally(right, total, "preferences", any((f.chosen, f.rejected) == ids for f in feedback))
    return {what: (right[what], total[what]) for what in right}


def tally(right: dict[str, int], total: dict[str, int], what: str, is_right: bool) -> None:
    """Counts one comparison."""
    total[what] += 1
    right[what] += is_right


def _expected(messages: Sequence[Any]) -> list[tuple[str, str]]:
    return [(m["role"], m["content"]) for m in messages]


def _asked(call: Interaction) -> list[tuple[str, str]]:
    """Roles and texts of what was asked; a system prompt that went beside the messages comes first, as it was."""
    system = [("system", part["content"]) for part in call.system or ()]
    return system + [(m["role"], "".join(part["content"] for part in m["parts"])) for m in call.input or ()]


def _said(call: Interaction) -> str:
    return "".join(part["content"] for message in call.output or () for part in message["parts"])


def _is(feedback: Feedback, given: Any) -> bool:
    """Whether a stored feedback is what the file says."""
    fields = ("comment", "correction", "rater", "value")
    same = all(getattr(feedback, name) == given.get(name) for name in fields)
    return same and (feedback.scale is None or list(feedback.scale) == list(given["scale"]))
