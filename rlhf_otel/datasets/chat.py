"""Recorded messages as chat messages: one plain form for the clients of every provider.

A message has `role` and `content`, an assistant's also `tool_calls` and `reasoning`, a tool's `tool_call_id`. Text
stays byte for byte what was recorded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

from rlhf_otel import codec
from rlhf_otel.records import Interaction, Message

ChatMessage = dict[str, Any]
_MEDIA: Final = ("uri", "file", "blob")
_ROLES: Final = {"developer": "system", "human": "user", "model": "assistant", "ai": "assistant"}
_CUT_SIGNS: Final = (" characters cut]", " characters, cut]", " entries cut]")
"""How texts end that did not fit into an attribute."""


class UnusableError(ValueError):
    """An interaction that no row can be made of; the message is the reason, in words for the summary."""


def prompt_messages(interaction: Interaction, *, system: bool = True, reasoning: bool = False) -> list[ChatMessage]:
    """What the model was asked: system prompt first, wherever the client library puts it.

    Raises:
        UnusableError: it was not captured, was cut, or has more than text in it.
    """
    if interaction.input is None:
        raise UnusableError("content was not captured")
    if "gen_ai.request.previous_response.id" in interaction.attributes:
        raise UnusableError("earlier turns are kept by the provider")
    beside: list[Message] = [{"role": "system", "parts": list(interaction.system)}] if interaction.system else []
    messages = _merged(chat_messages([*beside, *interaction.input], reasoning=reasoning))
    if not system:
        messages = [message for message in messages if message["role"] != "system"]
    if not any(message["role"] != "system" for message in messages):
        raise UnusableError("there is no question in it")
    return messages


def answers(interaction: Interaction, *, reasoning: bool = False) -> list[ChatMessage]:
    """The answers, one for each choice; what was asked as `n` gives several.

    Raises:
        UnusableError: there is none, or it has more than text and calls of tools in it.
    """
    if interaction.output is None:
        raise UnusableError("content was not captured")
    messages = chat_messages(interaction.output, reasoning=reasoning)
    made = [message for message in messages if message["role"] == "assistant"]
    if not any(message["content"] or message.get("tool_calls") for message in made):
        raise UnusableError("the answer is empty")
    return made


def chat_messages(messages: Iterable[Message], *, reasoning: bool = False) -> list[ChatMessage]:
    """`messages` in the plain form; the answers of tools become messages of their own.

    Raises:
        UnusableError: a part is neither text nor a call of a tool or its answer.
    """
    made: list[ChatMessage] = []
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("parts"), list | tuple):
            raise UnusableError("content is damaged")
        role = str(message.get("role") or "user")
        made += _messages_of(_ROLES.get(role, role), message["parts"], reasoning)
    return made


def _messages_of(role: str, parts: Sequence[Any], reasoning: bool) -> list[ChatMessage]:
    text: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    answered: list[ChatMessage] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("text", "refusal"):
            text.append(_whole(part.get("content")))
        elif kind == "reasoning":
            thoughts.append(_whole(part.get("content")))
        elif kind == "tool_call":
            given = {"id": part.get("id"), "name": part.get("name"), "arguments": part.get("arguments")}
            calls.append(given)
        elif kind == "tool_call_response":
            said = part.get("response", part.get("result"))
            content = said if isinstance(said, str) else codec.dumps(said)
            answered.append({"role": "tool", "tool_call_id": part.get("id"), "content": _whole(content)})
        else:
            raise UnusableError("media that is not in the store" if kind in _MEDIA else "a part that is no text")
    own: ChatMessage = {"role": role, "content": "".join(text)}
    if calls:
        own["tool_calls"] = calls
    if thoughts and reasoning:
        own["reasoning"] = "".join(thoughts)
    is_own = bool(text or calls or thoughts) or not answered
    return [*answered, own] if is_own else answered


def _whole(text: Any) -> str:
    if not isinstance(text, str):
        raise UnusableError("content is damaged")
    if text.endswith(_CUT_SIGNS):
        raise UnusableError("content was cut by a length limit")
    return text


def _merged(messages: list[ChatMessage]) -> list[ChatMessage]:
    """Neighbouring system messages as one: some client libraries take them apart, others together."""
    made: list[ChatMessage] = []
    for message in messages:
        if made and message["role"] == made[-1]["role"] == "system":
            made[-1] = {"role": "system", "content": f"{made[-1]['content']}\n{message['content']}"}
        else:
            made.append(message)
    return made


def plain_text(message: ChatMessage) -> str:
    """A message as text, where a format takes no messages."""
    thoughts = f"<think>\n{message['reasoning']}\n</think>\n\n" if message.get("reasoning") else ""
    calls = "".join(f"\n{call['name']}({codec.dumps(call['arguments'])})" for call in message.get("tool_calls", ()))
    return f"{thoughts}{message['content']}{calls}"


def prompt_as_text(messages: Sequence[ChatMessage]) -> str:
    """A prompt as text: of a single question the question itself, else every turn with who speaks."""
    if len(messages) == 1:
        return plain_text(messages[0])
    return "\n\n".join(f"{message['role'].capitalize()}: {plain_text(message)}" for message in messages)


def digest(value: Any) -> bytes:
    """Names a plain value by its content."""
    return blake2b(json.dumps(value, separators=(",", ":")).encode(), digest_size=16).digest()
