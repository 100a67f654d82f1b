"""A small assistant that talks to two providers and has never heard of rlhf-otel.

It streams and it waits, it calls a tool, it asks for a model that does not exist, and it loses patience with a story.

    OPENAI_API_KEY=... ANTHROPIC_API_KEY=... rlhf-otel-instrument python examples/chat.py
"""

import json
import os

import anthropic
import openai

GPT = os.environ.get("OPENAI_MODEL", "gpt-5-mini")
CLAUDE = os.environ.get("ANTHROPIC_MODEL", "claude-haiku-4-5")
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city, now.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def say(who: str, text: str) -> None:
    """Prints one line of the conversation."""
    print(f"{who:>9}: {text}", flush=True)


def stream_from_openai(client: openai.OpenAI, question: str) -> None:
    """Asks and prints the answer as it comes."""
    say("you", question)
    print(f"{'gpt':>9}: ", end="", flush=True)
    stream = client.chat.completions.create(
        model=GPT,
        messages=[{"role": "system", "content": "Answer in one sentence."}, {"role": "user", "content": question}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        if chunk.choices:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print()


def ask_claude(client: anthropic.Anthropic, question: str) -> None:
    """Asks and waits for the whole answer."""
    say("you", question)
    answer = client.messages.create(model=CLAUDE, max_tokens=200, messages=[{"role": "user", "content": question}])
    say("claude", answer.content[0].text)


def stream_from_claude(client: anthropic.Anthropic, question: str) -> None:
    """The same through the SDK's stream helper."""
    say("you", question)
    print(f"{'claude':>9}: ", end="", flush=True)
    with client.messages.stream(
        model=CLAUDE, max_tokens=200, messages=[{"role": "user", "content": question}]
    ) as stream:
        for text in stream.text_stream:
            print(text.replace("\n", " / "), end="", flush=True)
    print()


def call_a_tool(client: openai.OpenAI, question: str) -> None:
    """Lets the model look the weather up."""
    say("you", question)
    messages = [{"role": "user", "content": question}]
    first = client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL]).choices[0].message
    for call in first.tool_calls or ():
        say("tool", f"{call.function.name}({call.function.arguments})")
        weather = json.dumps({"city": json.loads(call.function.arguments)["city"], "sky": "clear", "celsius": 19})
        messages += [
            first.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": call.id, "content": weather},
        ]
    second = client.chat.completions.create(model=GPT, messages=messages, tools=[WEATHER_TOOL])
    say("gpt", second.choices[0].message.content or "")


def ask_twice(client: openai.OpenAI, question: str) -> None:
    """Two answers to one question, for somebody to choose from."""
    say("you", question)
    for _ in range(2):
        answer = client.chat.completions.create(model=GPT, messages=[{"role": "user", "content": question}])
        say("gpt", answer.choices[0].message.content or "")


def fail(client: openai.OpenAI) -> None:
    """Asks a model that does not exist."""
    say("you", "(asks a model that does not exist)")
    try:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": "Are you there?"}])
    except openai.NotFoundError as error:
        say("error", f"{type(error).__name__}: the application handles it and goes on")


def lose_patience(client: openai.OpenAI, question: str) -> None:
    """Stops listening after a few words."""
    say("you", question)
    print(f"{'gpt':>9}: ", end="", flush=True)
    with client.chat.completions.create(
        model=GPT, messages=[{"role": "user", "content": question}], stream=True
    ) as stream:
        for count, chunk in enumerate(stream):
            print(chunk.choices[0].delta.content or "", end="", flush=True)
            if count == 6:
                break
    print(" ... (you have stopped listening)")


def main() -> None:
    """One conversation."""
    gpt, claude = openai.OpenAI(), anthropic.Anthropic()
    stream_from_openai(gpt, "How do I keep basil fresh?")
    ask_claude(claude, "Which is heavier, a litre of oil or a litre of water?")
    call_a_tool(gpt, "Do I need a coat in Lisbon today?")
    stream_from_claude(claude, "Write a haiku about autumn rain.")
    ask_twice(gpt, "Suggest a name for a bakery by the sea.")
    fail(gpt)
    lose_patience(gpt, "Tell me a very long story.")


if __name__ == "__main__":
    main()
