"""Asks every question of a JSONL file of conversations, turn by turn through two client libraries in four ways.

    python examples/replay.py conversations.jsonl

Each line has `messages`, a list of `{"role": ..., "content": ...}`, and how many `answers` to ask for.
"""

import json
import sys
from pathlib import Path

import anthropic
import openai


def ask(ways: int, gpt: openai.OpenAI, claude: anthropic.Anthropic, messages: list[dict[str, str]]) -> None:
    """Asks once, in one of four ways."""
    if ways == 0:
        gpt.chat.completions.create(model="replayed", messages=messages)
    elif ways == 1:
        options = {"include_usage": True}
        for _ in gpt.chat.completions.create(model="replayed", messages=messages, stream=True, stream_options=options):
            pass
    elif ways == 2:
        claude.messages.create(model="replayed", max_tokens=4096, **for_claude(messages))
    else:
        with claude.messages.stream(model="replayed", max_tokens=4096, **for_claude(messages)) as stream:
            stream.until_done()


def for_claude(messages: list[dict[str, str]]) -> dict[str, object]:
    """The same messages in Anthropic's form, where the system prompt stands apart."""
    system = [m["content"] for m in messages if m["role"] == "system"]
    rest = [m for m in messages if m["role"] != "system"]
    return {"messages": rest, **({"system": "\n".join(system)} if system else {})}


def main(path: str) -> None:
    """Asks them all."""
    gpt, claude = openai.OpenAI(), anthropic.Anthropic()
    asked = 0
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for _ in range(row["answers"]):
                ask(asked % 4, gpt, claude, row["messages"])
                asked += 1
    print(f"asked {asked} times")


if __name__ == "__main__":
    main(sys.argv[1])
