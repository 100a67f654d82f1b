"""A chat in the terminal that asks, after some of its answers, what you think of them.

    OPENAI_API_KEY=... rlhf-otel-instrument python examples/terminal_chat.py

By keys with `pip install 'rlhf-otel[tui]'`, else line by line. An empty line ends it.
"""

import os
import uuid

import openai

import rlhf_otel as rlhf
from rlhf_otel import feedback

MODEL = os.environ.get("OPENAI_MODEL", "gpt-5-mini")


def answer(client: openai.OpenAI, messages: list[dict[str, str]]) -> str:
    """Prints the answer as it comes, and returns it."""
    stream = client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    pieces = []
    print("model: ", end="", flush=True)
    for chunk in stream:
        piece = chunk.choices[0].delta.content if chunk.choices else None
        print(piece or "", end="", flush=True)
        pieces.append(piece or "")
    print()
    return "".join(pieces)


def main() -> None:
    """One conversation."""
    client, session, messages = openai.OpenAI(), str(uuid.uuid4()), []
    while question := input("  you: ").strip():
        messages.append({"role": "user", "content": question})
        with rlhf.context(session=session):
            messages.append({"role": "assistant", "content": answer(client, messages)})
        if feedback.should_ask(session) and feedback.ask(session=session) == "submitted":
            print("Thank you.")


if __name__ == "__main__":
    main()
