"""Drafts as rows: the column names and shapes that trainers and hosted services load as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rlhf_otel import codec
from rlhf_otel.datasets import chat
from rlhf_otel.datasets.chat import ChatMessage
from rlhf_otel.datasets.drafts import Draft
from rlhf_otel.datasets.recipe import Recipe

Row = dict[str, Any]


def row_of(draft: Draft, recipe: Recipe) -> Row:
    """The row of `draft` in the recipe's format."""
    return _FORMATS[recipe.format](draft, recipe)


def _dpo(draft: Draft, recipe: Recipe) -> Row:
    """TRL's preference type, with an explicit prompt."""
    return _trl(draft, recipe, chosen=draft.answer, rejected=draft.worse)


def _reward(draft: Draft, recipe: Recipe) -> Row:
    """The same with the margin by which the better answer should win."""
    row = _dpo(draft, recipe)
    return {**row, "margin": float(draft.margin or 0.0)}


def _kto(draft: Draft, recipe: Recipe) -> Row:
    """TRL's unpaired preference type."""
    row = _trl(draft, recipe, completion=draft.answer)
    return {**row, "label": bool(draft.label)}


def _sft(draft: Draft, recipe: Recipe) -> Row:
    """TRL's prompt and completion, of which the completion alone is learned."""
    return _trl(draft, recipe, completion=draft.answer)


def _prm(draft: Draft, _recipe: Recipe) -> Row:
    """TRL's stepwise supervision, which is text only."""
    return {
        "prompt": chat.prompt_as_text(draft.prompt.messages),
        "completions": [step for step, _ in draft.steps],
        "labels": [right for _, right in draft.steps],
    }


def _openai_dpo(draft: Draft, _recipe: Recipe) -> Row:
    """The preference format of hosted fine-tuning."""
    assert draft.worse is not None
    asked: Row = {"messages": _openai(draft.prompt.messages)}
    if draft.prompt.tools:
        asked["tools"] = [nested_tool(tool) for tool in draft.prompt.tools]
    return {"input": asked, "preferred_output": _openai([draft.answer]), "non_preferred_output": _openai([draft.worse])}


def _openai_chat(draft: Draft, _recipe: Recipe) -> Row:
    """The chat format of hosted fine-tuning."""
    row: Row = {"messages": _openai([*draft.prompt.messages, draft.answer])}
    if draft.prompt.tools:
        row["tools"] = [nested_tool(tool) for tool in draft.prompt.tools]
    return row


_FORMATS: Final[Mapping[str, Callable[[Draft, Recipe], Row]]] = {
    "dpo": _dpo,
    "reward": _reward,
    "kto": _kto,
    "sft": _sft,
    "prm": _prm,
    "openai-dpo": _openai_dpo,
    "openai-chat": _openai_chat,
}


def _trl(draft: Draft, recipe: Recipe, **said: ChatMessage | None) -> Row:
    """The prompt and what was said to it, as text or as messages."""
    spoken = {name: message for name, message in said.items() if message is not None}
    if recipe.style == "standard":
        texts = {name: chat.plain_text(message) for name, message in spoken.items()}
        return {"prompt": chat.prompt_as_text(draft.prompt.messages), **texts}
    row: Row = {"prompt": [_trl_message(message) for message in draft.prompt.messages]}
    row.update((name, [_trl_message(message)]) for name, message in spoken.items())
    if draft.prompt.tools:
        row["tools"] = [nested_tool(tool) for tool in draft.prompt.tools]
    return row


def _trl_message(message: ChatMessage) -> Row:
    """Arguments of tools as objects: chat templates write them as JSON themselves."""
    made: Row = {"role": message["role"], "content": message["content"]}
    if calls := message.get("tool_calls"):
        made["tool_calls"] = [
            {"type": "function", "function": {"name": call["name"], "arguments": _as_object(call["arguments"])}}
            for call in calls
        ]
    if message["role"] == "tool" and (name := message.get("name")):
        made["name"] = name
    if thoughts := message.get("reasoning"):
        made["reasoning_content"] = thoughts
    return made


def _openai(messages: Sequence[ChatMessage]) -> list[Row]:
    """Arguments of tools as JSON text, and ids that join calls with what the tools answered.

    Where there are none, calls are numbered, and answered in their order.
    """
    rows: list[Row] = []
    waiting: list[str] = []
    for message in messages:
        made: Row = {"role": message["role"], "content": message["content"]}
        if calls := message.get("tool_calls"):
            ids = [call["id"] or f"call_{len(rows)}_{place}" for place, call in enumerate(calls)]
            made["tool_calls"] = list(map(_openai_call, ids, calls))
            made["content"] = message["content"] or None
            waiting = ids
        if message["role"] == "tool":
            answered = message.get("tool_call_id") or (waiting[0] if waiting else "call_0")
            made["tool_call_id"] = answered
            waiting = [each for each in waiting if each != answered]
        rows.append(made)
    return rows


def _openai_call(name: str, call: Mapping[str, Any]) -> Row:
    function = {"name": call["name"], "arguments": _as_text(call["arguments"])}
    return {"id": name, "type": "function", "function": function}


def _as_object(arguments: Any) -> Any:
    parsed = codec.parse_json(arguments)
    return parsed if isinstance(parsed, dict) else {} if parsed in (None, "") else {"arguments": parsed}


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else codec.dumps({} if arguments is None else arguments)


def nested_tool(tool: Mapping[str, Any]) -> Row:
    """A tool's definition with its function in an object of its own, as trainers and OpenAI's chat format have it."""
    if tool.get("type") != "function" or "function" in tool:
        return dict(tool)
    function = {key: value for key, value in tool.items() if key != "type"}
    return {"type": "function", "function": function}


def rows_as_messages(row: Row) -> Sequence[str]:
    """Prompt, answer and worse answer of a row in any of the formats for training, as text."""
    if "preferred_output" in row:
        said = (row["input"]["messages"], row["preferred_output"], row["non_preferred_output"])
        return [_joined(part) for part in said]
    if "messages" in row:
        return [_joined(row["messages"][:-1]), _joined(row["messages"][-1:])]
    if "completions" in row:
        return [_joined(row["prompt"]), "\n".join(row["completions"])]
    spoken = [row[name] for name in ("prompt", "chosen", "rejected", "completion") if name in row]
    return [_joined(part) for part in spoken]


def _joined(part: Any) -> str:
    if isinstance(part, str):
        return part
    return "\n".join(str(message.get("content") or "") for message in part if isinstance(message, Mapping))
