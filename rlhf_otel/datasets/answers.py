"""Answers as the rules see them: one choice of one call, what it was asked, and what was said of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rlhf_otel import semconv
from rlhf_otel.datasets import chat
from rlhf_otel.datasets.chat import ChatMessage, UnusableError
from rlhf_otel.datasets.recipe import Recipe
from rlhf_otel.records import Feedback, Interaction
from rlhf_otel.steps import steps_of

_TUPLES: Final = ("scale", "range", "ranking")
_STOPPED: Final = ("abandoned", "cancelled", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that rows may be made of.

    Attributes:
        span_id: of its call.
        trace_id: of its call.
        choice: which of several choices it is, from 0.
        start_ns: when its call began.
        conversation: names the conversation: the session, or where none is known the trace.
        prompt: names the whole prompt, history and tools included.
        message: the answer itself.
        about: model, variant, service, session and context of the call.
        steps: the answer step by step, where the format is about steps.
        opinions: the feedback that counts on it and is not about several answers.
        stands_for: how many calls that were made, where only a share of them is kept.
    """

    span_id: str
    trace_id: str
    choice: int
    start_ns: int
    conversation: bytes
    prompt: bytes
    message: ChatMessage
    about: Mapping[str, Any]
    steps: Sequence[str] = ()
    opinions: Sequence[Feedback] = ()
    stands_for: float = 1.0

    @property
    def name(self) -> str:
        """What lineage calls it: the span id, with the choice where it is not the first."""
        return self.span_id if not self.choice else f"{self.span_id}#{self.choice}"


@dataclass(frozen=True, slots=True)
class Prompt:
    """What was asked: the messages, the definitions of tools, and the name of both."""

    messages: Sequence[ChatMessage]
    tools: Sequence[Mapping[str, Any]]
    digest: bytes


def conversation_of(interaction: Interaction) -> bytes:
    """Names the conversation; without a session a call is alone with the others of its trace."""
    if interaction.session:
        return chat.digest(["session", interaction.session])
    return chat.digest(["trace", interaction.trace_id or interaction.span_id])


def prompt_of(interaction: Interaction, recipe: Recipe) -> Prompt:
    """What a call was asked.

    Raises:
        UnusableError: no row can be made of it.
    """
    messages = chat.prompt_messages(interaction, system=recipe.system == "keep", reasoning=recipe.kept_reasoning)
    tools = list(interaction.tools or ()) if recipe.tools == "keep" else []
    return Prompt(messages, tools, chat.digest([messages, tools]))


def answers_of(
    interaction: Interaction, prompt: Prompt, opinions: Sequence[Feedback], recipe: Recipe, stands_for: float = 1.0
) -> tuple[list[Answer], int]:
    """The answers of a call with the opinions on each, and how many opinions do not say which of several they mean.

    Raises:
        UnusableError: no row can be made of it.
    """
    check_complete(interaction, recipe)
    messages = chat.answers(interaction, reasoning=recipe.kept_reasoning)
    about = about_call(interaction)
    steps = [step.content for step in steps_of(interaction)] if recipe.format == "prm" else []
    made = [
        Answer(
            span_id=interaction.span_id,
            trace_id=interaction.trace_id,
            choice=choice,
            start_ns=interaction.start_ns,
            conversation=conversation_of(interaction),
            prompt=prompt.digest,
            message=message,
            about=about,
            steps=steps if not choice else (),
            opinions=[f for f in opinions if len(messages) == 1 or f.metadata.get("choice") == choice],
            stands_for=stands_for,
        )
        for choice, message in enumerate(messages)
    ]
    return made, len(opinions) - len({f.id for answer in made for f in answer.opinions})


def check_complete(interaction: Interaction, recipe: Recipe) -> None:
    """Refuses answers that are not whole: nobody wants a model to learn to stop in mid-sentence.

    Raises:
        UnusableError: the call failed, its stream was left, or the answer ran into the token limit.
    """
    if interaction.operation == "embeddings":
        raise UnusableError("the call has no answer in words")
    if interaction.error_type is not None or interaction.status == "error":
        raise UnusableError("the call failed")
    reasons = {message.get("finish_reason") for message in interaction.output or () if isinstance(message, Mapping)}
    if not recipe.incomplete and (interaction.stream_end in _STOPPED or "length" in reasons):
        raise UnusableError("the answer is incomplete")


def about_call(interaction: Interaction) -> dict[str, Any]:
    """What rows can be balanced and told apart by."""
    service = interaction.resource.get(semconv.SERVICE_NAME)
    about = {
        "model": interaction.response_model or interaction.request_model,
        "variant": interaction.variant,
        "session": interaction.session,
        "service": service if isinstance(service, str) else None,
        **{f"context.{key}": value for key, value in interaction.context.items()},
    }
    return {key: value for key, value in about.items() if value is not None}


def pack_feedback(given: Iterable[Feedback]) -> str:
    """Feedback as JSON, from which `unpack_feedback` makes it again."""
    return json.dumps([_changed(feedback) for feedback in given], separators=(",", ":"), default=str)


def unpack_feedback(packed: str) -> list[Feedback]:
    """What `pack_feedback` was given."""
    made = []
    for fields in json.loads(packed):
        tuples = {name: tuple(fields[name]) for name in _TUPLES if fields.get(name) is not None}
        made.append(Feedback(**{**fields, **tuples}))
    return made


def _changed(feedback: Feedback) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    given = ((field, getattr(feedback, field.name)) for field in dataclasses.fields(Feedback))
    return {field.name: value for field, value in given if value not in (field.default, {}, ())}
