"""The published rules of hosted fine-tuning, as a validator: what is refused at the upload, and in which line.

The forms of messages and of tools are those of the openai client's own types. The rest is in the guides: OpenAI's on
supervised fine-tuning and on direct preference optimization (the same form at Azure), Together's on preference tuning.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionMessageParam
from pydantic import TypeAdapter, ValidationError

MOST_BYTES = 512 * 2**20
FEWEST_ROWS = 10
ROLES = ("system", "user", "assistant", "tool")
FUNCTION = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS = TypeAdapter(list[ChatCompletionFunctionToolParam])
SIDES = ("preferred_output", "non_preferred_output")


def faults(file: Path) -> list[str]:
    """What is wrong with a file for hosted fine-tuning; nothing where it would be taken."""
    raw = file.read_bytes()
    found = [] if len(raw) <= MOST_BYTES else ["the file is larger than 512 MB"]
    if raw.startswith(b"\xef\xbb\xbf"):
        found.append("the file begins with a byte order mark")
    lines = raw.decode("utf-8").splitlines()
    if len(lines) < FEWEST_ROWS:
        found.append(f"fewer than {FEWEST_ROWS} rows")
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            found.append(f"line {number}: no JSON")
            continue
        found += [f"line {number}: {fault}" for fault in of_row(row)]
    return found


def of_row(row: Any) -> Iterator[str]:
    """What is wrong with a row."""
    if not isinstance(row, dict):
        yield "no object"
    elif "messages" in row:
        yield from odd_keys(row, {"messages", "tools", "parallel_tool_calls"})
        yield from of_conversation(row["messages"], row.get("tools"))
    elif {"input", *SIDES} <= row.keys():
        yield from odd_keys(row, {"input", *SIDES})
        yield from odd_keys(row["input"], {"messages", "tools", "parallel_tool_calls"})
        for side in SIDES:
            if len(row[side]) != 1:
                yield f"{side} is not one message"
            yield from of_conversation([*row["input"]["messages"], *row[side]], row["input"].get("tools"))
        if row["input"]["messages"][-1:] and row["input"]["messages"][-1]["role"] == "assistant":
            yield "the prompt ends with an answer"
        if row[SIDES[0]] == row[SIDES[1]]:
            yield "both sides are the same"
    else:
        yield "neither messages nor input with both outputs"


def odd_keys(row: dict[str, Any], known: set[str]) -> Iterator[str]:
    """Keys that no rule knows."""
    yield from (f"an unknown key {key}" for key in sorted(row.keys() - known))


def of_conversation(messages: Any, tools: Any) -> Iterator[str]:
    """What is wrong with the messages of a row, its answer included."""
    try:
        list(MESSAGES.validate_python(messages, strict=True))
        if tools is not None:
            TOOLS.validate_python(tools, strict=True)
    except ValidationError as error:
        yield f"not of the published form: {error.errors()[0]['loc']}"
        return
    if not messages or messages[-1]["role"] != "assistant":
        yield "the last message is not by the assistant"
    if not any(message["role"] == "user" for message in messages):
        yield "nobody asks"
    yield from of_tools(messages, tools or [])


def of_tools(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with roles, contents, and the calls of tools, each of which is answered before anything else."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] not in ROLES:
            yield f"an unknown role {message['role']}"
        if message["content"] is None and not message.get("tool_calls"):
            yield "a message without content"
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield "an answer of a tool to no call"
            waiting = [each for each in waiting if each != message["tool_call_id"]]
        elif waiting:
            yield "a call of a tool that is not answered"
            waiting = []
        for call in message.get("tool_calls", ()):
            waiting.append(call["id"])
            if not isinstance(json.loads(call["function"]["arguments"]), dict):
                yield "arguments that are no object"
    names = [tool["function"]["name"] for tool in tools]
    names += [call["function"]["name"] for message in messages for call in message.get("tool_calls", ())]
    yield from (f"a tool named {name!r}" for name in names if not FUNCTION.fullmatch(name))
